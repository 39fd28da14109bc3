"""What a breach is: one trigger of a kind, or a tree of them under `all` and `any`."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from storage.duration import Seconds

WEEK_SECONDS = 7 * 86_400.0


class Part(BaseModel):
    """A part of a rule: what it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Leaf(Part):
    """One side of a level: above it, or below it; `clear` is where it ends."""

    above: float | None = None
    below: float | None = None
    clear: float | None = Field(
        None, description="In a tree: the level at which this one is over, in the same terms."
    )

    @model_validator(mode="after")
    def _one_side(self) -> "Leaf":
        if (self.above is None) == (self.below is None):
            raise ValueError("give exactly one of `above` and `below`")
        level = self.level
        outwards = self.upwards or self.is_distance
        if self.clear is not None and (self.clear > level if outwards else self.clear < level):
            raise ValueError(
                "`clear` lies beyond the trigger, so it would open and resolve at once"
            )
        return self

    @property
    def level(self) -> float:
        """The number, whichever side it is on."""
        return self.above if self.above is not None else self.below or 0.0

    @property
    def upwards(self) -> bool:
        """Whether larger is worse."""
        return self.above is not None

    @property
    def is_distance(self) -> bool:
        """Whether a level counts outwards on either side, instead of being a place."""
        return False

    @property
    def halfway(self) -> float | None:
        """The clear level where none is given: half of the way back to normal; None for no way."""
        return None


class Absolute(Leaf):
    """Beyond a fixed value, whatever was normal."""

    above: float | None = Field(None, description="Breached by a value above this.")
    below: float | None = Field(None, description="Breached by a value below this.")


class Relative(Leaf):
    """Beyond a multiple of the 7-day average: `above: 1.2` is more than 20 % above it.

    With `mode: points` the distance from 1 is added instead: `below: 0.9` is 10 points down.
    """

    above: float | None = Field(None, gt=1, description="Times the 7-day average, like 1.2.")
    below: float | None = Field(None, gt=0, lt=1, description="Times the 7-day average, like 0.9.")
    mode: Literal["relative", "points"] = Field(
        "relative",
        description="`relative`: the average times the level; `points`: the average plus its "
        "distance from 1, in the unit of the signal (0.9 is 10 percentage points down).",
    )

    @property
    def halfway(self) -> float | None:
        """Half of the distance from 1."""
        return 1 + (self.level - 1) / 2


class Sigma(Leaf):
    """Beyond the 7-day average by so many standard deviations of those 7 days."""

    above: float | None = Field(None, gt=0, description="How many standard deviations above.")
    below: float | None = Field(None, gt=0, description="How many standard deviations below.")

    @property
    def is_distance(self) -> bool:
        """Sigmas count outwards."""
        return True

    @property
    def halfway(self) -> float | None:
        """Half as many."""
        return self.level / 2


class Distribution(Leaf):
    """The whole distribution of a histogram has moved against the same hours of the days before.

    With `bound`: the share of observations above it has grown by more than `above`. Without: the
    largest gap between the two cumulative distributions is beyond its own day-to-day variation
    (median + `above` x 1.4826 x MAD, and never below 0.05).
    """

    above: float | None = Field(
        None, gt=0, description="Growth of the share, like 0.05; or how many deviations, like 6."
    )
    below: float | None = Field(
        None, gt=0, description="The same where smaller observations are worse."
    )
    bound: float | None = Field(
        None, description="An edge of the buckets, in the unit of the histogram."
    )

    @property
    def is_distance(self) -> bool:
        """Both measures count outwards."""
        return True

    @property
    def halfway(self) -> float | None:
        """Half as much."""
        return self.level / 2


class Slope(Leaf):
    """A leak: the lowest values of the days rise so that they project a multiple.

    Theil-Sen slope of the daily lows since the last restart, over at least `days` days that each
    rose; `above: 1.5` is half as much again `within` so long.
    """

    above: float | None = Field(None, gt=1, description="Times the low of today, like 1.5.")
    below: float | None = Field(None, gt=0, lt=1, description="Times the low of today, like 0.5.")
    within: Seconds = Field(WEEK_SECONDS, description="How far ahead it is projected.")
    days: int = Field(3, ge=2, le=7, description="How many days in a row must have moved.")

    @property
    def halfway(self) -> float | None:
        """Hardly any slope: a leak that goes on slower is a leak."""
        return 1 + (self.level - 1) / 50


class Burn(Leaf):
    """An error budget is spent so many times too fast, over a long and over a short span.

    `above: 14.4` with `objective: 0.999` is a share of errors above 1.44 % in the last hour and in
    the last five minutes. The long span may be longer by a twelfth.
    """

    above: float | None = Field(
        None, gt=0, description="Burn rate of a signal that is the share of errors, like 14.4."
    )
    below: float | None = Field(
        None, gt=0, description="Burn rate of a signal that is the share of what is good."
    )
    objective: float = Field(
        gt=0, lt=1, description="The share that is to be good, like 0.999; the rest is the budget."
    )
    long: Seconds = Field(
        3600.0, ge=3600, le=WEEK_SECONDS, description="The span that says that it matters."
    )
    short: Seconds | None = Field(
        None, description="The span that says that it goes on; a twelfth of `long` if left out."
    )

    @model_validator(mode="after")
    def _spans_and_budget(self) -> "Burn":
        if self.short is not None and self.short >= self.long:
            raise ValueError("`short` must be shorter than `long`")
        if self.level * (1 - self.objective) >= 1:
            most = 1 / (1 - self.objective)
            raise ValueError(
                f"no burn rate can be beyond {most:g}: then every single event is an error"
            )
        return self

    @property
    def is_distance(self) -> bool:
        """A burn rate counts outwards, whichever share the signal tells."""
        return True

    @property
    def halfway(self) -> float | None:
        """Half as fast."""
        return self.level / 2

    @property
    def short_seconds(self) -> float:
        """The short span."""
        return self.short if self.short is not None else self.long / 12


class Change(Leaf):
    """A lasting change, found by the series' own past alone: `above: 1.1` is at least a tenth more.

    Looked for at the end of each judged window, where the windows lie half of the way or more
    beyond what is usual at this hour and beyond what they scatter by. Of a share above one half
    what it lacks to 1 is what changes. It stands alone, in no tree.
    """

    above: float | None = Field(None, gt=1, description="Times what was usual before, like 1.1.")
    below: float | None = Field(None, gt=0, lt=1, description="Times what was usual, like 0.9.")

    @property
    def halfway(self) -> float | None:
        """Half of the distance from 1."""
        return 1 + (self.level - 1) / 2


AnyLeaf = Absolute | Relative | Sigma | Distribution | Slope | Burn | Change
KINDS = ("absolute", "relative", "sigma", "distribution", "slope", "burn", "change")
GIVEN = (*KINDS, "all", "any")


class Trigger(Part):
    """What a breach is: exactly one of the kinds, or `all` or `any` of several triggers."""

    absolute: Absolute | None = Field(None, description=Absolute.__doc__)
    relative: Relative | None = Field(None, description=Relative.__doc__)
    sigma: Sigma | None = Field(None, description=Sigma.__doc__)
    distribution: Distribution | None = Field(None, description=Distribution.__doc__)
    slope: Slope | None = Field(None, description=Slope.__doc__)
    burn: Burn | None = Field(None, description=Burn.__doc__)
    change: Change | None = Field(None, description=Change.__doc__)
    all: tuple["Trigger", ...] | None = Field(
        None, min_length=1, max_length=10, description="Every one of these triggers holds."
    )
    any: tuple["Trigger", ...] | None = Field(
        None, min_length=1, max_length=10, description="At least one of these triggers holds."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Trigger":
        if len([name for name in GIVEN if getattr(self, name) is not None]) != 1:
            raise ValueError(f"give exactly one of {', '.join(KINDS)}, all, any")
        if len({leaf.upwards for _, leaf in self.leaves()}) > 1:
            raise ValueError("all triggers of a rule go one way: all `above`, or all `below`")
        if self.branches and any(isinstance(leaf, Change) for _, leaf in self.leaves()):
            raise ValueError("`change` stands alone: it is judged by the past, not by one window")
        return self

    # Ticks ask these of every rule; to find them means to look through all fields.
    @cached_property
    def kind(self) -> str:
        """Which kind it is."""
        return next(name for name in GIVEN if getattr(self, name) is not None)

    @cached_property
    def part(self) -> AnyLeaf:
        """The one that is given; of a tree its first leaf."""
        return next(leaf for _, leaf in self.leaves())

    @cached_property
    def branches(self) -> tuple["Trigger", ...]:
        """The triggers below; none for a leaf."""
        return self.all or self.any or ()

    def leaves(self, path: str = "") -> Iterator[tuple[str, AnyLeaf]]:
        """Every single trigger, with where it stands: `all.0.relative`."""
        if not self.branches:
            kind = self.kind
            yield f"{path}{kind}", getattr(self, kind)
        for number, one in enumerate(self.branches):
            yield from one.leaves(f"{path}{self.kind}.{number}.")

    @cached_property
    def upwards(self) -> bool:
        """Whether larger is worse."""
        return self.part.upwards

    @cached_property
    def is_statistical(self) -> bool:
        """Whether any of it asks what was normal."""
        return any(not isinstance(leaf, Absolute | Burn) for _, leaf in self.leaves())
