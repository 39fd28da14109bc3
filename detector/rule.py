"""What is wrong with a signal: trigger, sustain, gates, clear level, severity."""

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from detector.regression import Severity
from detector.trigger import Absolute, Burn, Part, Trigger
from storage.duration import Seconds


class Sustain(Part):
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


When = Literal["counts", "rises", "falls"]


class Marker(Part):
    """Something that begins anew, after which the windows of a series say nothing for a while."""

    signal: str = Field(description="The signal that shows it, such as `cache_flushes`.")
    when: When = Field(
        description="`counts`: a rate counts something. `rises`: a gauge does, such as the time at "
        "which a process was started. `falls`: a gauge does, such as its uptime."
    )
    for_: Seconds = Field(600.0, alias="for", ge=60, le=86_400, description="For how long.")


class Gates(Part):
    """What must hold beside the trigger; `gates: off` leaves only the trigger and sustain.

    The statistical ones (`expected`, `band`, `effect`, `significance`, `mix`, `went_away`) abstain
    where their stage has nothing to say of a series.
    """

    min_count: float = Field(0, ge=0, description="Observations in a judged window; else unknown.")
    min_events: float = Field(0, ge=0, description="Events (value x n) in the newest window.")
    min_baseline_count: float = Field(0, ge=0, description="Observations behind the baseline.")
    min_delta: float = Field(0, ge=0, description="Distance from the baseline, in the unit.")
    min_ratio: float | None = Field(
        None, gt=0, description="Times the baseline; with `min_delta` too, either is enough."
    )
    settling: tuple[Marker, ...] = Field(
        (),
        description="After what the windows are unknown for a while: restarts and flushes of the "
        "series' own target, or of what it is declared to need.",
    )
    sampling: bool = Field(
        False,
        description="Of shares and ratios: sigmas count the chance of so few observations too.",
    )
    expected: bool = Field(
        False,
        description="The trigger holds against what is usual at this hour, too: of the week once "
        "three weeks are known, of the day before.",
    )
    effect: float | None = Field(
        None, gt=0, description="Times what is usual at this hour that the value must be beyond."
    )
    significance: float | None = Field(
        None,
        ge=0.5,
        le=1,
        description="Share of the comparisons with the past of the series that must be beyond what "
        "it did by itself in two weeks; what is nearly so is suspected.",
    )
    band: float | None = Field(
        None,
        ge=0.5,
        lt=1,
        description="Of quantiles and shares: confidence of the band around the newest value, by "
        "its number of observations, that must be beyond the same hours of the seven days before.",
    )
    mix: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Of web vitals: part of the difference that must be left when the visitors are "
        "made alike, by connection, country, kind of navigation, release and route.",
    )
    went_away: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Share of the step that the last two hours must keep; until then suspected.",
    )
    warming: bool = Field(
        True, description="Nothing is opened while fewer days have data than a baseline needs."
    )

    @property
    def ask_the_past(self) -> bool:
        """Whether any of them needs evidence from the past of a series."""
        numbers = (self.effect, self.significance, self.went_away, self.band, self.mix)
        return self.expected or any(one is not None for one in numbers)


OFF = Gates(warming=False)


class Clear(Part):
    """When it is over: the value is back beyond `level` (in the trigger's terms) `for` a time."""

    level: float | None = Field(
        None,
        description="In the terms of the trigger: value, multiple or sigmas. Half of the way back "
        "to normal if left out; in a tree each trigger has its own `clear`.",
    )
    for_: Seconds = Field(alias="for", description="How long without a break.")


class Load(Part):
    """The work whose growth would explain a breach."""

    signal: str = Field(description="A signal of the form `rate`, such as `api_requests`.")
    milder: bool = Field(
        False,
        description="Whether what the load explains is told as `info`: for what a machine is there "
        "for, such as its use.",
    )


class Rule(Part):
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
    critical_when: Trigger | None = Field(
        None, description="What makes it critical, as a trigger of its own, in place of a level."
    )
    improvements: bool = Field(
        True, description="Whether the mirror of the trigger is shown as an improvement."
    )
    enabled: bool = Field(True, description="Whether it is judged at all.")
    load: Load | None = Field(
        None,
        description="The work that may explain a breach of what is used in sum, like CPU: a "
        "regression that has grown no more than it is tagged `load_driven`.",
    )
    runbook: str = Field(
        "",
        description="Link for the person who is woken; one that begins with `/` is a page of "
        "Plimsoll's own. Shipped rules have one.",
    )

    @field_validator("gates", mode="before")
    @classmethod
    def _off(cls, value: Any) -> Any:
        # YAML 1.1 reads a bare `off` as false.
        return OFF if value is False or value == "off" else value

    @model_validator(mode="after")
    def _levels_agree(self) -> "Rule":
        clear, critical = self.clear.level, self.critical
        if self.trigger.branches:
            if clear is not None or critical is not None:
                raise ValueError(
                    "a tree has no one level: give `clear` in each trigger, and `critical_when`"
                )
            for path, leaf in self.trigger.leaves():
                if leaf.clear is None and leaf.halfway is None:
                    raise ValueError(f"{path} has no normal to go back to: give it a `clear`")
            return self
        leaf = self.trigger.part
        if clear is not None and leaf.clear is not None:
            raise ValueError("give `clear.level` or the trigger's own `clear`, not both")
        if self.cleared is None:
            raise ValueError("`clear.level` is missing: a fixed limit has no normal to go back to")
        # Sigmas are distances, larger is further out on either side.
        level, rising = leaf.level, leaf.upwards or leaf.is_distance
        if self.cleared > level if rising else self.cleared < level:
            raise ValueError(
                "`clear.level` lies beyond the trigger, so it would open and resolve at once"
            )
        if critical is not None and (critical < level if rising else critical > level):
            raise ValueError("`critical` lies before the trigger, so it could never be a warning")
        return self

    @model_validator(mode="after")
    def _critical_once(self) -> "Rule":
        when = self.critical_when
        if when is not None and self.critical is not None:
            raise ValueError("give `critical` or `critical_when`, not both")
        if when is not None and when.upwards != self.upwards:
            raise ValueError("`critical_when` must go the same way as the trigger")
        return self

    @property
    def upwards(self) -> bool:
        """Whether larger is worse."""
        return self.trigger.upwards

    @property
    def is_statistical(self) -> bool:
        """Whether any of it asks what was normal."""
        return self.trigger.is_statistical

    @property
    def cleared(self) -> float | None:
        """The clear level of a rule with one trigger."""
        leaf = self.trigger.part
        given = self.clear.level if self.clear.level is not None else leaf.clear
        return given if given is not None else leaf.halfway

    @property
    def origin(self) -> float:
        """What the size of a breach of fixed limits is measured from.

        From zero above a positive limit, so that a quarter more is a quarter of the value; else
        from the level that clears it. Of a budget from no error at all.
        """
        leaf = self.trigger.part
        if isinstance(leaf, Burn):
            return 0.0 if leaf.upwards else 1.0
        if isinstance(leaf, Absolute) and leaf.upwards and leaf.level > 0:
            return 0.0
        return self.cleared if self.cleared is not None else leaf.level

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
