"""Answers that are kept for a moment, so that one making is enough for all who ask meanwhile.

Pure; time is given. An answer is given again as long as nothing was written since it was begun, and
not for long after it was made: what other processes write, and what is measured all the time,
changes no version. From `FRESH_MS` on it is due to be made anew; who has that done gets the last
one up to `LATE_MS`; so does, up to `MOST_AGE_MS`, who asks while it is being done already.

The age counts from the end of the making, not from its beginning: on a machine so busy that this
takes seconds every answer would be too old at once, and everybody would wait for one of his own.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge

from api.access.who import Who

FRESH_MS = 1_000
LATE_MS = 2_000
MOST_AGE_MS = 5_000
MOST_KEPT = 256
MOST_BYTES = 8 * 1024 * 1024
MOST_BYTES_OF_ONE = 1024 * 1024

Version = tuple[int, int]
Lines = tuple[tuple[bytes, bytes], ...]


class Way(StrEnum):
    """How somebody got an answer."""

    MADE = "made"  # for him
    JOINED = "joined"  # he waited for what was being made for another one
    KEPT = "kept"  # at once
    LATE = "late"  # at once, while the next one is being made


class Dropped(StrEnum):
    """Why an answer is not kept, or not any more."""

    WRITTEN = "written"  # something was written since it was begun
    OLD = "old"
    FULL = "full"  # others had to find room
    LARGE = "large"
    STATUS = "status"  # it is no 200


class Age(StrEnum):
    """How good a kept answer is."""

    FRESH = "fresh"
    LATE = "late"
    OLD = "old"


class Question(NamedTuple):
    """What an answer depends on: what is asked, how it may be written and packed, and who asks."""

    path: str
    query: bytes
    who: tuple[str, str, str] | None
    packed: bool
    for_browser: bool

    @classmethod
    def of(cls, path: str, query: bytes, who: Who | None, headers: Mapping[str, str]) -> "Question":
        """The question of a request."""
        return cls(
            path,
            query,
            None if who is None else (who.token.id, who.name, who.person),
            # As `GZipMiddleware` and `errors.wants_page` read them, and nobody else does.
            "gzip" in headers.get("accept-encoding", ""),
            "text/html" in headers.get("accept", ""),
        )


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Answer:
    """A whole answer, as the inside made it: `version` is that of its beginning.

    `found` is what routing put into the scope, for those who count by route.
    """

    status: int
    headers: Lines
    body: bytes
    found: Mapping[str, Any]
    version: Version
    made_ms: int

    @property
    def tag(self) -> str:
        """Its ETag; empty where it has none."""
        return next((value.decode() for name, value in self.headers if name == b"etag"), "")

    @property
    def bytes_held(self) -> int:
        """What keeping it takes, all but exactly."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers)


class KeptMeters:
    """How questions are answered, and what becomes of answers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        answers = Counter(
            "plimsoll_shared_answers",
            "Answers of the overview and the summary, by how somebody got his.",
            ["way"],
            registry=registry,
        )
        dropped = Counter(
            "plimsoll_kept_answers_dropped",
            "Whole answers that were not kept, or not any longer, by reason.",
            ["reason"],
            registry=registry,
        )
        self.answers = {one: answers.labels(one) for one in Way}
        self.dropped = {one: dropped.labels(one) for one in Dropped}
        self.bytes = Gauge(
            "plimsoll_kept_answers_bytes",
            "What the answers take that are kept for a moment.",
            registry=registry,
        )


@dataclass(slots=True)
class Kept:
    """The newest answer to each question, bounded in number and bytes."""

    meters: KeptMeters
    _answers: OrderedDict[Question, Answer] = field(default_factory=OrderedDict)
    _bytes: int = 0

    def find(self, question: Question, version: Version, now_ms: int) -> tuple[Answer, Age] | None:
        """The answer to it, and how good it is; None where there is none that may be given."""
        answer = self._answers.get(question)
        if answer is None or ended(answer, version, now_ms) is not None:
            return None
        age_ms = now_ms - answer.made_ms
        return answer, Age.FRESH if age_ms < FRESH_MS else Age.LATE if age_ms < LATE_MS else Age.OLD

    def keep(self, question: Question, answer: Answer, version: Version, now_ms: int) -> None:
        """Keep a new one; what may not be given any more makes room first, then the oldest."""
        self._drop(question, None)
        for other, each in list(self._answers.items()):
            why = ended(each, version, now_ms)
            if why is not None:
                self._drop(other, why)
        why = refused(answer) or ended(answer, version, now_ms)
        if why is not None:
            self.meters.dropped[why].inc()
        else:
            self._answers[question] = answer
            self._bytes += answer.bytes_held
        while len(self._answers) > MOST_KEPT or self._bytes > MOST_BYTES:
            self._drop(next(iter(self._answers)), Dropped.FULL)
        self.meters.bytes.set(self._bytes)

    def _drop(self, question: Question, why: Dropped | None) -> None:
        gone = self._answers.pop(question, None)
        if gone is not None:
            self._bytes -= gone.bytes_held
            if why is not None:
                self.meters.dropped[why].inc()


def ended(answer: Answer, version: Version, now_ms: int) -> Dropped | None:
    """Why an answer may not be given any more; None while it may."""
    if answer.version != version:
        return Dropped.WRITTEN
    # A clock that was set back makes it as unknown as an old one.
    return None if 0 <= now_ms - answer.made_ms < MOST_AGE_MS else Dropped.OLD


def refused(answer: Answer) -> Dropped | None:
    """Why an answer is not kept at all."""
    if answer.status != 200:
        return Dropped.STATUS
    return Dropped.LARGE if answer.bytes_held > MOST_BYTES_OF_ONE else None
