"""What is wrong with the collector and the detector of a house, for telling about ourselves."""

from collections.abc import Iterable, Iterator

from alerts.troubles import Symptom, TroubleKind
from api.house import House
from api.moments import milliseconds
from collector.run import TargetState, TargetStatus
from detector.run import TICK


class Watcher:
    """Looks at one house; `reporter` is how this process is known among others.

    A target that was never up is down since it was first seen so.
    """

    def __init__(self, house: House, reporter: str) -> None:
        self.house = house
        self.reporter = reporter
        self._down_since_ms: dict[str, int] = {}

    def symptoms(self, targets: Iterable[TargetStatus]) -> list[Symptom]:
        """The targets that give nothing, and a detector that is behind; each with since when."""
        now_ms = milliseconds(self.house.now())
        return [*self.down(targets, now_ms), *self.late(now_ms)]

    def down(self, targets: Iterable[TargetStatus], now_ms: int) -> Iterator[Symptom]:
        """The targets that are down."""
        before, self._down_since_ms = self._down_since_ms, {}
        for one in targets:
            if one.state is not TargetState.DOWN:
                continue
            since_ms = milliseconds(one.last_success) if one.last_success else now_ms
            since_ms = min(since_ms, before.get(one.name, now_ms))
            self._down_since_ms[one.name] = since_ms
            yield Symptom(
                kind=TroubleKind.COLLECTOR_DOWN,
                subject=one.name,
                seconds=max(0, now_ms - since_ms) / 1000,
                detail=str(one.reason or ""),
                reporter=self.reporter,
            )

    def late(self, now_ms: int) -> Iterator[Symptom]:
        """How long ago the next tick should have ended; nothing before the first one."""
        house = self.house
        with house.state.reading() as session:
            done_ms = house.book.progress_ms(session, TICK)
        if done_ms is None:
            return
        due_ms = done_ms + house.detector.definitions.step_ms + round(house.settings.delay * 1000)
        if now_ms > due_ms:
            yield Symptom(
                kind=TroubleKind.DETECTOR_LATE,
                subject="detector",
                seconds=(now_ms - due_ms) / 1000,
                reporter=self.reporter,
            )
