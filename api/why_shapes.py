"""What REST, the page of a series and the terminal say of why a rule fires or does not."""

import math
from datetime import datetime
from typing import Any

from alerts.visitors import page_views
from api import words
from api.house import House
from api.levels import Levels, LevelShape, at_time
from api.moments import at
from api.shapes import Shape
from api.signal_shapes import RuleShape
from api.standing import series_id
from detector import units
from detector.baseline import DAY_MS
from detector.change import PAST_DAYS
from detector.checks import Check, Measure, Relation
from detector.confirming import Confirming
from detector.facts import FactFinder
from detector.gates import ASKS, Gate
from detector.incidents import Depth
from detector.judgement import Judgement, Reason, Verdict
from detector.ledger import Wanted
from detector.load import LoadFinder
from detector.regression import Phase, Regression, Tag
from detector.signal import Signal
from detector.tagging import Tagging
from detector.tags import told
from detector.why import Explanation, Passage, Result, Why, explain
from storage.series import Labels

RECORDED_MS = DAY_MS
MOST_RECORDED = 2000


class CheckShape(Shape):
    """One number that a gate looked at, and the one it needs."""

    name: str
    """What it is."""
    saw: float | None
    """What was there; null where nothing was."""
    relation: Relation
    """How it must stand to what is needed."""
    needed: float | None
    """What is needed; null where that is not known."""
    of: int | None
    """Of how many, where it is a count of windows."""
    text: str
    """The same for people: `293 ms, above 254 ms`."""

    @classmethod
    def of_check(cls, one: Check, unit: units.Unit) -> "CheckShape":
        """With its numbers as people say them."""
        saw, needed = number(one.saw, one.measure, unit), number(one.needed, one.measure, unit)
        of = f" of {one.of}" if one.of is not None else ""
        return cls(
            name=one.name,
            saw=finite(one.saw),
            relation=one.relation,
            needed=finite(one.needed),
            of=one.of,
            text=f"{one.name} {saw}{of}, {one.relation} {needed}",
        )


class GateShape(Shape):
    """One gate on the way of a judgement."""

    gate: Gate
    """Its name."""
    asks: str
    """What it asks for."""
    result: Result
    """passed, refused, ended (no breach, or an improvement), abstained, not_asked, not_reached."""
    checks: list[CheckShape]
    """The numbers; none where the rule does not ask."""

    @classmethod
    def of_passage(cls, one: Passage, unit: units.Unit) -> "GateShape":
        """From what the stages say."""
        checks = [CheckShape.of_check(each, unit) for each in one.checks]
        return cls(gate=one.gate, asks=ASKS[one.gate], result=one.result, checks=checks)


class JudgedWindow(Shape):
    """One window that was judged."""

    end: datetime
    """When it ended."""
    value: float | None
    """Its value; null where nothing was observed."""
    value_text: str
    """The same for people."""
    n: float
    """How many observations are behind it."""
    breaches: bool
    """Whether it breaches the trigger, with enough observations."""


class RecordedShape(Shape):
    """What the ledger has of the same time."""

    verdict: Verdict
    """The verdict in force then."""
    reason: Reason
    """Its reason."""
    since: datetime
    """Since when it said the same without a break, as far as the last day shows."""
    whole_day: bool
    """Whether it said so for the whole day: then it may be longer."""


class OpenOnSeries(Shape):
    """A regression that was open then."""

    id: str
    """The regression."""
    state: Phase
    """Its state now."""
    opened_at: datetime
    """Since when."""


class TagShape(Shape):
    """What else may explain a breach that holds."""

    tag: Tag
    """`cost_shift` or `load_driven`."""
    milder: bool
    """Whether it opens as `info` for it."""
    text: str
    """What it rests on, for people."""


class RuleWhyShape(Shape):
    """One rule on one series at one time, gate by gate."""

    rule: RuleShape
    """The rule, as it was judged."""
    verdict: Verdict
    """What it says."""
    reason: Reason
    """Why it is unknown, or which gate refused it."""
    text: str
    """The verdict and its reason in words."""
    value: float | None
    """The newest value."""
    value_text: str
    """The same for people."""
    n: float | None
    """Observations behind it."""
    threshold: float | None
    """What would be a breach."""
    threshold_text: str
    """The same for people."""
    clear: float | None
    """Where it would be over; null where that is no value of the signal."""
    clear_text: str
    """The same for people."""
    baseline: float | None
    """The 7-day average, frozen while a regression is open."""
    baseline_text: str
    """The same for people."""
    deviation: float | None
    """Its standard deviation."""
    baseline_n: float | None
    """Observations behind it."""
    days: int
    """Days of seven with data."""
    window_seconds: float
    """Length of each judged window."""
    windows: list[JudgedWindow]
    """The judged windows, the newest last."""
    gates: list[GateShape]
    """The gates in their order; the first that refuses decides."""
    page_views: list[str]
    """Of a web vital what the page views behind a candidate say, in words; empty for others."""
    visits: dict[str, Any]
    """The same as numbers: `releases`, `elements`, `mix`; empty where nothing is known."""
    tags: list[TagShape]
    """What else may explain it, where it regressed."""
    recorded: RecordedShape | None
    """What the ledger has; null where it has nothing of that time."""
    open: OpenOnSeries | None
    """The regression that was open then; null for none."""

    @classmethod
    def of_rule(
        cls, one: Explanation, signal: Signal, recorded: RecordedShape | None
    ) -> "RuleWhyShape":
        """From an explanation."""
        judged, unit = one.judgement, signal.form.unit
        return cls(
            rule=RuleShape.of(one.rule, one.definition, signal),
            verdict=judged.verdict,
            reason=judged.reason,
            text=words.verdict(judged, one.definition, signal),
            value=finite(judged.value),
            value_text=units.text(judged.value, unit),
            n=finite(judged.n),
            threshold=finite(judged.threshold),
            threshold_text=units.text(judged.threshold, unit),
            clear=finite(one.clear),
            clear_text=units.text(one.clear, unit),
            baseline=finite(judged.baseline),
            baseline_text=units.text(judged.baseline, unit),
            deviation=finite(judged.deviation),
            baseline_n=finite(judged.baseline_n),
            days=judged.days,
            window_seconds=one.window_ms / 1000,
            windows=[
                JudgedWindow(
                    end=at(each.end_ms),
                    value=finite(each.value),
                    value_text=units.text(each.value, unit),
                    n=each.n,
                    breaches=each.breaches,
                )
                for each in one.windows
            ],
            gates=[GateShape.of_passage(each, unit) for each in one.passages],
            page_views=page_views(judged.visits, unit),
            visits=dict(judged.visits),
            tags=[
                TagShape(tag=each.tag, milder=each.milder, text=told(each.tag, each.evidence))
                for each in one.tags
            ],
            recorded=recorded,
            open=opened(one.regression),
        )


class WhyShape(Shape):
    """Why each rule on a series fires at a time, or why not."""

    signal: str
    """The signal."""
    title: str
    """How a person calls it."""
    unit: units.Unit
    """Base unit of its values."""
    series: str
    """The id of the series inside the signal."""
    name: str
    """The series as a person says it."""
    labels: dict[str, str]
    """Its labels."""
    at: datetime
    """The tick that is explained: the last one at or before the time asked for."""
    is_coarse: bool
    """Whether only the longer windows are stored of that time, so that rules which look at shorter
    ones are judged on these."""
    level: LevelShape | None
    """With which larger series it is judged where it has too few observations; null where no signal
    holds its series together with others."""
    rules: list[RuleWhyShape]
    """Each enabled rule on the signal."""

    @classmethod
    def of_why(
        cls,
        why: Why,
        recorded: dict[str, RecordedShape],
        rules: list[str],
        level: LevelShape | None,
    ) -> "WhyShape":
        """From what the stages say, the rules in the order of their definitions."""
        form = why.signal.form
        ordered = sorted(why.rules, key=lambda one: rules.index(one.rule))
        shapes = [RuleWhyShape.of_rule(one, why.signal, recorded.get(one.rule)) for one in ordered]
        return cls(
            signal=why.signal.name,
            title=why.signal.title,
            unit=form.unit,
            series=series_id(why.labels),
            name=words.place(why.labels),
            labels=why.labels.as_dict(),
            at=at(why.at_ms),
            is_coarse=why.is_coarse,
            level=level,
            rules=shapes,
        )


def finite(value: float) -> float | None:
    """A number for JSON."""
    return value if math.isfinite(value) else None


def opened(one: Regression | None) -> OpenOnSeries | None:
    """A regression that was open."""
    if one is None:
        return None
    return OpenOnSeries(id=one.id, state=one.phase, opened_at=at(one.opened_ms))


def number(value: float, measure: Measure, unit: units.Unit) -> str:
    """A number of a check for people."""
    if math.isnan(value):
        return "-"
    match measure:
        case Measure.VALUE:
            return units.text(value, unit)
        case Measure.DISTANCE:
            return words.points(value, unit)
        case Measure.MULTIPLE:
            return f"{units.digits(value)} x"
        case Measure.SHARE:
            return units.text(value, units.Unit.RATIO)
        case Measure.OBSERVATIONS:
            return words.counted(value)
        case _:
            return units.digits(value)


def why_of(house: House, signal: Signal, labels: Labels, at_ms: int) -> WhyShape:
    """Everything about one series at a time, from the history, the book and the ledger."""
    since_ms = at_ms - (PAST_DAYS + 1) * DAY_MS
    with house.state.reading() as session:
        known = [
            *house.book.spans(session, since_ms, Depth.WHOLE),
            *house.book.accepted(session, since_ms, Depth.WHOLE),
        ]
    known = list({one.id: one for one in known}.values())
    rules = house.detector.definitions.rules_of(signal.name)
    assess = Confirming(house.history).confirm
    signals, needs = house.detector.definitions.signals, house.book.dependencies
    tagging = Tagging(signals, LoadFinder(house.history, needs))
    facts = FactFinder(house.history, signals, needs)
    why = explain(house.history, signal, rules, labels, at_ms, known, assess, tagging, facts)
    step_ms = house.detector.definitions.step_ms
    in_force = house.ledger.in_force(signal.name, labels, why.at_ms, step_ms)
    recorded = {one.rule: standing_since(house, one, why.at_ms) for one in in_force}
    level = Levels(house, at_time(house, why.at_ms)).of(signal.name, labels)
    return WhyShape.of_why(why, recorded, list(rules), level)


def standing_since(house: House, one: Judgement, at_ms: int) -> RecordedShape:
    """A verdict in force, and since when the ledger has it without a break."""
    since_ms = at_ms - RECORDED_MS
    wanted = Wanted(
        rule=one.rule,
        signal=one.signal,
        labels=one.labels,
        since_ms=since_ms,
        until_ms=at_ms,
        limit=MOST_RECORDED,
    )
    found = house.ledger.read(wanted)
    same = 0
    while same < len(found) and (found[same].verdict, found[same].reason) == (
        one.verdict,
        one.reason,
    ):
        same += 1
    oldest = found[same - 1] if same else one
    return RecordedShape(
        verdict=one.verdict,
        reason=one.reason,
        since=at(oldest.at_ms),
        whole_day=same == len(found) and oldest.at_ms <= since_ms + 3_600_000,
    )
