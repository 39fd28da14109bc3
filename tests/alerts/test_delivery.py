"""One message per problem, edited in place, whatever Slack does."""

from dataclasses import replace

import pytest

from alerts.alert import Action, Outcome, Reason
from alerts.payload import REPEAT
from detector.finding import Finding
from detector.regression import Incident, Phase, Severity
from tests.alerts.desk import Desk
from tests.alerts.incidents import changed, decided, incident, minutes, resolved, worse
from tests.slack_fake import (
    CHANNEL,
    Dropped,
    FakeSlack,
    Garbage,
    Misbehaviour,
    RateLimited,
    Redirected,
    Refused,
    ServerError,
    Slow,
)


def test_one_message_is_posted_and_then_edited_until_it_is_resolved(desk: Desk) -> None:
    opened = incident()
    grown = worse(opened)
    desk.tell(opened)
    desk.wait(60)
    desk.tell(grown)
    desk.wait(60)
    desk.tell(resolved(grown))

    (message,) = desk.slack.messages()
    assert message.edits == 2
    assert message.text.startswith("Resolved: ")
    assert [row.reason for row in desk.rows()] == ["opened", "worse", "resolved"]
    assert desk.states() == ["sent", "sent", "sent"]
    assert {(row.channel, row.ts) for row in desk.rows()} == {(CHANNEL, message.ts)}
    assert desk.status().pending == 0


def test_a_mute_is_one_edit_and_an_end_of_it_another(desk: Desk) -> None:
    opened = incident()
    muted = decided(opened, Phase.MUTED, muted_until_ms=minutes(60))
    desk.tell(opened)
    desk.tell(muted)
    (message,) = desk.slack.messages()
    assert message.edits == 1
    assert message.text.startswith("Warning, muted: ")
    desk.tell(decided(muted, Phase.OPEN, muted_until_ms=None))
    (message,) = desk.slack.messages()
    assert (message.edits, message.text[:8]) == (2, "Warning:")


def test_what_cannot_be_edited_is_not_told_of_a_mute_nor_while_it_lasts(desk: Desk) -> None:
    desk.reconfigure(desk.by_webhook())
    opened = incident()
    desk.tell(opened)
    muted = decided(opened, Phase.MUTED)
    assert [alert.reason for alert in desk.announce(muted)] == [Reason.MUTED]
    assert [alert.reason for alert in desk.announce(worse_but_muted(muted))] == [Reason.MUTED]
    desk.deliver()
    assert len(desk.rows()) == 1
    decision = "plimsoll_alert_decisions_total"
    assert desk.metric(decision, receiver="slack-webhook", action="nothing", reason="muted") == 2


def worse_but_muted(before: Incident) -> Incident:
    grown = tuple(replace(one, phase=Phase.MUTED) for one in worse(before).regressions)
    return replace(worse(before), regressions=grown)


def test_what_was_muted_before_it_was_told_is_told_to_nobody(desk: Desk) -> None:
    assert [a.reason for a in desk.announce(decided(incident(), Phase.MUTED))] == [Reason.MUTED]
    assert desk.rows() == []


def test_every_decision_has_its_reason(desk: Desk) -> None:
    opened = incident()

    def reasons(*found: Incident) -> list[tuple[Action, Reason]]:
        return [(a.action, a.reason) for a in desk.announce(*found)]

    assert reasons(opened) == [(Action.POST, Reason.OPENED)]
    desk.deliver()
    assert reasons() == []
    assert reasons(incident(version=2)) == [(Action.NOTHING, Reason.NOTHING_CHANGED)]
    assert reasons(changed(incident(version=2))) == [(Action.UPDATE, Reason.CHANGED)]
    assert reasons(worse(incident(version=3))) == [(Action.UPDATE, Reason.WORSE)]
    desk.deliver()
    assert reasons(resolved(incident(version=4))) == [(Action.UPDATE, Reason.RESOLVED)]
    desk.deliver()
    assert reasons(incident(version=6)) == [(Action.POST, Reason.REOPENED)]
    decided = "plimsoll_alert_decisions_total"
    assert desk.metric(decided, receiver="slack", action="post", reason="opened") == 1


def test_an_incident_that_came_and_went_before_anyone_looked_is_still_told_once(desk: Desk) -> None:
    desk.tell(resolved(incident()))
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved: ")
    assert not message.edited


def test_a_reopened_incident_is_a_new_message_because_an_edit_wakes_nobody(desk: Desk) -> None:
    opened = incident()
    desk.tell(opened)
    desk.tell(resolved(opened))
    desk.tell(incident(version=3))
    desk.tell(worse(incident(version=3)))
    first, second = desk.slack.messages()
    assert first.text.startswith("Resolved")
    assert second.text.startswith("Critical")


def test_what_is_too_mild_is_not_told_but_what_was_told_is_told_to_its_end(desk: Desk) -> None:
    desk.reconfigure(desk.config.model_copy(update={"min_severity": Severity.CRITICAL}))
    opened = incident()
    (alert,) = desk.announce(opened)
    assert alert.reason is Reason.BELOW_MIN_SEVERITY
    grown = worse(opened)
    desk.tell(grown)
    # Milder again, and over: no reason to leave a red message behind.
    desk.tell(resolved(incident(version=2)))
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")
    assert message.edits == 1


def test_without_a_receiver_the_decision_is_recorded_and_nothing_piles_up(desk: Desk) -> None:
    desk.reconfigure(desk.config.model_copy(update={"slack": None}))
    (alert,) = desk.announce(incident())
    assert (alert.action, alert.reason) == (Action.NOTHING, Reason.NO_RECEIVER)
    assert desk.deliver() == []
    assert desk.rows() == []
    assert desk.announce() == []
    counted = {"receiver": "none", "action": "nothing", "reason": "no_receiver"}
    assert desk.metric("plimsoll_alert_decisions_total", **counted) == 1


def test_what_waits_for_a_receiver_that_is_gone_is_given_up(desk: Desk) -> None:
    desk.announce(incident())
    desk.reconfigure(desk.config.model_copy(update={"slack": None}))
    assert desk.states() == ["failed"]
    assert desk.rows()[0].error == "no_receiver"
    assert desk.status().pending == 0


def test_newer_versions_take_the_place_of_the_one_that_waits(desk: Desk) -> None:
    opened = incident()
    desk.announce(opened)
    desk.announce(changed(opened))
    desk.announce(worse(changed(opened)))
    assert desk.states() == ["superseded", "superseded", "pending"]
    assert desk.deliver() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert not message.edited
    assert message.text.startswith("Critical")
    # The same with edits: only the newest is made.
    desk.announce(changed(incident(version=4)))
    desk.announce(resolved(incident(version=5)))
    assert desk.deliver() == [Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.edits == 1
    assert message.text.startswith("Resolved")


def test_incidents_go_out_in_the_order_they_came(desk: Desk) -> None:
    for name in ("inc-b", "inc-a", "inc-c"):
        desk.announce(incident(name))
    desk.deliver()
    assert [message.incident for message in desk.slack.messages()] == ["inc-b", "inc-a", "inc-c"]


@pytest.mark.parametrize("seconds", [30, 90])
def test_retry_after_holds_the_whole_receiver_and_no_longer(desk: Desk, seconds: int) -> None:
    desk.slack.misbehave("chat.postMessage", RateLimited(seconds))
    desk.announce(incident("inc-1"))
    desk.announce(incident("inc-2"))
    assert desk.deliver() == [Outcome.RATE_LIMITED]
    desk.wait(seconds - 1)
    assert desk.deliver() == []
    # What comes in meanwhile waits as well, also after a restart.
    desk.announce(incident("inc-3"))
    desk.crash()
    assert desk.deliver() == []
    desk.wait(2)
    assert desk.deliver() == [Outcome.SENT] * 3
    assert len(desk.slack.messages()) == 3


def test_a_newer_version_does_not_cut_the_wait_short(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", RateLimited(30))
    desk.tell(incident())
    assert desk.tell(changed(incident())) == []
    desk.wait(31)
    assert desk.deliver() == [Outcome.SENT]
    assert "900 ms" in desk.slack.messages()[0].text


def test_nobody_listening_is_tried_again_with_growing_delays(desk: Desk) -> None:
    good = desk.config
    desk.reconfigure(desk.by_token(api_url="http://127.0.0.1:1/api/"))
    desk.announce(incident())
    waits = []
    for _ in range(9):
        assert desk.deliver() == [Outcome.UNREACHABLE]
        retry_at = desk.rows()[0].next_attempt_ms
        assert retry_at is not None
        waits.append(retry_at / 1000 - desk.now.timestamp())
        desk.wait(waits[-1])
    assert waits == sorted(waits)
    assert waits[0] < 1.1
    assert 45 <= waits[-1] <= 60
    desk.reconfigure(good)
    assert desk.deliver() == [Outcome.SENT]
    assert len(desk.slack.messages()) == 1


def test_an_unreachable_slack_costs_one_attempt_not_one_per_message(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(api_url="http://127.0.0.1:1/api/"))
    for number in range(5):
        desk.announce(incident(f"inc-{number}"))
    assert desk.deliver() == [Outcome.UNREACHABLE]


@pytest.mark.parametrize(
    "fault",
    [
        "invalid_auth",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "token_revoked",
        "account_inactive",
        "missing_scope",
    ],
)
def test_a_broken_receiver_is_shown_left_alone_and_heals_without_loss(
    desk: Desk, fault: str
) -> None:
    desk.slack.always("chat.postMessage", Refused(fault))
    assert desk.tell(incident("inc-1"), incident("inc-2")) == [Outcome.RECEIVER_BROKEN]
    status = desk.status().receivers["slack"]
    assert status.broken
    assert status.error == fault
    assert status.outstanding == 2
    assert desk.metric("plimsoll_receiver_broken", receiver="slack") == 1
    assert desk.metric("plimsoll_outbox_pending") == 2
    assert desk.states() == ["failed", "pending"]

    desk.wait(299)
    assert desk.tell(incident("inc-3")) == []
    desk.wait(2)
    assert desk.deliver() == [Outcome.RECEIVER_BROKEN]
    desk.slack.always("chat.postMessage", None)
    desk.wait(301)
    assert desk.deliver() == [Outcome.SENT] * 3
    assert sorted(m.incident for m in desk.slack.messages()) == ["inc-1", "inc-2", "inc-3"]
    assert not desk.status().receivers["slack"].broken
    assert desk.metric("plimsoll_receiver_broken", receiver="slack") == 0


def test_a_failed_message_is_replaced_by_a_newer_version_too(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Refused("invalid_auth"))
    desk.tell(incident())
    desk.tell(resolved(incident()))
    assert desk.states() == ["superseded", "failed"]
    assert desk.status().receivers["slack"].broken
    desk.wait(301)
    desk.deliver()
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")


@pytest.mark.parametrize("fault", ["invalid_blocks", "msg_too_long", "invalid_attachments"])
def test_a_layout_slack_refuses_is_sent_as_text_alone(desk: Desk, fault: str) -> None:
    desk.slack.misbehave("chat.postMessage", Refused(fault))
    assert desk.tell(incident()) == [Outcome.MESSAGE_REFUSED, Outcome.SENT]
    (message,) = desk.slack.messages()
    assert not message.blocks
    assert not message.attachments
    assert "GET /cart" in message.text


def test_a_message_slack_refuses_in_every_form_fails_and_breaks_nothing_else(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Refused("invalid_blocks"), Refused("msg_too_long"))
    outcomes = desk.tell(incident("inc-1"), incident("inc-2"))
    assert sorted(outcomes) == ["message_refused", "message_refused", "sent"]
    assert desk.states() == ["failed", "sent"]
    assert not desk.status().receivers["slack"].broken
    assert desk.status().pending == 0
    # The next version starts anew: nobody was told of it yet.
    (alert,) = desk.announce(changed(incident("inc-1")))
    assert (alert.action, alert.reason) == (Action.POST, Reason.OPENED)
    desk.deliver()
    assert [m.incident for m in desk.slack.messages()] == ["inc-2", "inc-1"]


def test_an_unnamed_refusal_is_tried_again(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Refused("team_added_to_org"))
    assert desk.tell(incident()) == [Outcome.REFUSED]
    desk.wait(2)
    assert desk.deliver() == [Outcome.SENT]


@pytest.mark.parametrize(
    "how",
    [
        Dropped(accepted=True),
        Dropped(accepted=False),
        ServerError(503, accepted=True),
        ServerError(503),
        Refused("internal_error"),
        Refused("fatal_error"),
        Garbage(),
        Garbage("[1]"),
        Garbage("null"),
    ],
)
def test_a_post_of_unknown_fate_is_looked_for_before_it_is_sent_again(
    desk: Desk, how: Misbehaviour
) -> None:
    desk.slack.misbehave("chat.postMessage", how)
    assert desk.tell(incident()) == [Outcome.UNKNOWN]
    assert desk.states() == ["unknown"]
    assert desk.deliver() == []
    desk.wait(11)
    accepted = len(desk.slack.messages()) == 1
    assert desk.deliver() == ([Outcome.FOUND] if accepted else [Outcome.ABSENT, Outcome.SENT])
    (message,) = desk.slack.messages()
    assert REPEAT not in message.text
    # The adopted message is the one that is edited.
    desk.tell(resolved(incident()))
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")


def test_a_slow_answer_is_of_unknown_fate(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(timeout=0.3))
    desk.slack.misbehave("chat.postMessage", Slow(30))
    assert desk.tell(incident()) == [Outcome.UNKNOWN]
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]
    assert len(desk.slack.messages()) == 1


def test_a_hanging_slack_costs_one_time_out_per_round_not_one_per_message(desk: Desk) -> None:
    desk.slack.always("chat.postMessage", Dropped(accepted=False))
    assert desk.tell(incident("inc-1"), incident("inc-2")) == [Outcome.UNKNOWN]
    assert desk.slack.counted("chat.postMessage") == 1


def test_an_answer_that_drips_is_cut_off_in_time(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(timeout=0.5))
    desk.slack.misbehave("chat.postMessage", Slow(0.2, drip=True))
    assert desk.tell(incident()) == [Outcome.UNKNOWN]
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]


def test_a_newer_version_waits_behind_the_one_in_doubt_and_edits_what_is_found(
    desk: Desk,
) -> None:
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident())
    assert desk.tell(worse(incident())) == []
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND, Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.edits == 1
    assert message.text.startswith("Critical")


def test_a_newer_version_replaces_the_one_that_is_found_absent(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=False))
    desk.tell(incident())
    desk.tell(worse(incident()))
    desk.wait(11)
    assert desk.deliver() == [Outcome.ABSENT, Outcome.SENT]
    (message,) = desk.slack.messages()
    assert not message.edited
    assert message.text.startswith("Critical")
    assert desk.states() == ["superseded", "sent"]


def test_an_older_version_that_arrived_after_all_is_brought_up_to_date(desk: Desk) -> None:
    # v1 is posted in doubt, found absent, and replaced by v2, whose fate is unknown as well;
    # then v1 turns out to have been under way.
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=False), Dropped(accepted=False))
    desk.tell(incident())
    desk.announce(worse(incident()))
    desk.wait(11)
    assert desk.deliver() == [Outcome.ABSENT, Outcome.UNKNOWN]
    desk.slack.answer("/api/chat.postMessage", desk.slack.token, late_arrival(desk.slack))
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND, Outcome.SENT]
    (message,) = desk.slack.messages()
    assert message.edits == 1
    assert message.text.startswith("Critical")


def late_arrival(slack: FakeSlack) -> dict[str, object]:
    first = next(call for call in slack.calls if call.method == "chat.postMessage")
    return dict(first.body)


@pytest.mark.parametrize("how", [RateLimited(5), ServerError(502), Dropped(accepted=False)])
def test_a_look_up_that_fails_is_itself_repeated(desk: Desk, how: Misbehaviour) -> None:
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.slack.misbehave("conversations.history", how)
    desk.tell(incident())
    desk.wait(11)
    assert len(desk.deliver()) == 1
    assert desk.states() == ["unknown"]
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]
    assert desk.slack.counted("chat.postMessage") == 1


def test_the_look_up_reads_more_than_one_page(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident())
    for number in range(450):
        body = {"channel": CHANNEL, "text": f"chatter {number}"}
        desk.slack.answer("/api/chat.postMessage", desk.slack.token, body)
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]
    assert desk.slack.counted("conversations.history") == 3


@pytest.mark.parametrize("blind", ["missing_scope", "not_in_channel"])
def test_where_looking_is_not_allowed_it_is_sent_once_more_and_says_so(
    desk: Desk, blind: str
) -> None:
    if blind == "missing_scope":
        desk.slack.scopes = frozenset({"chat:write"})
    else:
        desk.slack.always("conversations.history", Refused(blind))
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident())
    desk.wait(11)
    assert desk.deliver() == [Outcome.BLIND, Outcome.SENT]
    first, second = desk.slack.messages()
    assert REPEAT not in first.text
    assert REPEAT in second.text
    assert REPEAT in second.shown


def test_a_channel_named_by_name_is_posted_to_and_edited_by_its_id(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(channel="#alerts"))
    desk.tell(incident())
    desk.tell(resolved(incident()))
    (message,) = desk.slack.messages()
    assert message.edits == 1
    # Once the id is known, looking works as well.
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident("inc-2"))
    desk.wait(11)
    assert desk.deliver() == [Outcome.FOUND]


def test_a_name_whose_id_is_not_known_yet_cannot_be_looked_into(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(channel="#alerts"))
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    desk.tell(incident())
    desk.wait(11)
    assert desk.deliver() == [Outcome.BLIND, Outcome.SENT]
    assert desk.slack.counted("conversations.history") == 0


@pytest.mark.parametrize(
    "how", [Dropped(accepted=True), Dropped(accepted=False), ServerError(500, accepted=True)]
)
def test_an_edit_of_unknown_fate_is_simply_made_again(desk: Desk, how: Misbehaviour) -> None:
    desk.tell(incident())
    desk.slack.misbehave("chat.update", how)
    assert desk.tell(resolved(incident())) == [Outcome.UNKNOWN]
    desk.wait(2)
    assert desk.deliver() == [Outcome.SENT]
    assert desk.slack.counted("conversations.history") == 0
    (message,) = desk.slack.messages()
    assert message.text.startswith("Resolved")


@pytest.mark.parametrize("gone", ["deleted", "edit_window_closed", "cant_update_message"])
def test_a_message_that_cannot_be_edited_any_more_is_posted_anew(desk: Desk, gone: str) -> None:
    desk.tell(incident())
    if gone == "deleted":
        desk.slack.remove(desk.slack.messages()[0])
    else:
        desk.slack.misbehave("chat.update", Refused(gone))
    assert desk.tell(worse(incident())) == [Outcome.GONE, Outcome.SENT]
    assert desk.tell(resolved(worse(incident()))) == [Outcome.SENT]
    assert desk.slack.messages()[-1].text.startswith("Resolved")
    assert len(desk.slack.messages()) == (1 if gone == "deleted" else 2)


def test_an_archived_old_channel_does_not_break_the_new_one(desk: Desk) -> None:
    desk.tell(incident())
    desk.reconfigure(desk.by_token(channel="C0OTHER00"))
    desk.slack.archived.add(CHANNEL)
    assert desk.tell(resolved(incident())) == [Outcome.GONE, Outcome.SENT]
    (message,) = desk.slack.messages("C0OTHER00")
    assert message.text.startswith("Resolved")


def test_a_redirect_is_not_followed_with_the_token(desk: Desk) -> None:
    with FakeSlack() as elsewhere:
        desk.slack.misbehave("chat.postMessage", Redirected(elsewhere.api_url))
        assert desk.tell(incident()) == [Outcome.RECEIVER_BROKEN]
        assert elsewhere.calls == []


def test_one_call_ends_although_more_is_due(desk: Desk) -> None:
    for number in range(51):
        desk.write(incident(f"inc-{number}"))
    desk.announce()
    assert len(desk.deliver()) == 50
    assert len(desk.deliver()) == 1


def test_the_numbers_tell_what_waits_and_what_was_done(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", RateLimited(30))
    desk.tell(incident())
    desk.wait(20)
    desk.deliver()
    assert desk.metric("plimsoll_outbox_pending") == 1
    assert desk.metric("plimsoll_outbox_oldest_seconds") == 20
    desk.wait(20)
    desk.deliver()
    assert desk.metric("plimsoll_outbox_pending") == 0
    assert desk.metric("plimsoll_outbox_oldest_seconds") == 0
    called = {"receiver": "slack", "action": "post"}
    name = "plimsoll_notifications_total"
    assert desk.metric(name, **called, outcome="rate_limited") == 1
    assert desk.metric(name, **called, outcome="sent") == 1


# --- what became part of another incident ---


def merged(before: Incident) -> Incident:
    """The next version of an incident whose regressions have gone to another."""
    return replace(
        before,
        version=before.version + 1,
        phase=Phase.RESOLVED,
        regressions=(),
        finding=Finding(merged_into="inc-0"),
    )


def test_a_message_of_what_became_part_of_another_is_edited_to_lead_there(desk: Desk) -> None:
    desk.tell(incident())
    (alert,) = desk.announce(merged(incident()))
    assert (alert.action, alert.reason) == (Action.UPDATE, Reason.MERGED)
    desk.deliver()
    (message,) = desk.slack.messages()
    assert message.text.startswith("Part of another incident")


def test_who_heard_nothing_of_it_hears_nothing(desk: Desk) -> None:
    (alert,) = desk.announce(merged(incident()))
    assert (alert.action, alert.reason) == (Action.NOTHING, Reason.MERGED)
    assert desk.deliver() == []


def test_a_message_that_still_waits_is_replaced_by_where_to_look(desk: Desk) -> None:
    desk.announce(incident())
    desk.announce(merged(incident()))
    desk.deliver()
    (message,) = desk.slack.messages()
    assert message.text.startswith("Part of another incident")


def test_a_webhook_tells_nothing_of_it(desk: Desk) -> None:
    desk.reconfigure(desk.by_webhook())
    desk.tell(incident())
    (alert,) = desk.announce(merged(incident()))
    assert (alert.action, alert.reason) == (Action.NOTHING, Reason.CANNOT_EDIT)
