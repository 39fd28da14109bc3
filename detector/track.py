"""How reading from a source goes, as a whole and signal by signal. Pure."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from detector.signal import Signal
from storage.config import Engine
from storage.duration import written
from storage.matrix import Outcome, QueryFailure

SILENT_WINDOWS = 5
MOST_WARNINGS = 5


class SourceState(StrEnum):
    """How the source is doing."""

    PENDING = "pending"
    UP = "up"
    DOWN = "down"


class SignalState(StrEnum):
    """How reading one signal goes."""

    PENDING = "pending"
    READ = "read"
    NO_DATA = "no_data"
    SCRAPED_TOO_RARELY = "scraped_too_rarely"
    FAILING = "failing"


@dataclass(slots=True)
class Track:
    """What is known of reading one signal.

    A query asks for at most `most_windows`; `too_many` were once more than the engine allows.
    """

    signal: Signal
    most_windows: int
    too_many: int = 2**62
    scrape_seconds: float | None = None
    measured_ms: int | None = None
    newest_data_ms: int | None = None
    read_ms: int | None = None
    failure: QueryFailure | None = None
    paused_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class SignalStatus:
    """How reading one signal goes, for pages."""

    signal: str
    state: SignalState
    outcome: Outcome | None
    detail: str
    scrape_seconds: float | None
    newest_data_ms: int | None
    share_read: float


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How the source is doing, for pages."""

    url: str
    engine: Engine
    state: SourceState
    outcome: Outcome | None
    detail: str
    last_success_ms: int | None
    next_attempt_ms: int
    share_read: float
    warnings: tuple[str, ...]
    insecure: bool
    signals: tuple[SignalStatus, ...]


@dataclass(slots=True)
class Health:
    """Whether the source answers; shared by both ways in."""

    state: SourceState = SourceState.PENDING
    failure: QueryFailure | None = None
    failures: int = 0
    last_success_ms: int | None = None
    paused_until_ms: int = 0
    warnings: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_WARNINGS))


class TooRare(QueryFailure):
    """Windows would often be empty: samples come more rarely than windows end."""

    def __init__(self, signal: Signal, scrape: float) -> None:
        window = written(signal.form.window)
        super().__init__(
            Outcome.BAD_QUERY,
            f"its samples come every {written(scrape)}, so windows of {window} would be empty: set "
            f"signals.{signal.name}.window to at least {written(scrape)}",
        )


def signal_status(track: Track, share_read: float) -> SignalStatus:
    """How one signal stands."""
    failure, data_ms = track.failure, track.newest_data_ms
    silent_ms = SILENT_WINDOWS * track.signal.form.window_ms
    if isinstance(failure, TooRare):
        state = SignalState.SCRAPED_TOO_RARELY
    elif failure is not None:
        state = SignalState.FAILING
    elif track.read_ms is None:
        state = SignalState.PENDING
    elif data_ms is None or data_ms < track.read_ms - silent_ms:
        state = SignalState.NO_DATA
    else:
        state = SignalState.READ
    return SignalStatus(
        signal=track.signal.name,
        state=state,
        outcome=failure.outcome if failure else None,
        detail=failure.detail if failure else "",
        scrape_seconds=track.scrape_seconds,
        newest_data_ms=data_ms,
        share_read=share_read,
    )
