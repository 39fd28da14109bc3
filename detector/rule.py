"""What is wrong with a signal: trigger, sustain, gates, clear level, severity."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from detector.regression import Severity
from storage.duration import Seconds


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Level(_Part):
    """One side of a level: above it, or below it."""

    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_side(self) -> "_Level":
        if (self.above is None) == (self.below is None):
            raise ValueError("give exactly one of `above` and `below`")
        return self

    @property
    def level(self) -> float:
        """The number, whichever side it is on."""
        return self.above if self.above is not None else self.below or 0.0


class Absolute(_Level):
    """Beyond a fixed value, whatever was normal."""

    above: float | None = Field(None, description="Breached by a value above this.")
    below: float | None = Field(None, description="Breached by a value below this.")


class Relative(_Level):
    """Beyond a multiple of the 7-day average: `above: 1.2` is more than 20 % above it."""

    above: float | None = Field(None, gt=1, description="Times the 7-day average, like 1.2.")
    below: float | None = Field(None, gt=0, lt=1, description="Times the 7-day average, like 0.9.")


class Sigma(_Level):
    """Beyond the 7-day average by so many standard deviations of those 7 days."""

    above: float | None = Field(None, gt=0, description="How many standard deviations above.")
    below: float | None = Field(None, gt=0, description="How many standard deviations below.")


class Trigger(_Part):
    """What a breach is: exactly one of the kinds."""

    absolute: Absolute | None = Field(None, description=Absolute.__doc__)
    relative: Relative | None = Field(None, description=Relative.__doc__)
    sigma: Sigma | None = Field(None, description=Sigma.__doc__)

    @model_validator(mode="after")
    def _one_kind(self) -> "Trigger":
        if len([part for _, part in self if part is not None]) != 1:
            raise ValueError("give exactly one of absolute, relative, sigma")
        return self

    @property
    def kind(self) -> str:
        """Which kind it is."""
        return next(name for name, part in self if part is not None)

    @property
    def part(self) -> Absolute | Relative | Sigma:
        """The one that is given."""
        found: Absolute | Relative | Sigma = next(part for _, part in self if part is not None)
        return found


class Sustain(_Part):
    """How long it must last: every window `for` a time, or so many `windows` `of` the last."""

    for_: Seconds | None = Field(
        None, alias="for", description="Every stored window of this span breaches."
    )
    windows: int | None = Field(None, ge=1, description="How many judged windows must breach.")
    of: int | None = Field(None, ge=1, description="Of how many in a row, the newest last.")

    @model_validator(mode="after")
    def _one_way(self) -> "Sustain":
        counted = self.windows is not None and self.of is not None
        partly = self.windows is not None or self.of is not None
        if partly != counted or (self.for_ is not None) == counted:
            raise ValueError("give either `for: 5m`, or `windows: 3` together with `of: 4`")
        if self.windows and self.of and self.windows > self.of:
            raise ValueError("`windows` cannot be more than `of`")
        return self


class Gates(_Part):
    """What must hold beside the trigger; `gates: off` leaves only the trigger and sustain."""

    min_count: float = Field(0, ge=0, description="Observations in a judged window; else unknown.")
    min_events: float = Field(0, ge=0, description="Events (value x n) in the newest window.")
    min_baseline_count: float = Field(0, ge=0, description="Observations behind the baseline.")
    min_delta: float = Field(0, ge=0, description="Distance from the baseline, in the unit.")


class Clear(_Part):
    """When it is over: the value is back beyond `level` (in the trigger's terms) `for` a time."""

    level: float = Field(description="In the terms of the trigger: value, multiple or sigmas.")
    for_: Seconds = Field(alias="for", description="How long without a break.")


class Rule(_Part):
    """One rule on one signal."""

    signal: str = Field(description="The signal it judges.")
    trigger: Trigger = Field(description="What a breach is.")
    sustain: Sustain = Field(description="How long it must last.")
    gates: Gates = Field(default=Gates(), description="What must hold beside it, or `off`.")
    clear: Clear = Field(description="When it is over.")
    severity: Severity = Field(Severity.WARNING, description="info, warning or critical.")
    critical: float | None = Field(
        None, description="Level from which it is critical, in the trigger's terms."
    )
    enabled: bool = Field(True, description="Whether it is judged at all.")
    runbook: str = Field("", description="Link for the person who is woken.")

    @field_validator("gates", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare `off` as false.
        return Gates() if value is False or value == "off" else value

    @model_validator(mode="after")
    def _levels_agree(self) -> "Rule":
        level = self.trigger.part.level
        # Sigmas are distances, larger is further out on either side.
        rising = self.upwards or self.trigger.sigma is not None
        clear, critical = self.clear.level, self.critical
        if clear > level if rising else clear < level:
            raise ValueError(
                "`clear.level` lies beyond the trigger, so it would open and resolve at once"
            )
        if critical is not None and (critical < level if rising else critical > level):
            raise ValueError("`critical` lies before the trigger, so it could never be a warning")
        return self

    @property
    def upwards(self) -> bool:
        """Whether larger is worse."""
        return self.trigger.part.above is not None

    def span(self, window_seconds: float, over_seconds: float) -> "Span":
        """Which windows are judged, for a signal with these lengths."""
        sustain = self.sustain
        if sustain.for_ is not None:
            each_ms = round(window_seconds * 1000)
            count = -(-round(sustain.for_ * 1000) // each_ms)  # at least as long as asked for
            return Span(each_ms=each_ms, need=count, of=count)
        return Span(
            each_ms=round(over_seconds * 1000), need=sustain.windows or 1, of=sustain.of or 1
        )


@dataclass(frozen=True, slots=True)
class Span:
    """The judged windows: `of` in a row of `each_ms`, of which `need` must breach."""

    each_ms: int
    need: int
    of: int

    @property
    def total_ms(self) -> int:
        """How far back they reach."""
        return self.each_ms * self.of
