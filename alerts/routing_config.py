"""Who is told: routes, inhibition, times of the day, in the words of Alertmanager's configuration.

A routing section of an `alertmanager.yml` is read as it stands. Where Alertmanager reads a scalar
as text, a number or a bool is taken as the text it stands for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from alerts import intervals, matchers
from alerts.dispatch import Routing
from alerts.inhibit import InhibitRule
from alerts.intervals import TimeInterval
from alerts.matchers import in_order
from alerts.route import Escalate, Notify, Route
from alerts.scalars import (
    Colon,
    Equals,
    Matching,
    Names,
    Regexes,
    Span,
    Text,
    label,
    nonzero,
    readable,
)
from storage.series import Match, Matcher

EVERYTHING = "..."


class Section(BaseModel):
    """A part of the configuration; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True
    )


class EscalateConfig(Section):
    """Whom to tell when nobody acknowledges."""

    after: Annotated[Span, AfterValidator(nonzero)] = Field(
        description="How long after it was told first; an incident that is acknowledged, muted or "
        "over by then is not escalated."
    )
    to: Text = Field(description="The receiver that is told then, and until it is over.")


class RouteConfig(Section):
    """One node of the tree; what it leaves out it inherits, but for conditions and times."""

    receiver: Text = Field("", description="Who is told; the root needs one.")
    matchers: Matching = Field(
        (), description='Conditions, all of which must hold: `severity="critical"`, `team=~"a|b"`.'
    )
    match: Equals = Field({}, description="The older form of equality.")
    match_re: Regexes = Field({}, description="The older form of regular expressions.")
    continue_: bool = Field(
        False, alias="continue", description="Try the next siblings too, after this one matched."
    )
    group_by: tuple[Text, ...] | None = Field(
        None, description="Labels by which alerts are told together; `...` for all of them."
    )
    group_wait: Span | None = Field(
        None, description="Wait for more of a new group before it is told; 30s at the root."
    )
    group_interval: Annotated[Span | None, AfterValidator(nonzero)] = Field(
        None, description="Least time between two notices of a group; 5m at the root."
    )
    repeat_interval: Annotated[Span | None, AfterValidator(nonzero)] = Field(
        None, description="Tell again what has not changed for so long; 4h at the root."
    )
    mute_time_intervals: Names = Field((), description="Times in which nothing is told.")
    active_time_intervals: Names = Field((), description="Times outside of which nothing is told.")
    notify: Notify | None = Field(
        None, description="Tell from `suspected` on, or from `confirmed` (the root's default)."
    )
    escalate: EscalateConfig | None = Field(
        None, description="Whom to tell when nobody acknowledges."
    )
    routes: tuple["RouteConfig", ...] = Field((), description="The nodes below.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse groupings that cannot be meant."""
        names = self.group_by or ()
        if EVERYTHING in names and len(set(names)) > 1:
            raise ValueError("group_by: `...` stands for all labels, so it stands alone")
        for name in names:
            if name != EVERYTHING:
                label(name)
        if len(set(names)) < len(names):
            raise ValueError("group_by names a label twice")
        return self

    def walk(self) -> Iterator["RouteConfig"]:
        """This node and all below, depth first."""
        yield self
        for one in self.routes:
            yield from one.walk()

    def conditions(self) -> tuple[Matcher, ...]:
        """All its matchers, in Alertmanager's order."""
        return conditions(self.match, self.match_re, self.matchers)


class InhibitRuleConfig(Section):
    """While a source fires, its targets are not told."""

    name: Text = Field("", description="For people.")
    source_matchers: Matching = Field((), description="What keeps others quiet.")
    target_matchers: Matching = Field((), description="What is kept quiet.")
    source_match: Equals = Field({}, description="The older form.")
    source_match_re: Regexes = Field({}, description="The older form.")
    target_match: Equals = Field({}, description="The older form.")
    target_match_re: Regexes = Field({}, description="The older form.")
    equal: Names = Field((), description="Labels in which source and target must be the same.")

    def rule(self) -> InhibitRule:
        """What it means."""
        return InhibitRule(
            conditions(self.source_match, self.source_match_re, self.source_matchers),
            conditions(self.target_match, self.target_match_re, self.target_matchers),
            self.equal,
            self.name,
        )


class TimesConfig(Section):
    """Times of the day."""

    start_time: Colon = Field(description="From this time on, such as 08:00.")
    end_time: Colon = Field(description="Until before this time, at most 24:00.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Both are times, in this order."""
        intervals.minutes(self.start_time, self.end_time)
        return self


class TimeIntervalConfig(Section):
    """One interval; all given fields must hold."""

    times: tuple[TimesConfig, ...] | None = Field(None, description="Times of the day.")
    weekdays: tuple[Annotated[Text, readable(intervals.weekdays)], ...] | None = Field(
        None, description="Days of the week or ranges of them: `monday:friday`."
    )
    days_of_month: tuple[Annotated[Colon, readable(intervals.days_of_month)], ...] | None = Field(
        None, description="Days of the month or ranges: `1:5`; `-3:-1` are the last three."
    )
    months: tuple[Annotated[Colon, readable(intervals.months)], ...] | None = Field(
        None, description="Months or ranges, by number or name: `1:3`, `may:august`."
    )
    years: tuple[Annotated[Text, readable(intervals.years)], ...] | None = Field(
        None, description="Years or ranges: `2026:2028`."
    )
    location: Annotated[Text, readable(intervals.zone)] = Field(
        "UTC", description="Time zone of the IANA data base; `Local` is that of the machine."
    )

    def interval(self) -> TimeInterval:
        """What it means."""
        return TimeInterval(
            times=read(self.times, lambda one: intervals.minutes(one.start_time, one.end_time)),
            weekdays=read(self.weekdays, intervals.weekdays),
            days_of_month=read(self.days_of_month, intervals.days_of_month),
            months=read(self.months, intervals.months),
            years=read(self.years, intervals.years),
            location=self.location,
        )


class NamedTimesConfig(Section):
    """Intervals under one name; it holds while any of them does."""

    name: Text = Field(description="What routes call it.")
    time_intervals: tuple[TimeIntervalConfig, ...] = Field((), description="The intervals.")


class ReceiverConfig(BaseModel):
    """A receiver of an alertmanager.yml: only its name counts, see `alerts.deliver`."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    name: Text = Field(description="What routes call it.")

    @property
    def ways(self) -> list[str]:
        """The kinds of integrations it has."""
        given = {**(self.model_extra or {})}
        return sorted(name for name, value in given.items() if value)


class RoutingConfig(Section):
    """Routes, inhibition and times, as in an alertmanager.yml."""

    route: RouteConfig = Field(description="The root of the tree; it takes every alert.")
    inhibit_rules: tuple[InhibitRuleConfig, ...] = Field(
        (), description="Which alerts keep which others quiet."
    )
    time_intervals: tuple[NamedTimesConfig, ...] = Field((), description="Named times.")
    mute_time_intervals: tuple[NamedTimesConfig, ...] = Field(
        (), description="The older key of `time_intervals`."
    )
    receivers: tuple[ReceiverConfig, ...] = Field(
        (), description="The receivers of an alertmanager.yml, by name."
    )
    global_: dict[str, object] = Field(
        {}, alias="global", description="Accepted and not read: it is about Alertmanager's senders."
    )
    templates: tuple[Text, ...] = Field((), description="Accepted and not read.")
    tracing: dict[str, object] = Field({}, description="Accepted and not read.")

    @model_validator(mode="after")
    def check(self) -> Self:
        """Refuse what does not hold together, all of it at once."""
        faults = [*root_faults(self.route), *self._time_faults()]
        if faults:
            raise ValueError("; ".join(dict.fromkeys(faults)))
        return self

    def _time_faults(self) -> Iterator[str]:
        named = [one.name for one in (*self.mute_time_intervals, *self.time_intervals)]
        for name in named:
            if named.count(name) > 1:
                yield f"the time interval {name!r} is defined twice"
        for route in self.route.walk():
            for name in (*route.mute_time_intervals, *route.active_time_intervals):
                if name not in named:
                    yield f"there is no time interval {name!r}"

    def receiver_names(self) -> tuple[str, ...]:
        """Everybody that the tree names, in its order."""
        named = (
            name
            for route in self.route.walk()
            for name in (route.receiver, route.escalate.to if route.escalate else "")
        )
        return tuple(dict.fromkeys(filter(None, named)))

    def routing(self) -> Routing:
        """What it means."""
        times = (*self.mute_time_intervals, *self.time_intervals)
        return Routing(
            tree(self.route),
            tuple(one.rule() for one in self.inhibit_rules),
            {one.name: tuple(i.interval() for i in one.time_intervals) for one in times},
        )


def read(values: tuple[Any, ...] | None, reader: Any) -> tuple[tuple[int, int], ...] | None:
    """Each range read; None stays None."""
    return None if values is None else tuple(reader(one) for one in values)


def conditions(
    match: Mapping[str, str], match_re: Mapping[str, str], lines: Iterable[str]
) -> tuple[Matcher, ...]:
    """Matchers of all three forms, in Alertmanager's order."""
    return in_order(
        [
            *(Matcher(name, Match.EQUAL, value) for name, value in match.items()),
            *(Matcher(name, Match.REGEX, anchored(value)) for name, value in match_re.items()),
            *(one for line in lines for one in matchers.parse(line)),
        ]
    )


def anchored(value: str) -> str:
    """A regular expression of the older form, as Alertmanager shows it; it is anchored anyway.

    Flags for the whole expression must stay at its beginning.
    """
    return value if re.match(r"\(\?[a-zA-Z]+\)", value) else f"^(?:{value})$"


def root_faults(root: RouteConfig) -> Iterator[str]:
    """What the root may not have, because it takes every alert."""
    if not root.receiver:
        yield "the root route needs a receiver"
    if root.match or root.match_re or root.matchers:
        yield "the root route takes every alert, so it has no matchers"
    if root.mute_time_intervals or root.active_time_intervals:
        yield "the root route is never silent as a whole, so it has no time intervals"


def tree(config: RouteConfig, parent: Route | None = None, path: tuple[int, ...] = ()) -> Route:
    """A node and all below, with everything they inherit."""
    above = parent or Route()
    found = config.conditions()
    chain = f"{above.key.partition('#')[0]}/{matchers.shown(found)}" if parent else "{}"
    receiver = config.receiver or above.receiver
    names = tuple(config.group_by or ())
    grouped = (names == (EVERYTHING,), () if names == (EVERYTHING,) else names)
    everything, by = grouped if config.group_by else (above.group_by_all, above.group_by)
    escalate = above.escalate
    if config.escalate is not None:
        escalate = Escalate(round(config.escalate.after * 1000), config.escalate.to)
    node = Route(
        path=path,
        key=f"{chain}#{'.'.join(map(str, path))}>{receiver}",
        receiver=receiver,
        matchers=found,
        continues=config.continue_,
        group_by=by,
        group_by_all=everything,
        group_wait_ms=inherited(config.group_wait, above.group_wait_ms),
        group_interval_ms=inherited(config.group_interval, above.group_interval_ms),
        repeat_interval_ms=inherited(config.repeat_interval, above.repeat_interval_ms),
        mute_times=config.mute_time_intervals,
        active_times=config.active_time_intervals,
        notify=config.notify or above.notify,
        escalate=escalate,
    )
    below = (tree(one, node, (*path, i)) for i, one in enumerate(config.routes))
    return replace(node, routes=tuple(below))


def inherited(given: float | None, above_ms: int) -> int:
    """A duration in milliseconds, or that of the node above."""
    return above_ms if given is None else round(given * 1000)


class TextLoader(yaml.SafeLoader):
    """YAML whose scalars are text or nothing: an unquoted 0x40 is a text to Alertmanager too."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own form
        first: [(tag, form) for tag, form in found if tag.endswith((":null", ":merge"))]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def load(path: Path) -> RoutingConfig:
    """The routing of an alertmanager.yml; a ValueError says what is wrong, and where in it."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), TextLoader)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ValueError(f"{path} cannot be read: {why}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise ValueError(f"{path} is no YAML{line}") from None
    try:
        return RoutingConfig.model_validate(document)
    except ValidationError as error:
        faults = (
            f"{'.'.join(map(str, one['loc'])) or 'the file'} "
            f"{one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        )
        raise ValueError(f"{path}: {'; '.join(faults)}") from None


def deliveries(
    config: RoutingConfig, ours: Iterable[str], deliver: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """Who of ours is told for each name in the tree; a ValueError lists what leads nowhere.

    A name stands for itself where it is one of ours. A receiver without any integration is nobody,
    which is Alertmanager's way of telling nobody.
    """
    known, declared = set(ours), {one.name: one for one in config.receivers}
    names = f"one of {', '.join(sorted(known))}" if known else "none is configured yet"
    found: dict[str, tuple[str, ...]] = {}
    faults = []
    for name in deliver:
        if name not in config.receiver_names():
            faults.append(f"deliver names {name!r}, which no route does")
    for name in config.receiver_names():
        if name in deliver:
            found[name] = deliver[name]
            strangers = [one for one in deliver[name] if one not in known]
            faults += [
                f"deliver.{name}: there is no receiver {one!r}: {names}" for one in strangers
            ]
        elif name in known:
            found[name] = (name,)
        elif name in declared and not declared[name].ways:
            found[name] = ()
        elif name in declared:
            ways = ", ".join(declared[name].ways)
            faults.append(
                f"the receiver {name!r} has {ways} of Alertmanager: say in `deliver` which of "
                f"Plimsoll's receivers stands for it ({names})"
            )
        else:
            faults.append(f"a route names the receiver {name!r}: {names}")
    if faults:
        raise ValueError("; ".join(faults))
    return found
