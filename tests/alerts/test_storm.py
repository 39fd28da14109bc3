"""Many incidents at once: one message that lists them, each told once, no faster than allowed."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from alerts.alert import Outcome
from alerts.digest import LINES_OF_A_PAGE
from alerts.outbox_tables import Kind
from detector.regression import Incident, Phase
from tests.alerts.desk import Desk
from tests.alerts.incidents import decided, incident, resolved, worse
from tests.alerts.reading import LINKED, told
from tests.slack_fake import Dropped, RateLimited, Refused, ServerError


def many(count: int, start: int = 0) -> list[Incident]:
    return [incident(f"inc-{number:03}") for number in range(start, start + count)]


def once(incidents: list[Incident]) -> Counter[str]:
    return Counter({one.id: 1 for one in incidents})


@pytest.fixture
def stormy(desk: Desk) -> Desk:
    desk.reconfigure(desk.threaded(digest_from=6))
    return desk


def test_a_handful_are_messages_and_one_more_is_a_digest(stormy: Desk) -> None:
    stormy.tell(*many(5))
    assert len(stormy.slack.messages()) == 5
    stormy.tell(*many(6, start=5))
    assert len(stormy.slack.messages()) == 6
    digest = stormy.slack.messages()[-1]
    assert digest.shown.startswith("6 incidents at once\n*Warning*: ")
    assert told(stormy.slack) == once(many(11))


def test_a_digest_with_more_than_a_page_goes_on_in_its_thread(stormy: Desk) -> None:
    incidents = many(2 * LINES_OF_A_PAGE + 1)
    stormy.tell(*incidents)
    (head,) = stormy.slack.messages()
    assert head.shown.startswith("41 incidents at once: the rest is in the thread\n")
    pages = stormy.slack.thread(head)
    assert [page.shown.split("\n")[0] for page in pages] == [
        "Further incidents, page 2",
        "Further incidents, page 3",
    ]
    assert told(stormy.slack) == once(incidents)


def test_what_joins_a_running_storm_joins_its_digest(stormy: Desk) -> None:
    stormy.tell(*many(6))
    stormy.wait(60)
    stormy.tell(*many(1, start=6))
    (head,) = stormy.slack.messages()
    assert head.shown.startswith("7 incidents at once\n")
    stormy.wait(600)
    stormy.tell(*many(1, start=7))
    assert len(stormy.slack.messages()) == 2
    assert told(stormy.slack) == once(many(8))


def test_what_changes_changes_its_line_and_only_bad_news_is_a_reply(stormy: Desk) -> None:
    incidents = many(6)
    stormy.tell(*incidents)
    grown = worse(incidents[0])
    stormy.tell(grown, resolved(incidents[1]))
    (head,) = stormy.slack.messages()
    assert head.shown.startswith("6 incidents at once, 1 of them over\n*Critical*: ")
    assert "*Resolved*" in head.shown
    assert head.attachments[0]["color"] == "#d32f2f"
    (reply,) = stormy.slack.thread(head)
    assert reply.text.startswith("*Worse*")
    stormy.tell(*(resolved(one) for one in (grown, *incidents[2:])))
    (head,) = stormy.slack.messages()
    assert head.shown.startswith("6 incidents at once, 6 of them over\n")
    assert head.attachments[0]["color"] == "#2eb67d"
    assert told(stormy.slack) == once(incidents)


def test_who_took_it_is_told_in_the_thread_of_the_digest(stormy: Desk) -> None:
    incidents = many(6)
    stormy.tell(*incidents)
    stormy.tell(decided(incidents[2], Phase.ACKNOWLEDGED))
    (head,) = stormy.slack.messages()
    assert [one.text for one in stormy.slack.thread(head)] == ["Acknowledged by ada."]


def test_zero_means_never_a_digest(desk: Desk) -> None:
    desk.reconfigure(desk.threaded(digest_from=0))
    desk.tell(*many(8))
    assert len(desk.slack.messages()) == 8


def test_what_was_tried_already_is_no_part_of_a_digest(stormy: Desk) -> None:
    stormy.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    first, *rest = many(7)
    stormy.tell(first)
    stormy.tell(*rest)
    stormy.wait(11)
    stormy.deliver()
    assert told(stormy.slack) == once([first, *rest])
    assert len(stormy.slack.messages()) == 2


def test_a_refused_layout_still_names_every_incident(stormy: Desk) -> None:
    stormy.slack.misbehave("chat.postMessage", Refused("invalid_blocks"))
    stormy.tell(*many(6))
    (head,) = stormy.slack.messages()
    assert not head.blocks
    assert told(stormy.slack) == once(many(6))


def test_by_webhook_a_digest_is_one_message_that_stays_as_it_is(desk: Desk) -> None:
    desk.reconfigure(desk.by_webhook(digest_from=6))
    desk.announce(*many(6))
    desk.announce(*many(1, start=6))
    desk.deliver()
    (head,) = desk.slack.messages()
    assert LINKED.findall(head.shown) == [one.id for one in many(7)]
    desk.tell(resolved(many(1)[0]))
    assert desk.slack.messages()[-1].text.startswith("Resolved")
    assert desk.slack.counted("webhook") == 2


def test_hostile_labels_break_no_digest(stormy: Desk) -> None:
    bad = "<!channel> <https://evil.example|x> | `*_~ \u202e" + "x" * 10_000
    incidents = []
    for one in many(6):
        labels = one.regressions[0].labels.as_dict() | {"route": bad}
        first = replace(one.regressions[0], labels=type(one.labels).of(**labels))
        incidents.append(replace(one, regressions=(first,)))
    assert stormy.tell(*incidents) == [Outcome.SENT]
    assert "<!" not in stormy.slack.messages()[0].shown
    assert told(stormy.slack) == once(incidents)


# --- the pace -----------------------------------------------------------------------------------


def run(desk: Desk, *, until: float = 3600) -> list[tuple[float, str, int]]:
    """Deliver as the loop does, on a clock that only leaps; each call with its time."""
    start, calls = desk.now, []
    while (wait := desk.alerts.due_in(desk.now)) is not None:
        desk.wait(max(wait, 0.001))
        assert (desk.now - start).total_seconds() < until, "it never ends"
        before = len(desk.slack.calls)
        desk.deliver()
        at = (desk.now - start).total_seconds()
        calls += [(at, one.method, len(one.body)) for one in desk.slack.calls[before:]]
    return calls


def test_one_message_a_second_and_the_rest_waits(desk: Desk) -> None:
    desk.reconfigure(desk.threaded(digest_from=0, messages_per_minute=60))
    desk.announce(*many(3))
    assert desk.deliver() == [Outcome.SENT]
    assert desk.deliver() == []
    assert desk.alerts.due_in(desk.now) == 1.0
    desk.wait(0.999)
    assert desk.deliver() == []
    desk.wait(0.001)
    assert desk.deliver() == [Outcome.SENT]
    # The pace holds across a restart.
    desk.crash()
    assert desk.deliver() == []
    desk.wait(1)
    assert desk.deliver() == [Outcome.SENT]
    assert desk.alerts.due_in(desk.now) is None


def test_what_is_held_back_is_not_asked_for_all_the_time(desk: Desk) -> None:
    desk.reconfigure(desk.threaded(messages_per_minute=60))
    desk.slack.misbehave("chat.postMessage", RateLimited(30))
    desk.tell(incident())
    desk.announce(incident("inc-2"))
    wait = desk.alerts.due_in(desk.now)
    assert wait is not None
    assert 30 <= wait <= 31
    # What waits behind a message in doubt is not due before that is cleared up.
    desk.wait(31)
    desk.slack.misbehave("chat.postMessage", Dropped(accepted=True))
    assert desk.deliver() == [Outcome.UNKNOWN]
    desk.announce(worse(incident()))
    assert desk.alerts.due_in(desk.now) == 1.0  # the other incident
    desk.wait(1)
    assert desk.deliver() == [Outcome.SENT]
    assert desk.alerts.due_in(desk.now) == pytest.approx(9, abs=0.1)


def test_of_the_edits_that_wait_only_the_newest_is_made(desk: Desk) -> None:
    desk.reconfigure(desk.by_token(messages_per_minute=60))
    desk.tell(incident())
    for value in (0.9, 0.95, 0.99):
        first = replace(incident().regressions[0], value=value)
        version = round(value * 100)
        desk.announce(replace(incident(), version=version, regressions=(first,)))
    run(desk)
    (message,) = desk.slack.messages()
    assert message.edits == 1
    assert "990 ms" in message.text


def test_two_receivers_in_one_channel_share_its_pace(desk: Desk) -> None:
    first = desk.threaded(messages_per_minute=60)
    assert first.slack is not None
    second = {"name": "second", "slack": first.slack.model_dump() | {"name": None}}
    desk.reconfigure(type(first).model_validate({"slack": first.slack, "receivers": [second]}))
    desk.announce(incident())
    assert desk.deliver() == [Outcome.SENT]
    desk.wait(1)
    assert desk.deliver() == [Outcome.SENT]
    assert len(desk.slack.messages()) == 2


@pytest.mark.timeout(400)
def test_five_hundred_incidents_in_a_minute_are_told_once_within_the_pace(desk: Desk) -> None:
    """With 429s, 5xx, dropped connections and `ok: false` in between; none of it is ignored."""
    desk.reconfigure(desk.threaded(digest_from=6, messages_per_minute=60))
    incidents = many(500)
    slack = desk.slack
    slack.misbehave("chat.postMessage", Dropped(accepted=True), RateLimited(7), ServerError(503))
    slack.misbehave("chat.update", RateLimited(5), Dropped(accepted=False), Refused("fatal_error"))
    start, calls, held = desk.now, [], []
    for second in range(60):
        desk.announce(*incidents[second * 500 // 60 : (second + 1) * 500 // 60])
        before = len(slack.calls)
        outcomes = desk.deliver()
        at = (desk.now - start).total_seconds()
        calls += [at] * (len(slack.calls) - before)
        held += [at for one in outcomes if one is Outcome.RATE_LIMITED]
        desk.wait(1)
    late = (desk.now - start).total_seconds()
    rest = [late + at for at, _, _ in run(desk)]

    assert told(slack) == once(incidents)
    times = calls + rest
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))
    assert held, "no 429 was met"
    assert all(not at < other < at + 5 for at in held for other in times)
    (root,) = [one for one in slack.messages() if one.incident.startswith("digest-")]
    assert root.shown.startswith("500 incidents at once: the rest is in the thread")
    # Everything was read within a minute and a half of the last incident.
    assert times[-1] < 150
    assert {row.state for row in desk.of_kind(Kind.DIGEST)} == {"sent", "superseded"}
