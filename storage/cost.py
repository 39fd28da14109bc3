"""What asking state and history costs, told to whoever wants to know: a tally of one request."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from functools import wraps
from time import perf_counter
from typing import ParamSpec, TypeVar

Given = ParamSpec("Given")
Answer = TypeVar("Answer")


class Part(StrEnum):
    """Where the time went."""

    STATE = "state"
    HISTORY = "history"


@dataclass(slots=True)
class Tally:
    """Seconds by part. What is begun inside of another part counts for the inner one alone."""

    seconds: dict[Part, float] = field(default_factory=lambda: dict.fromkeys(Part, 0.0))
    _open: list[Part] = field(default_factory=list)
    _since: float = 0.0

    def begin(self, part: Part) -> None:
        """From now on it counts for this part."""
        self._settle()
        self._open.append(part)

    def end(self) -> None:
        """It counts again for what it counted for before."""
        self._settle()
        self._open.pop()

    def _settle(self) -> None:
        now = perf_counter()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


TALLY: ContextVar[Tally | None] = ContextVar("tally", default=None)
"""That of the request which is answered here; threads that a request is handed to inherit it."""


@contextmanager
def spent(part: Part) -> Iterator[None]:
    """What is done inside counts for a part, where somebody keeps a tally."""
    tally = TALLY.get()
    if tally is None:
        yield
        return
    tally.begin(part)
    try:
        yield
    finally:
        tally.end()


def counted(part: Part) -> Callable[[Callable[Given, Answer]], Callable[Given, Answer]]:
    """The same for a whole function."""

    def around(function: Callable[Given, Answer]) -> Callable[Given, Answer]:
        @wraps(function)
        def inner(*given: Given.args, **named: Given.kwargs) -> Answer:
            with spent(part):
                return function(*given, **named)

        return inner

    return around
