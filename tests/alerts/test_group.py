"""When a group is told, and why."""

from dataclasses import replace

from alerts.group import (
    KEPT_EMPTY_MS,
    Group,
    Hush,
    Notice,
    Subject,
    Wait,
    flush,
    insert,
    new_group,
)
from alerts.route import Escalate, Route

ROUTE = Route(
    key="{}#>a", receiver="a", group_wait_ms=30, group_interval_ms=100, repeat_interval_ms=1000
)


def subject(name: str, ends_ms: int | None = None) -> Subject:
    return Subject(labels={"name": name}, about=name, source=name, starts_ms=0, ends_ms=ends_ms)


def group(*subjects: Subject, before: Group | None = None, now_ms: int = 0) -> Group:
    made = before or new_group(ROUTE, {}, now_ms)
    for one in subjects:
        made = insert(made, ROUTE, one, now_ms)
        if one.ends_ms is not None:
            members = {**made.members, one.fingerprint: one}
            made = replace(made, members=members)
    return made


def looked(made: Group, now_ms: int, *, hushed: bool = False) -> tuple[Group, Notice]:
    done = flush(made, ROUTE, lambda _: (Hush.SILENCED, "s") if hushed else None, now_ms)
    return done.group, done.notice


def test_what_begins_and_ends_between_two_notices_is_no_news() -> None:
    made, first = looked(group(subject("a")), 30)
    made, second = looked(group(subject("a", 40), before=made), 130)
    made, third = looked(group(subject("b", 200), before=made, now_ms=200), 230)
    assert [first, second, third] == [Notice.FIRST, Notice.RESOLVED, Notice.NOTHING_NEW]


def test_an_end_is_news_while_others_go_on() -> None:
    made, _ = looked(group(subject("a"), subject("b")), 30)
    made, second = looked(group(subject("b", 40), before=made), 130)
    made, third = looked(made, 230)
    assert [second, third] == [Notice.RESOLVED, Notice.NOTHING_NEW]


def test_what_was_quiet_is_as_if_it_had_never_been_looked_at() -> None:
    made, first = looked(group(subject("a")), 30, hushed=True)
    made, second = looked(made, 130)
    made, third = looked(group(subject("a", 140), before=made), 230, hushed=True)
    assert [first, second, third] == [Notice.NOTHING_LEFT, Notice.FIRST, Notice.NOTHING_LEFT]
    assert made.members == {}


def test_it_repeats_only_after_more_than_the_repeat_interval() -> None:
    made, _ = looked(group(subject("a")), 30)
    notices = []
    for now_ms in range(130, 2200, 100):
        made, notice = looked(made, now_ms)
        notices.append((now_ms, notice))
    assert [at for at, notice in notices if notice is Notice.REPEAT] == [1130]


def test_a_group_is_due_for_its_notice_or_an_escalation_whichever_is_first() -> None:
    route = Route(key="{}#>a", receiver="a", escalate=Escalate(50, "b"))
    made = group(subject("a"))
    assert made.due_ms(route) == 30
    made, _ = looked(made, 30)
    assert made.due_ms(route) == 130
    empty, _ = looked(group(subject("a", 1)), 30)
    assert empty.due_ms(route) is None


def test_a_group_is_remembered_as_long_as_an_escalation_may_come_of_it() -> None:
    done, _ = looked(group(subject("a")), 30)
    over, _ = looked(replace(done, members={"a": subject("a", 40)}), 130)
    later_ms = 10 * ROUTE.repeat_interval_ms + KEPT_EMPTY_MS
    assert not over.forgettable(ROUTE, 130 + KEPT_EMPTY_MS - 1)
    assert over.forgettable(ROUTE, later_ms)
    assert not replace(over, waits={"a": Wait(0)}).forgettable(ROUTE, later_ms)
