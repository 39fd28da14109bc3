"""Who hears of an incident, when and why, with a tree of routes; and that it is kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from alerts.alert import Action, Reason
from alerts.silence import SilenceKind
from alerts.tables import GroupRow
from detector.finding import Finding
from detector.identity import identity
from detector.regression import Phase, Severity
from storage.series import Labels
from tests.alerts.books import opened
from tests.alerts.house import CHAT, PAGER, Deciding
from tests.alerts.incidents import CART, changed, decided, incident, resolved, worse

TIMES = {"group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h"}
TO_CHAT: dict[str, Any] = {"route": {"receiver": "chat", "group_by": ["incident"], **TIMES}}
BY_SEVERITY: dict[str, Any] = {
    "route": {
        "receiver": "chat",
        "group_by": ["incident"],
        **TIMES,
        "routes": [{"receiver": "pager", "matchers": ['severity="critical"'], "continue": False}],
    }
}
OPENED, EDITED = ("chat", "post", "opened"), ("chat", "update", "changed")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Deciding]:
    state = opened(f"sqlite:///{tmp_path / 'state.sqlite3'}")
    yield Deciding(state, TO_CHAT)
    state.close()


def critical(before: Any) -> Any:
    first = replace(before.regressions[0], severity=Severity.CRITICAL, value=1.3, worst=1.4)
    return replace(
        before, version=before.version + 1, severity=Severity.CRITICAL, regressions=(first,)
    )


def other(name: str, version: int = 1) -> Any:
    regression = replace(CART, id=f"reg-{name}", incident_id=name)
    return incident(name, version=version, regressions=(regression,))


def test_an_incident_is_told_after_the_wait_of_its_group(house: Deciding) -> None:
    assert house.untold(incident()) == [("chat", "waiting_for_group")]
    assert house.after(29.9) == []
    assert house.after(0.1) == [OPENED]
    assert house.after(299) == []


def test_a_message_that_stands_is_edited_without_waiting_for_its_group(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    assert house.told(changed(incident())) == [EDITED]


def test_what_gets_worse_is_told_with_the_next_notice_of_its_group(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    assert house.untold(critical(incident())) == [("chat", "waiting_for_group")]
    assert house.after(299) == []
    assert house.after(1) == [("chat", "update", "worse")]


def test_what_is_over_is_told_with_the_next_notice_of_its_group(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    assert house.untold(resolved(incident())) == [("chat", "waiting_for_group")]
    assert house.after(300) == [("chat", "update", "resolved")]
    assert house.after(3600) == []


def test_what_was_over_before_its_group_was_told_is_never_told(house: Deciding) -> None:
    house.decide(incident())
    house.wait(10)
    house.decide(resolved(incident()))
    assert house.after(20) == []
    assert house.after(4000) == []


def test_what_lasts_is_told_again_after_the_repeat_interval(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    told = [house.after(300) for _ in range(50)]
    assert [i for i, one in enumerate(told, 1) if one] == [49]
    assert told[48] == [("chat", "update", "repeated")]


def test_a_receiver_that_cannot_edit_gets_the_repeat_as_a_message(house: Deciding) -> None:
    house.restart({"route": {"receiver": "pager", **TIMES}})
    house.decide(incident())
    assert house.after(30) == [("pager", "post", "opened")]
    assert [house.after(300) for _ in range(49)][-1] == [("pager", "post", "repeated")]
    assert [house.after(300) for _ in range(49)][-1] == [("pager", "post", "repeated")]


def test_a_severity_that_rises_takes_an_incident_to_the_route_of_the_pager(
    house: Deciding,
) -> None:
    house.restart(BY_SEVERITY)
    house.decide(incident())
    assert house.after(30) == [OPENED]
    house.decide(critical(incident()))
    assert house.after(30) == [("pager", "post", "opened")]
    assert house.after(270) == [("chat", "update", "worse")]


def test_whoever_was_told_is_told_to_the_end_though_no_route_leads_there_any_more(
    house: Deciding,
) -> None:
    house.restart(BY_SEVERITY)
    house.decide(incident())
    house.after(30)
    house.decide(critical(incident()))
    house.after(30)
    house.after(300)
    over = resolved(critical(incident()))
    assert house.told(over) == [("chat", "update", "resolved")]
    assert house.after(300) == [("pager", "post", "resolved")]


def test_two_incidents_of_one_group_are_told_together(house: Deciding) -> None:
    house.restart({"route": {"receiver": "chat", "group_by": ["service"], **TIMES}})
    house.decide(incident("inc-1"))
    house.wait(20)
    second = incident("inc-2", regressions=(replace(CART, id="reg-2", incident_id="inc-2"),))
    house.decide(second)
    assert house.after(10) == [OPENED, OPENED]


def test_one_incident_in_two_groups_of_a_receiver_is_one_message(house: Deciding) -> None:
    house.restart({"route": {"receiver": "chat", "group_by": ["alertname"], **TIMES}})
    house.decide(worse(incident()))
    assert house.after(30) == [OPENED]
    assert len(house.rows()) == 1


@pytest.mark.parametrize(
    ("kind", "reason"),
    [(SilenceKind.SILENCE, "silenced"), (SilenceKind.MAINTENANCE, "maintenance")],
)
def test_a_silenced_incident_is_told_when_the_silence_ends_and_it_lasts(
    house: Deciding, kind: SilenceKind, reason: str
) -> None:
    silence = house.silence("service=shop", minutes=8, kind=kind)
    house.decide(incident())
    house.wait(30)
    assert house.untold() == [("chat", reason)]
    assert house.after(300) == []
    assert house.after(300) == [OPENED]
    (kept,) = house.history(reason=Reason(reason))
    assert kept.evidence["silence"] == silence.id


def test_a_message_that_stands_stays_true_under_a_silence_and_nobody_is_pinged(
    house: Deciding,
) -> None:
    house.decide(incident())
    house.after(30)
    house.silence("service=shop", minutes=60)
    assert house.told(critical(incident())) == [("chat", "update", "kept_true")]
    assert house.told(resolved(critical(incident()))) == [("chat", "update", "kept_true")]
    assert house.after(300) == []


def test_what_was_edited_quietly_and_lasts_is_told_when_the_silence_ends(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    house.silence("service=shop", minutes=12)
    assert house.told(critical(incident())) == [("chat", "update", "kept_true")]
    told = [house.after(300) for _ in range(6)]
    assert [(i, said) for i, said in enumerate(told, 1) if said] == [
        (3, [("chat", "update", "repeated")])
    ]


def test_a_pager_hears_nothing_of_what_is_silenced(house: Deciding) -> None:
    house.restart({"route": {"receiver": "pager", **TIMES}})
    house.silence("service=shop")
    house.decide(incident())
    assert house.after(30) == []
    house.decide(resolved(incident()))
    assert house.after(300) == []


@pytest.mark.parametrize("kind", list(SilenceKind))
def test_without_routes_a_silenced_incident_is_told_when_the_silence_ends(
    house: Deciding, kind: SilenceKind
) -> None:
    house.restart(None)
    silence = house.silence("severity=warning", minutes=10, kind=kind)
    assert house.told(incident()) == []
    assert house.after(599) == []
    told = house.after(1)
    assert sorted(told) == [OPENED, ("mail", "post", "opened"), ("pager", "post", "opened")]
    assert house.after(3600) == []
    reasons = {one.reason for one in house.history(incident="inc-1", action=Action.NOTHING)}
    expected = Reason.SILENCED if kind is SilenceKind.SILENCE else Reason.MAINTENANCE
    assert reasons == {expected}
    assert house.history(action=Action.NOTHING)[0].evidence["silence"] == silence.id


def test_without_routes_a_silence_that_is_expired_early_lets_its_incidents_out(
    house: Deciding,
) -> None:
    house.restart(None)
    silence = house.silence("service=shop")
    house.decide(incident())
    house.wait(60)
    house.expire(silence)
    assert OPENED in house.told()


def test_what_was_over_when_its_silence_ended_is_never_told(house: Deciding) -> None:
    house.restart(None)
    house.silence("service=shop", minutes=10)
    house.decide(incident())
    house.wait(60)
    assert house.told(resolved(incident())) == []
    assert house.after(3600) == []


def test_a_silence_of_one_regression_does_not_silence_its_incident(house: Deciding) -> None:
    house.silence("alertname=db_p95_absolute")
    house.decide(worse(incident()))
    assert house.after(30) == [OPENED]
    house.restart(None)
    assert OPENED in house.told(worse(incident("inc-2")))


def test_what_was_over_when_others_of_its_group_are_told_is_never_told(house: Deciding) -> None:
    house.restart({"route": {"receiver": "chat", "group_by": ["service"], **TIMES}})
    house.decide(other("inc-1"), other("inc-2"))
    house.decide(resolved(other("inc-2")))
    house.wait(30)
    told = {(one.incident.id, str(one.reason)) for one in house.decide()}
    assert told == {("inc-1", "opened"), ("inc-2", "over_before_told")}
    assert house.after(300) == []


def test_what_is_inhibited_is_told_when_its_source_is_over(house: Deciding) -> None:
    house.restart(
        {
            **TO_CHAT,
            "inhibit_rules": [
                {
                    "source_matchers": ["severity=critical"],
                    "target_matchers": ["severity=warning"],
                    "equal": ["service"],
                }
            ],
        }
    )
    source = critical(incident("inc-0", regressions=(replace(CART, id="reg-0"),)))
    house.decide(source, incident())
    house.wait(30)
    found = house.decide()
    assert {(one.incident.id, str(one.reason)) for one in found} == {
        ("inc-0", "opened"),
        ("inc-1", "inhibited"),
    }
    house.decide(resolved(source))
    # The end of the source is told at once with the start of what it inhibited.
    assert sorted(house.after(300)) == [OPENED, ("chat", "update", "resolved")]


def clock(start: str, end: str) -> list[dict[str, Any]]:
    return [{"times": [{"start_time": start, "end_time": end}]}]


@pytest.mark.parametrize(
    ("key", "name"), [("mute_time_intervals", "noon"), ("active_time_intervals", "afternoon")]
)
def test_a_route_is_silent_in_its_mute_times_and_outside_of_its_active_times(
    house: Deciding, key: str, name: str
) -> None:
    times = [
        {"name": "noon", "time_intervals": clock("11:30", "13:30")},
        {"name": "afternoon", "time_intervals": clock("13:30", "24:00")},
    ]
    route = {"receiver": "mail", "group_wait": "0s", "routes": [{"receiver": "chat", key: [name]}]}
    house.restart({"route": route, "time_intervals": times})
    assert house.untold(incident()) == [("chat", "out_of_hours")]
    told = [house.after(300) for _ in range(20)]
    assert [i for i, said in enumerate(told, 1) if said == [OPENED]] == [18]


def test_nobody_acknowledges_and_the_next_one_is_told_to_the_end(house: Deciding) -> None:
    house.restart({"route": {**TO_CHAT["route"], "escalate": {"after": "15m", "to": "pager"}}})
    house.decide(incident())
    house.after(30)
    assert [house.after(299) for _ in range(3)] == [[], [], []]
    assert house.after(3) == [("pager", "post", "escalated")]
    assert house.after(3600) == []
    over = resolved(incident())
    assert house.told(over) == [("pager", "post", "resolved")]
    assert house.after(300) == [("chat", "update", "resolved")]


@pytest.mark.parametrize("phase", [Phase.ACKNOWLEDGED, Phase.MUTED])
def test_who_acknowledges_in_time_is_not_passed_over(house: Deciding, phase: Phase) -> None:
    house.restart({"route": {**TO_CHAT["route"], "escalate": {"after": "15m", "to": "pager"}}})
    house.decide(incident())
    house.after(30)
    house.decide(decided(incident(), phase))
    house.wait(900)
    assert ("pager", "acknowledged_in_time") in house.untold()
    assert house.after(3600) == []


def test_what_is_over_is_not_escalated(house: Deciding) -> None:
    house.restart({"route": {**TO_CHAT["route"], "escalate": {"after": "15m", "to": "pager"}}})
    house.decide(incident())
    house.after(30)
    house.decide(resolved(incident()))
    house.after(300)
    assert house.after(900) == []


def test_an_incident_that_comes_back_is_escalated_anew(house: Deciding) -> None:
    house.restart({"route": {**TO_CHAT["route"], "escalate": {"after": "15m", "to": "pager"}}})
    house.decide(incident())
    house.after(30)
    assert house.after(900) == [("pager", "post", "escalated")]
    house.decide(resolved(incident()))
    house.after(300)
    back = replace(incident(), version=3)
    assert house.told(back) == [("pager", "post", "reopened")]
    assert house.after(300) == [("chat", "post", "reopened")]
    house.decide(decided(back, Phase.ACKNOWLEDGED))
    house.wait(900)
    assert ("pager", "acknowledged_in_time") in house.untold()


SUSPECTS: dict[str, Any] = {
    "route": {
        "receiver": "pager",
        "group_wait": "0s",
        "routes": [
            {
                "receiver": "chat",
                "notify": "suspected",
                "matchers": ["service=shop"],
                "continue": True,
            },
            {"receiver": "pager"},
        ],
    }
}
SUSPICION = replace(CART, incident_id="", phase=Phase.SUSPECTED)


def confirmed_id() -> str:
    return identity("inc", CART.id)


def test_a_suspicion_is_told_only_where_a_route_asks_for_it(house: Deciding) -> None:
    house.restart(SUSPECTS)
    house.book.suspicions[CART.id] = SUSPICION
    assert house.told() == [("chat", "post", "suspected")]
    assert house.after(3600) == []


def test_a_suspicion_that_is_confirmed_stays_one_message(house: Deciding) -> None:
    house.restart(SUSPECTS)
    house.book.suspicions[CART.id] = SUSPICION
    house.told()
    house.wait(60)
    house.book.suspicions[CART.id] = replace(CART, incident_id=confirmed_id())
    assert sorted(house.told(incident(confirmed_id()))) == [
        ("chat", "update", "confirmed"),
        ("pager", "post", "opened"),
    ]
    assert {row.incident_id for row in house.rows()} == {confirmed_id()}


def test_a_suspicion_that_goes_away_is_withdrawn_in_its_message(house: Deciding) -> None:
    house.restart(SUSPECTS)
    house.book.suspicions[CART.id] = SUSPICION
    house.told()
    house.wait(60)
    house.book.suspicions[CART.id] = replace(
        SUSPICION, phase=Phase.TRANSIENT, resolved_ms=SUSPICION.updated_ms
    )
    assert house.told() == [("chat", "update", "withdrawn")]
    assert house.after(3600) == []


def test_what_is_confirmed_out_of_hours_is_told_when_they_begin(house: Deciding) -> None:
    times = [{"name": "noon", "time_intervals": clock("11:30", "13:30")}]
    pager = {"receiver": "pager", "mute_time_intervals": ["noon"], "notify": "suspected"}
    route = {"receiver": "mail", "group_wait": "0s", "routes": [pager]}
    house.restart({"route": route, "time_intervals": times})
    house.now += timedelta(hours=-1)
    house.book.suspicions[CART.id] = SUSPICION
    assert house.told() == [("pager", "post", "suspected")]
    house.now += timedelta(hours=1)
    house.book.suspicions[CART.id] = replace(CART, incident_id=confirmed_id())
    assert house.untold(incident(confirmed_id())) == [("pager", "out_of_hours")]
    told = [house.after(600) for _ in range(10)]
    assert [(i, said) for i, said in enumerate(told, 1) if said] == [
        (9, [("pager", "post", "confirmed")])
    ]


def test_a_suspicion_that_joins_another_incident_leads_there(house: Deciding) -> None:
    house.restart(SUSPECTS)
    house.book.suspicions[CART.id] = SUSPICION
    house.told()
    house.book.suspicions[CART.id] = replace(CART, incident_id="inc-7")
    house.wait(60)
    told = house.told(incident("inc-7"))
    assert ("chat", "update", "merged") in told
    assert house.after(3600).count(("chat", "update", "merged")) == 0


def test_incidents_that_prove_to_be_one_are_told_as_one(house: Deciding) -> None:
    house.decide(incident("inc-1"), incident("inc-2", regressions=(replace(CART, id="reg-2"),)))
    house.after(30)
    gone = replace(
        incident("inc-2", regressions=()),
        version=2,
        phase=Phase.RESOLVED,
        finding=Finding(merged_into="inc-1"),
    )
    both = replace(incident("inc-1"), version=2, regressions=(CART, replace(CART, id="reg-2")))
    assert ("chat", "update", "merged") in house.told(gone, both)


def test_a_changed_tree_takes_what_is_open_along_and_forgets_what_it_had(house: Deciding) -> None:
    house.decide(incident())
    house.after(3600)
    house.restart({"route": {"receiver": "pager", **TIMES}})
    # Open for longer than the wait: told at once, and the old receiver to its end.
    assert house.told() == [("pager", "post", "opened")]
    house.decide(resolved(incident()))
    assert ("chat", "resolved") in [(one.receiver, one.reason) for one in house.history()]


def test_what_was_muted_when_its_group_was_told_is_told_when_it_is_unmuted(house: Deciding) -> None:
    muted = decided(incident(), Phase.MUTED)
    house.decide(muted)
    house.wait(30)
    assert house.untold() == [("chat", "muted")]
    house.decide(decided(muted, Phase.OPEN))
    assert house.after(300) == [OPENED]


def test_a_receiver_that_is_new_behind_a_name_is_told_with_the_next_look(house: Deciding) -> None:
    house.decide(incident())
    house.after(30)
    tree = house.announcer.tree
    assert tree is not None
    both = replace(tree, deliveries={"chat": (CHAT, PAGER)})
    house.announcer = replace(house.announcer, tree=both)
    assert house.after(300) == [("pager", "post", "opened")]


def test_every_decision_is_kept_once_with_its_reason(house: Deciding) -> None:
    house.decide(incident())
    house.decide()
    house.after(30)
    for _ in range(5):
        house.after(300)
    kept = [(one.receiver, one.action, one.reason, one.version) for one in house.history()]
    assert kept == [
        ("chat", Action.NOTHING, Reason.WAITING_FOR_GROUP, 1),
        ("chat", Action.POST, Reason.OPENED, 1),
        ("chat", Action.NOTHING, Reason.NOTHING_CHANGED, 1),
    ]
    sent = house.history(action=Action.POST)[0]
    assert (sent.state, sent.outcome, sent.attempts) == ("sent", "sent", 1)
    assert sent.group_key.endswith("incident='inc-1'")


def test_a_receiver_that_stands_for_nobody_is_told_nothing_and_it_is_kept(
    house: Deciding,
) -> None:
    house.restart({"route": {"receiver": "null", "group_wait": "0s"}})
    assert house.untold(incident())[:1] == [("none", "no_receiver")]


def test_labels_of_the_series_do_not_hide_ours(house: Deciding) -> None:
    house.restart(BY_SEVERITY)
    labels = Labels.of(service="shop", severity="critical")
    house.decide(incident(regressions=(replace(CART, labels=labels),)))
    assert house.after(30) == [OPENED]


def test_an_empty_group_keeps_its_rhythm_for_a_while_and_then_begins_anew(house: Deciding) -> None:
    house.restart({"route": {"receiver": "chat", **TIMES}})
    house.decide(other("inc-1"))
    house.after(30)
    house.decide(resolved(other("inc-1")))
    house.after(300)
    house.wait(29)
    house.decide(other("inc-2"))
    assert house.after(270) == []
    assert house.after(1) == [OPENED]
    house.decide(resolved(other("inc-2")))
    house.after(300)
    house.wait(30)
    house.decide(other("inc-3"))
    assert house.after(30) == [OPENED]


def test_a_suspicion_inhibits_nothing(house: Deciding) -> None:
    house.restart(
        {
            **SUSPECTS,
            "inhibit_rules": [
                {"source_matchers": ["alertname=doubt"], "target_matchers": ["alertname!=doubt"]}
            ],
        }
    )
    doubt = replace(SUSPICION, id="reg-doubt", rule="doubt")
    house.book.suspicions[doubt.id] = doubt
    house.told()
    assert ("pager", "post", "opened") in house.told(incident())
    house.book.suspicions.clear()
    opened_ = replace(doubt, phase=Phase.OPEN, incident_id="inc-9")
    house.decide(incident("inc-9", regressions=(opened_,)))
    house.decide(other("inc-2"))
    house.wait(300)
    assert ("pager", "inhibited") in house.untold()


def test_news_take_the_place_of_a_message_that_still_waits(
    house: Deciding, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.decide(incident())
    house.wait(30)
    with monkeypatch.context() as down:
        down.setattr(house, "arrive", lambda: None)
        assert house.told() == [OPENED]
        assert house.told(critical(incident())) == [OPENED]
    assert [row.state for row in house.rows()] == ["superseded", "pending"]
    house.arrive()
    assert [row.state for row in house.rows()] == ["superseded", "sent"]


def test_a_group_is_forgotten_when_nothing_depends_on_it(house: Deciding) -> None:
    def groups() -> int:
        with house.state.unit() as session:
            return len(session.exec(select(GroupRow)).all())

    house.decide(incident())
    house.after(30)
    house.decide(resolved(incident()))
    house.after(300)
    assert groups() == 1
    house.wait(9 * 3600)
    house.decide(other("inc-2"))
    assert groups() == 1
    house.restart({"route": {"receiver": "pager"}})
    with house.state.unit() as session:
        (row,) = session.exec(select(GroupRow)).all()
        assert row.content["route"].endswith(">pager")
