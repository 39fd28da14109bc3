"""Silences and maintenance windows: who is not to be told, from when, until when, and why. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from alerts.matchers import matches
from storage.series import Match, Matcher

LONGEST_MS = 366 * 86_400_000


class SilenceKind(StrEnum):
    """What it is for."""

    SILENCE = "silence"
    MAINTENANCE = "maintenance"


class SilenceState(StrEnum):
    """Where it is in its life, by the clock."""

    PENDING = "pending"
    ACTIVE = "active"
    EXPIRED = "expired"


class UnfitSilenceError(ValueError):
    """A silence that would mute everything, or nothing; `pointer` names the member."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(message)
        self.pointer = pointer


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Alerts that meet all matchers are not told in `[starts_ms, ends_ms)`."""

    id: str
    kind: SilenceKind
    matchers: tuple[Matcher, ...]
    starts_ms: int
    ends_ms: int
    created_by: str
    comment: str
    created_ms: int
    updated_ms: int

    def state(self, now_ms: int) -> SilenceState:
        """Where it is in its life."""
        if now_ms < self.starts_ms:
            return SilenceState.PENDING
        return SilenceState.ACTIVE if now_ms < self.ends_ms else SilenceState.EXPIRED

    def mutes(self, labels: Mapping[str, str], now_ms: int) -> bool:
        """Whether it keeps an alert with these labels quiet now."""
        return self.state(now_ms) is SilenceState.ACTIVE and matches(self.matchers, labels)


def check(silence: Silence) -> None:
    """Refuse what cannot be meant; an UnfitSilenceError says why."""
    if not silence.matchers:
        raise UnfitSilenceError("#/matchers", "needs at least one matcher")
    if all(matches_empty(one) for one in silence.matchers):
        raise UnfitSilenceError(
            "#/matchers", "match the empty text all of them, so everything would be silenced"
        )
    if silence.ends_ms <= silence.starts_ms:
        raise UnfitSilenceError("#/ends_at", "must be after the start")
    if silence.ends_ms - silence.starts_ms > LONGEST_MS:
        raise UnfitSilenceError("#/ends_at", "is more than 366 days after the start")


def matches_empty(matcher: Matcher) -> bool:
    """Whether an absent label meets the condition."""
    return Matcher(matcher.name, Match(matcher.op), matcher.value).accepts("")


def silenced(silences: Iterable[Silence], labels: Mapping[str, str], now_ms: int) -> Silence | None:
    """The first silence that keeps an alert quiet now."""
    return next((one for one in silences if one.mutes(labels, now_ms)), None)
