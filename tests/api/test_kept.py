"""What is kept of answers: how long, how much, and why something is not kept any more."""

from dataclasses import replace

from prometheus_client import CollectorRegistry

from api.kept import (
    FRESH_MS,
    LATE_MS,
    MOST_AGE_MS,
    MOST_BYTES,
    MOST_BYTES_OF_ONE,
    MOST_KEPT,
    Age,
    Answer,
    Dropped,
    Kept,
    KeptMeters,
    Question,
)

ASKED = Question.of("/", b"", None, {})
NOW = (1, 0)


def answer(size: int = 1, made_ms: int = 0) -> Answer:
    return Answer(200, ((b"etag", b"1"),), b"x" * size, {}, NOW, made_ms)


class Shelf:
    """What is kept, and what was counted of it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.kept = Kept(KeptMeters(self.registry))

    def dropped(self, why: Dropped) -> float | None:
        name = "plimsoll_kept_answers_dropped_total"
        return self.registry.get_sample_value(name, {"reason": why})

    def bytes(self) -> float | None:
        return self.registry.get_sample_value("plimsoll_kept_answers_bytes")


def numbered(number: int) -> Question:
    return ASKED._replace(query=str(number).encode())


def test_an_answer_is_fresh_then_late_then_old_then_nothing() -> None:
    shelf, one = Shelf(), answer()
    shelf.kept.keep(ASKED, one, NOW, 0)
    edges = (0, FRESH_MS, LATE_MS, MOST_AGE_MS)
    for age, begin, end in zip(Age, edges, edges[1:], strict=False):
        found = [shelf.kept.find(ASKED, NOW, ms) for ms in (begin, end - 1)]
        assert found == [(one, age)] * 2
    assert shelf.kept.find(ASKED, NOW, MOST_AGE_MS) is None
    assert shelf.kept.find(ASKED, NOW, -1) is None


def test_what_was_begun_before_a_change_is_never_found() -> None:
    shelf = Shelf()
    shelf.kept.keep(ASKED, answer(), NOW, 0)
    assert shelf.kept.find(ASKED, (2, 0), 0) is None
    shelf.kept.keep(numbered(1), answer(), (2, 0), 0)  # made while something was written
    assert shelf.kept.find(numbered(1), NOW, 0) is None
    assert shelf.dropped(Dropped.WRITTEN) == 2
    assert shelf.bytes() == 0


def test_what_is_too_old_makes_room_with_the_next_one() -> None:
    shelf = Shelf()
    shelf.kept.keep(numbered(1), answer(), NOW, 0)
    shelf.kept.keep(numbered(2), answer(made_ms=MOST_AGE_MS), NOW, MOST_AGE_MS)
    assert shelf.dropped(Dropped.OLD) == 1
    assert shelf.bytes() == answer().bytes_held


def test_no_more_than_so_many_and_so_much_is_kept_the_oldest_goes() -> None:
    shelf = Shelf()
    for number in range(MOST_KEPT + 1):
        shelf.kept.keep(numbered(number), answer(), NOW, 0)
    assert shelf.kept.find(numbered(0), NOW, 0) is None
    assert shelf.kept.find(numbered(MOST_KEPT), NOW, 0) is not None
    assert shelf.dropped(Dropped.FULL) == 1
    large = answer(MOST_BYTES_OF_ONE - 100)
    for number in range(2 * MOST_BYTES // MOST_BYTES_OF_ONE):
        shelf.kept.keep(numbered(-number), large, NOW, 0)
        assert (shelf.bytes() or 0) <= MOST_BYTES


def test_what_is_no_200_or_too_large_is_not_kept() -> None:
    shelf = Shelf()
    shelf.kept.keep(ASKED, replace(answer(), status=422), NOW, 0)
    shelf.kept.keep(ASKED, answer(MOST_BYTES_OF_ONE), NOW, 0)
    assert shelf.kept.find(ASKED, NOW, 0) is None
    assert (shelf.dropped(Dropped.STATUS), shelf.dropped(Dropped.LARGE)) == (1, 1)


def test_the_newest_answer_to_a_question_takes_the_place_of_the_last() -> None:
    shelf, newer = Shelf(), answer(7)
    shelf.kept.keep(ASKED, answer(), NOW, 0)
    shelf.kept.keep(ASKED, newer, NOW, 0)
    assert shelf.kept.find(ASKED, NOW, 0) == (newer, Age.FRESH)
    assert shelf.bytes() == newer.bytes_held
    assert {shelf.dropped(why) for why in Dropped} == {0}


def test_a_question_is_read_as_those_read_it_who_answer() -> None:
    chrome = {"accept-encoding": "gzip, deflate, br, zstd", "accept": "text/html,*/*;q=0.8"}
    firefox = {"accept-encoding": "gzip, deflate", "accept": "text/html,application/xml;q=0.9"}
    assert Question.of("/", b"", None, chrome) == Question.of("/", b"", None, firefox)
    assert Question.of("/", b"", None, chrome) != ASKED
