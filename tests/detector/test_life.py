"""Any sequence of judgements and actions: nothing is lost, nothing is twice, ids stay."""

import itertools
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detector.actions import FROM, Action, IllegalActionError, Wish, act, possible
from detector.book import Book
from detector.config import build_signals
from detector.identity import fingerprint
from detector.incidents import Depth
from detector.judgement import Judgement, Reason, Verdict
from detector.lifecycle import (
    DAY_MS,
    DETECTOR,
    HOUR_MS,
    MINUTE_MS,
    REOPENS_WITHIN_MS,
    SETTLING_MS,
    continued,
    opened,
    reopens,
    suggests_acceptance,
    woken,
)
from detector.regression import HOLDING, Kind, Phase, Regression, Step, Transition
from detector.rule import Rule
from storage.series import Labels
from storage.state import State
from tests.detector.watch import Watch, definitions

SIGNAL = build_signals({"s": {"form": "gauge", "metric": "m", "unit": "seconds"}})["s"]
RULE = Rule.model_validate(
    {
        "signal": "s",
        "trigger": {"relative": {"above": 1.2}},
        "sustain": {"windows": 2, "of": 2},
        "clear": {"level": 1.1, "for": "60m"},
        "critical": 1.5,
    }
)
FIXED = RULE.model_copy(
    update={"trigger": RULE.trigger.model_validate({"absolute": {"above": 12}})}
)
START_MS = 1_772_452_800_000
VERDICT = {
    "worse": (Verdict.REGRESSED, 13.0),
    "much worse": (Verdict.REGRESSED, 14.0),
    "critical": (Verdict.REGRESSED, 16.0),
    "suspected": (Verdict.SUSPECTED, 13.0),
    "rejected": (Verdict.REJECTED, 13.0),
    "between": (Verdict.STEADY, 11.5),
    "clear": (Verdict.STEADY, 10.0),
    "better": (Verdict.IMPROVED, 7.0),
    "silent": (Verdict.UNKNOWN, float("nan")),
}


def judgement(what: str, at_ms: int, signal: str = "s", rule_: str = "r") -> Judgement:
    verdict, value = VERDICT[what]
    return Judgement(
        rule=rule_,
        signal=signal,
        labels=Labels.of(target="shop"),
        at_ms=at_ms,
        verdict=verdict,
        reason=Reason.NO_DATA if verdict is Verdict.UNKNOWN else Reason.NONE,
        value=value,
        n=100.0,
        threshold=8.3 if verdict is Verdict.IMPROVED else 12.0,
        baseline=10.0,
        deviation=1.0,
        baseline_n=1000.0,
        days=7,
        breaches=2,
        of=2,
        critical=value > 15,
        clear=value < 11,
        began_lo_ms=at_ms - 10 * MINUTE_MS,
        began_hi_ms=at_ms - 5 * MINUTE_MS,
        typical=value,
        mostly_critical=value > 15,
        mostly_clear=value < 11,
    )


class Life(RuleBasedStateMachine):
    """A book under ticks and people, on a real state."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory(prefix="plimsoll-life-")
        self.watch = Watch(
            Path(self.folder.name),
            definitions(
                {"r": {**RULE.model_dump(by_alias=True, exclude_none=True), "signal": "level"}}
            ),
        )
        self.state: State = self.watch.state
        self.book = Book()
        self.now_ms = START_MS
        self.ids: dict[str, str] = {}
        self.count = 0

    def teardown(self) -> None:
        self.watch.close()
        self.folder.cleanup()

    @initialize()
    def first(self) -> None:
        """Something to act on."""
        self.tick("worse", 1)

    @rule(what=st.sampled_from(sorted(VERDICT)), minutes=st.sampled_from([5, 5, 35, 61, 1440]))
    def tick(self, what: str, minutes: int) -> None:
        """One judgement, counted twice: the second time nothing may happen."""
        self.now_ms += minutes * MINUTE_MS
        one = judgement(what, self.now_ms, "level")
        for _ in range(2):
            with self.state.unit() as session:
                before = self.count
                known = {}
                for each in self.book.watched(session, lock=True):
                    awake, steps = woken(each, self.now_ms)
                    self.book.save(session, awake, steps)
                    known[each.fingerprint] = awake
                lives = self.watch.detector.lives()
                fresh = lives.apply(session, lives.signals["level"], lives.rules["r"], one, known)
                self.book.settle(session, fresh, self.now_ms)
            self.count = len(self.transitions())
        assert before == self.count, "a repeated judgement took a step"

    @rule(
        action=st.sampled_from(Action),
        minutes=st.sampled_from([None, 30, 600]),
        pick=st.integers(0, 10),
    )
    def person(self, action: Action, minutes: int | None, pick: int) -> None:
        """One action, taken twice: the second time nothing may happen."""
        self.now_ms += MINUTE_MS
        everything = self.regressions()
        one = everything[pick % len(everything)]
        until_ms = None if minutes is None else self.now_ms + minutes * MINUTE_MS
        wish = Wish(action=action, actor="ada", at_ms=self.now_ms, reason="why", until_ms=until_ms)
        allowed = action in possible(one)
        counts = []
        for _ in range(2):
            try:
                with self.state.unit() as session:
                    self.book.act(session, one.id, wish)
            except IllegalActionError:
                assert not allowed
                assert one.phase not in FROM[action] or action is not Action.COMMENT
            counts.append(len(self.transitions()))
        assert counts[0] == counts[1]
        assert counts[0] - self.count in (0, 1)
        self.count = counts[0]

    @precondition(lambda self: self.count > 3)
    @rule()
    def a_week(self) -> None:
        """Nothing is heard for a while."""
        self.now_ms += 3 * DAY_MS

    def regressions(self) -> list[Regression]:
        with self.state.reading() as session:
            return sorted(self.book.spans(session, 0, Depth.WHOLE), key=lambda one: one.id)

    def transitions(self) -> list[Transition]:
        found: list[Transition] = []
        with self.state.reading() as session:
            for one in sorted(self.book.spans(session, 0, Depth.WHOLE), key=lambda one: one.id):
                found += self.book.transitions(session, one.id)
        return found

    @invariant()
    def steps_form_a_chain_that_ends_where_it_is(self) -> None:
        with self.state.reading() as session:
            for one in self.book.spans(session, 0):
                steps = self.book.transitions(session, one.id)
                assert steps[0].before == ""
                assert all(a.after == b.before for a, b in itertools.pairwise(steps))
                assert steps[-1].after == one.phase
                assert all(step.actor and step.at_ms for step in steps)
                reopenings = sum(step.step is Step.REOPENED for step in steps)
                assert one.version == 1 + reopenings

    @invariant()
    def one_of_a_fingerprint_is_not_over(self) -> None:
        living = [one.fingerprint for one in self.regressions() if not one.phase.is_over]
        assert len(living) == len(set(living))

    @invariant()
    def ids_and_fingerprints_stay(self) -> None:
        for one in self.regressions():
            assert self.ids.setdefault(one.id, one.fingerprint) == one.fingerprint

    @invariant()
    def what_is_over_has_an_end_and_what_holds_has_none(self) -> None:
        for one in self.regressions():
            if one.phase.is_over:
                assert one.resolved_ms is not None
            if one.phase.holds:
                assert one.resolved_ms is None
            assert (one.muted_until_ms is None) or one.phase is Phase.MUTED

    @invariant()
    def only_what_is_told_has_an_incident_and_the_incident_is_over_with_it(self) -> None:
        with self.state.reading() as session:
            for one in self.book.spans(session, 0):
                if one.kind is Kind.IMPROVEMENT:
                    assert one.incident_id == ""
                if one.phase.holds and one.kind is Kind.REGRESSION:
                    incident = self.book.incident(session, one.incident_id)
                    assert incident is not None
                    assert incident.phase is Phase.OPEN
            for incident in self.book.incidents(session, True):
                holding = any(one.phase.holds for one in incident.regressions)
                assert holding or incident.phase is Phase.RESOLVED


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, derandomize=True
)


def began(what: str = "worse", chosen: Rule = RULE) -> Regression:
    return opened(SIGNAL, chosen, judgement(what, START_MS))[0]


def later(
    one: Regression, what: str, minutes: int, chosen: Rule = RULE
) -> tuple[Regression, list[Step]]:
    after, steps = continued(one, chosen, judgement(what, one.updated_ms + minutes * MINUTE_MS))
    return after, [step.step for step in steps]


def did(one: Regression, action: Action, minutes: int = 1, until: int | None = None) -> Regression:
    at_ms = one.updated_ms + minutes * MINUTE_MS
    until_ms = None if until is None else at_ms + until * MINUTE_MS
    wish = Wish(action=action, actor="ada", at_ms=at_ms, reason="", until_ms=until_ms)
    return act(one, wish, lambda *_: False)[0]


def test_a_statistical_rule_does_not_resolve_within_half_an_hour() -> None:
    quick = RULE.model_copy(update={"clear": RULE.clear.model_copy(update={"for_": 60.0})})
    long_ago = replace(began(), began_hi_ms=START_MS - 90 * MINUTE_MS)
    one, _ = later(long_ago, "clear", 5, quick)
    one, steps = later(one, "clear", 10, quick)
    assert (one.phase, steps) == (Phase.OPEN, [])
    one, steps = later(one, "clear", SETTLING_MS // MINUTE_MS, quick)
    assert (one.phase, steps) == (Phase.RESOLVED, [Step.RESOLVED])


def test_a_fixed_limit_may_resolve_at_once() -> None:
    quick = FIXED.model_copy(update={"clear": RULE.clear.model_copy(update={"for_": 60.0})})
    one, _ = later(began(chosen=quick), "clear", 2, quick)
    assert later(one, "clear", 1, quick) == (one_over(one, 1), [Step.RESOLVED])


def one_over(one: Regression, minutes: int) -> Regression:
    at_ms = one.updated_ms + minutes * MINUTE_MS
    return replace(one, phase=Phase.RESOLVED, resolved_ms=at_ms, updated_ms=at_ms)


@pytest.mark.parametrize(
    ("lasted", "cleared", "step"),
    [
        (20, 29, None),
        (20, 30, Step.TRANSIENT),
        (60, 30, Step.TRANSIENT),
        (61, 30, None),
        (61, 60, Step.RESOLVED),
    ],
)
def test_what_goes_away_within_an_hour_was_a_disturbance(
    lasted: int, cleared: int, step: Step | None
) -> None:
    one = replace(began(), began_hi_ms=START_MS - 10 * MINUTE_MS)
    one, _ = later(one, "worse", lasted - 11)
    one, _ = later(one, "clear", 1)
    one, steps = later(one, "clear", cleared)
    assert steps == ([] if step is None else [step])


def test_a_fixed_limit_knows_no_disturbance() -> None:
    one, _ = later(began(chosen=FIXED), "clear", 5, FIXED)
    assert later(one, "clear", 60, FIXED)[1] == [Step.RESOLVED]


def test_a_disturbance_that_was_told_reopens_and_a_suspicion_does_not() -> None:
    told = replace(began(), phase=Phase.TRANSIENT, incident_id="inc", resolved_ms=START_MS)
    assert reopens(told, START_MS + MINUTE_MS)
    assert not reopens(replace(told, incident_id=""), START_MS + MINUTE_MS)


def test_a_suspicion_that_goes_away_is_transient() -> None:
    one = began("suspected")
    assert one.phase is Phase.SUSPECTED
    assert later(one, "clear", 5)[1] == [Step.TRANSIENT]
    one, steps = later(one, "between", 5)
    assert (one.phase, steps) == (Phase.SUSPECTED, [])
    assert later(one, "between", 30)[1] == [Step.TRANSIENT]


def test_a_suspicion_that_is_confirmed_opens_under_the_same_id() -> None:
    one = began("suspected")
    after, steps = later(one, "critical", 5)
    assert (after.id, after.phase, steps) == (one.id, Phase.OPEN, [Step.OPENED])
    assert after.severity == "critical"
    assert after.held_since_ms == after.updated_ms


def test_a_suspicion_that_nothing_confirms_ends_after_a_day() -> None:
    one = began("suspected")
    assert later(one, "suspected", 60)[1] == []
    assert later(one, "suspected", 1440)[1] == [Step.TRANSIENT]
    assert later(one, "silent", 1440)[1] == [Step.TRANSIENT]


def test_one_worse_window_does_not_escalate_and_a_lasting_one_does() -> None:
    one, _ = later(began(), "worse", 60)
    spike = replace(judgement("much worse", one.updated_ms + MINUTE_MS), typical=13.0)
    assert continued(one, RULE, spike)[1] == ()
    after, steps = later(one, "much worse", 5)
    assert (after.phase, steps, after.recorded) == (Phase.ESCALATED, [Step.ESCALATED], 4.0)
    assert later(after, "much worse", 5)[1] == []


def test_one_critical_window_of_a_change_does_not_escalate_and_of_other_rules_does() -> None:
    one, _ = later(began(), "worse", 60)
    spike = replace(judgement("critical", one.updated_ms + MINUTE_MS), mostly_critical=False)
    spike = replace(spike, typical=12.5)
    change = RULE.model_dump(exclude={"trigger", "clear"}, by_alias=True, exclude_none=True)
    moved = Rule.model_validate(
        change | {"trigger": {"change": {"above": 1.08}}, "clear": {"for": "60m"}}
    )
    assert continued(one, moved, spike)[1] == ()
    # Most of the judged windows must be, and its past has to say so as well.
    for alone in (replace(spike, mostly_critical=True), replace(spike, severe=True)):
        assert continued(one, moved, alone)[1] == ()
    lasting = replace(spike, mostly_critical=True, severe=True)
    for chosen, said in ((moved, lasting), (RULE, spike), (FIXED, spike)):
        (step,) = continued(one, chosen, said)[1]
        assert step.step is Step.ESCALATED


def test_one_wild_window_does_not_end_the_time_for_which_it_was_clear() -> None:
    one, _ = later(later(began(), "worse", 120)[0], "clear", 5)
    for minute in range(5, 60, 5):
        again = judgement("clear", one.updated_ms + 5 * MINUTE_MS)
        if minute % 20 == 0:  # a job of a minute
            again = replace(judgement("much worse", again.at_ms), typical=10, mostly_clear=True)
        one, steps = continued(one, RULE, again)
        assert steps == ()
    wild = replace(judgement("worse", one.updated_ms + 5 * MINUTE_MS), mostly_clear=True)
    assert continued(one, RULE, wild)[1] == ()  # it does not end in a wild one
    assert later(one, "clear", 5)[1] == [Step.RESOLVED]
    # What most windows are is no wild one, and a wild one alone begins no time.
    back = judgement("worse", one.updated_ms + 5 * MINUTE_MS)
    assert continued(one, RULE, back)[0].clear_since_ms is None
    assert continued(continued(one, RULE, back)[0], RULE, wild)[0].clear_since_ms is None


def test_what_is_muted_escalates_without_a_new_phase() -> None:
    one = did(later(began(), "worse", 60)[0], Action.MUTE)
    after, steps = later(one, "critical", 5)
    assert (after.phase, after.severity, steps) == (Phase.MUTED, "critical", [Step.ESCALATED])


def test_an_acknowledged_one_that_gets_worse_asks_for_a_look_again() -> None:
    one = did(later(began(), "worse", 60)[0], Action.ACKNOWLEDGE)
    assert later(one, "worse", 5)[0].phase is Phase.ACKNOWLEDGED
    assert later(one, "much worse", 5)[0].phase is Phase.ESCALATED


def test_a_mute_ends_by_itself_at_its_time() -> None:
    one = did(began(), Action.MUTE, until=30)
    assert one.muted_until_ms is not None
    assert woken(one, one.muted_until_ms - 1) == (one, ())
    awake, (step,) = woken(one, one.muted_until_ms)
    assert (awake.phase, step.step, step.actor) == (Phase.OPEN, Step.UNMUTED, DETECTOR)
    forever = did(began(), Action.MUTE)
    assert woken(forever, START_MS + 99 * DAY_MS) == (forever, ())


@pytest.mark.parametrize("what", ["between", "clear"])
def test_an_improvement_that_lasts_becomes_the_normal_and_one_that_is_lost_is_over(
    what: str,
) -> None:
    one = began("better")
    assert (one.kind, one.severity, one.incident_id) == (Kind.IMPROVEMENT, "info", "")
    assert later(one, "better", 600)[1] == []
    one, _ = later(one, what, 5)
    assert later(one, what, 61)[1] == [Step.RESOLVED]
    kept = replace(judgement("clear", one.updated_ms + HOUR_MS), value=8.5, typical=8.5)
    assert [step.step for step in continued(one, RULE, kept)[1]] == [Step.ACCEPTED]


def test_acceptance_is_suggested_after_a_fortnight_and_only_where_it_is_possible() -> None:
    one = began()
    assert not suggests_acceptance(one, START_MS + 14 * DAY_MS - 1)
    assert suggests_acceptance(one, START_MS + 14 * DAY_MS)
    assert not suggests_acceptance(began(chosen=FIXED), START_MS + 20 * DAY_MS)
    assert not suggests_acceptance(did(one, Action.ACCEPT), START_MS + 20 * DAY_MS)


@pytest.mark.parametrize(
    ("done", "action", "said"),
    [
        (Action.RESOLVE, Action.ACKNOWLEDGE, "is resolved: acknowledge is possible from"),
        (Action.ACCEPT, Action.RESOLVE, "is accepted: resolve is possible from"),
        (Action.FALSE_POSITIVE, Action.MUTE, "is false_positive: mute is possible from"),
        (Action.MUTE, Action.ACKNOWLEDGE, "is muted: acknowledge is possible from"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_what_would(
    done: Action, action: Action, said: str
) -> None:
    with pytest.raises(IllegalActionError, match=said):
        did(did(began(), done), action)


def test_a_fixed_limit_has_no_normal_to_accept() -> None:
    with pytest.raises(IllegalActionError, match="has a fixed limit"):
        did(began(chosen=FIXED), Action.ACCEPT)


def test_nobody_is_told_of_an_improvement_so_nothing_is_to_mute() -> None:
    with pytest.raises(IllegalActionError, match="is an improvement"):
        did(began("better"), Action.MUTE)
    assert did(began("better"), Action.ACCEPT).phase is Phase.ACCEPTED


def test_a_mute_into_the_past_is_refused() -> None:
    with pytest.raises(IllegalActionError, match="must end in the future"):
        did(began(), Action.MUTE, until=0)


def test_acceptance_notes_where_the_normal_begins_anew() -> None:
    one = began()
    assert did(one, Action.ACCEPT).accepted_from_ms == one.began_hi_ms


def test_a_kind_makes_another_fingerprint() -> None:
    labels = Labels.of(target="shop")
    assert fingerprint("r", "s", labels) != fingerprint("r", "s", labels, Kind.IMPROVEMENT)


def test_every_action_leads_somewhere_from_somewhere() -> None:
    assert set(FROM) == set(Action)
    assert all(FROM[action] for action in Action)
    assert HOLDING.isdisjoint({phase for phase in Phase if phase.is_over})
    assert REOPENS_WITHIN_MS == 7 * DAY_MS
