"""What goes into the thread of a message: what changed, who decided, and that it is back."""

from dataclasses import replace

import pytest

from alerts.alert import Outcome
from alerts.outbox_tables import Kind
from detector.regression import Incident, Phase
from tests.alerts.desk import Desk
from tests.alerts.incidents import changed, decided, incident, resolved, worse
from tests.slack_fake import Dropped, Misbehaviour, RateLimited, Refused


@pytest.fixture(autouse=True)
def _threaded(desk: Desk) -> None:
    desk.reconfigure(desk.threaded())


def back(before: Incident) -> Incident:
    """The next version, open again."""
    return replace(incident(before.id), version=before.version + 1)


def replies(desk: Desk, name: str = "inc-1") -> list[str]:
    (root,) = [one for one in desk.slack.messages() if one.incident == name]
    return [reply.text for reply in desk.slack.thread(root)]


def test_what_gets_worse_and_is_resolved_is_told_in_the_thread(desk: Desk) -> None:
    grown = worse(incident())
    desk.tell(incident())
    assert replies(desk) == []
    desk.tell(grown)
    desk.tell(resolved(grown))
    first, second = replies(desk)
    assert first.startswith("*Worse*: critical: ")
    assert second.startswith("*Resolved*: ")
    assert "after 34 min" in second
    assert len(desk.slack.messages()) == 1


def test_what_went_away_by_itself_says_so_as_its_message_does(desk: Desk) -> None:
    desk.tell(incident())
    over = resolved(incident())
    away = tuple(replace(one, phase=Phase.TRANSIENT) for one in over.regressions)
    desk.tell(replace(over, regressions=away))
    (only,) = replies(desk)
    assert only.startswith("*Went away*: ")
    assert "went away by itself" in only


def test_a_mere_change_of_the_numbers_is_an_edit_and_no_reply(desk: Desk) -> None:
    desk.tell(incident())
    desk.tell(changed(incident()))
    assert replies(desk) == []
    assert desk.slack.messages()[0].edits == 1


def test_who_acknowledged_it_is_told_once(desk: Desk) -> None:
    taken = decided(incident(), Phase.ACKNOWLEDGED)
    desk.tell(incident())
    desk.tell(taken)
    desk.tell(replace(changed(taken), regressions=(replace(taken.regressions[0], value=0.95),)))
    assert replies(desk) == ["Acknowledged by ada."]


def test_what_comes_back_soon_goes_on_in_its_thread_and_wakes_the_channel(desk: Desk) -> None:
    over = resolved(incident())
    desk.tell(incident())
    desk.tell(over)
    desk.wait(3600)
    desk.tell(back(over))
    (root,) = desk.slack.messages()
    resolved_reply, back_reply = desk.slack.thread(root)
    assert back_reply.text.startswith("*It is back*: ")
    assert (resolved_reply.broadcast, back_reply.broadcast) == (False, True)
    assert root.text.startswith("Warning: ")


def test_what_comes_back_late_is_a_new_message_that_leads_to_the_old(desk: Desk) -> None:
    desk.reconfigure(desk.threaded(same_thread_for="1h"))
    over = resolved(incident())
    desk.tell(incident())
    desk.tell(over)
    desk.wait(3601)
    desk.tell(back(over))
    old, new = desk.slack.messages()
    link = f"https://fake.slack.com/archives/{old.channel}/p{old.ts.replace('.', '')}"
    assert link in new.shown
    assert old.text.startswith("Resolved")
    # What happens from now on stands with the new one.
    desk.tell(worse(back(over)))
    _, new = desk.slack.messages()
    assert len(desk.slack.thread(new)) == 1
    assert new.edited
    assert link in new.shown, "an edit keeps the way back"


def test_the_channel_sees_the_replies_that_were_asked_for(desk: Desk) -> None:
    desk.reconfigure(desk.threaded(broadcast=["resolved"]))
    desk.tell(incident())
    desk.tell(worse(incident()))
    desk.tell(resolved(worse(incident())))
    (root,) = desk.slack.messages()
    assert [one.broadcast for one in desk.slack.thread(root)] == [False, True]


def test_what_was_never_told_has_no_thread(desk: Desk) -> None:
    desk.announce(incident())
    desk.announce(worse(incident()))
    assert desk.deliver() == [Outcome.SENT]
    (root,) = desk.slack.messages()
    assert desk.slack.thread(root) == []


def test_replies_that_wait_become_one_and_say_everything(desk: Desk) -> None:
    desk.tell(incident())
    desk.slack.misbehave("chat.update", RateLimited(30))
    grown = worse(incident())
    desk.tell(grown)
    desk.announce(resolved(grown))
    desk.wait(31)
    desk.deliver()
    (text,) = replies(desk)
    assert "*Worse*" in text
    assert "*Resolved*" in text


@pytest.mark.parametrize("how", [Dropped(accepted=True), Dropped(accepted=False)])
def test_a_reply_of_unknown_fate_is_looked_for_in_the_thread(desk: Desk, how: Misbehaviour) -> None:
    desk.tell(incident())
    desk.slack.misbehave("chat.postMessage", how)
    assert desk.tell(worse(incident())) == [Outcome.SENT, Outcome.UNKNOWN]
    desk.wait(11)
    arrived = how == Dropped(accepted=True)
    assert desk.deliver() == ([Outcome.FOUND] if arrived else [Outcome.ABSENT, Outcome.SENT])
    assert len(replies(desk)) == 1
    assert desk.slack.counted("conversations.replies") == 1


def test_a_reply_to_what_a_person_deleted_is_given_up(desk: Desk) -> None:
    desk.tell(incident())
    desk.announce(worse(incident()))
    desk.slack.misbehave("chat.postMessage", Refused("thread_not_found"))
    desk.deliver()
    (row,) = desk.of_kind(Kind.REPLY)
    assert (row.state, row.next_attempt_ms, row.outcome) == ("failed", None, "gone")
    assert desk.status().pending == 0


def test_a_reply_whose_message_was_refused_for_good_is_given_up_too(desk: Desk) -> None:
    desk.slack.misbehave("chat.postMessage", Refused("internal_error"))
    desk.tell(incident())  # in doubt, so that the next version waits behind it
    desk.announce(worse(incident()))
    desk.slack.always("chat.postMessage", Refused("invalid_blocks"))
    desk.wait(11)
    desk.deliver()
    assert {row.state for row in desk.of_kind(Kind.REPLY)} <= {"failed"}
    assert desk.status().pending == 0


def test_an_edit_does_not_wait_for_the_replies_before_it(desk: Desk) -> None:
    desk.tell(incident())
    desk.slack.misbehave("chat.postMessage", Refused("team_added_to_org"))
    assert desk.tell(worse(incident())) == [Outcome.SENT, Outcome.REFUSED]
    desk.announce(resolved(worse(incident())))
    assert desk.deliver() == [Outcome.SENT]
    assert desk.slack.messages()[0].text.startswith("Resolved")
