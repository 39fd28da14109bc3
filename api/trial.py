"""A replay as somebody asks for it: which rules, how far back, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from api import words
from api.document import Document, Fault, read
from api.faults import fault as found_fault
from api.faults import near, unknown
from api.house import House
from api.letters import LINES, PLAIN
from api.moments import at, maybe_at, milliseconds
from api.settings import RULE, SettingsError, unfit_rules
from api.shapes import Shape
from api.standing import series_id
from detector.baseline import DAY_MS
from detector.change import PAST_DAYS
from detector.confirming import Confirming
from detector.incidents import Depth
from detector.judgement import Reason
from detector.noise import (
    ACCEPTABLE_PER_100,
    FEW_OPENINGS,
    LEAST_DAYS,
    QUIET_PER_100,
    TRANSIENT_SHARE,
    Noise,
)
from detector.paper import Episode
from detector.regression import Severity
from detector.replay import WARM_UP_MS, Replay, Report, RuleReport, literal
from detector.rule import Rule
from detector.run import TICK, Definitions
from detector.signal import Signal, check_name

MOST_DAYS = 400
DEFAULT_DAYS = 30
MOST_RULES = 100
MOST_EPISODES = 100
MOST_TEXT = 32_000

NOISE_IN_WORDS = {
    Noise.SILENT: "Nothing fired. What its gates held back stands beside it.",
    Noise.QUIET: f"At most {QUIET_PER_100:g} for each 100 series and day, or fewer than "
    f"{FEW_OPENINGS} at all.",
    Noise.ACCEPTABLE: f"More than that, up to {ACCEPTABLE_PER_100:g}, and most of them lasted an "
    "hour.",
    Noise.NOISY: f"More than {ACCEPTABLE_PER_100:g}; or more than {QUIET_PER_100:g}, and more than "
    f"{TRANSIENT_SHARE:.0%} of them were over within an hour.",
    Noise.NOT_ENOUGH_HISTORY: f"Fewer than {LEAST_DAYS} days could be judged, and it was not noisy "
    "in these.",
}

Gates = Literal["as_written", "off"]
Named = Annotated[str, Field(max_length=200, pattern=PLAIN)]


class ReplayPosted(BaseModel):
    """What to replay."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"days": 1, "rule_names": ["api_p95_high"]}]},
    )

    days: float = Field(DEFAULT_DAYS, gt=0, le=MOST_DAYS, description="How many days back.")
    gates: Gates = Field("as_written", description="`off` judges the literal triggers.")
    signals: list[Named] = Field(
        default_factory=list, max_length=MOST_RULES, description="Only rules on these signals."
    )
    rule_names: list[Named] = Field(
        default_factory=list,
        max_length=MOST_RULES,
        description="Only these rules, whether they are enabled or not.",
    )
    rules: dict[str, Any] | None = Field(
        None,
        max_length=MOST_RULES,
        description="Rules by name, as in plimsoll.yaml, to judge in place of those in force; they "
        "are not enabled. One that is in force is changed key by key.",
    )
    text: str | None = Field(
        None,
        max_length=MOST_TEXT,
        pattern=LINES,
        description="The same as the text of a file with `rules:`, so that faults name their line; "
        "give it, or `rules`. Nothing is taken from the environment.",
    )

    @model_validator(mode="after")
    def check(self) -> Self:
        """One way to say what the rules are."""
        if self.rules is not None and self.text is not None:
            raise ValueError("`rules` and `text` say the same: give one of them")
        return self


class DayShape(Shape):
    """One day of a rule."""

    day: date
    """The day, UTC."""
    openings: int
    """How often it fired."""


class NoisyShape(Shape):
    """A series on which a rule fired often."""

    series: str
    """The id of the series inside its signal."""
    name: str
    """The series as a person says it."""
    openings: int
    """How often."""


class EpisodeShape(Shape):
    """One time that a rule fired."""

    series: str
    """The id of the series inside its signal."""
    name: str
    """The series as a person says it."""
    began_at: datetime
    """Where the change set in, at the earliest."""
    opened_at: datetime
    """When it would have been told."""
    ended_at: datetime | None
    """When it would have been over; null where the replay ended first."""
    severity: Severity
    """How bad it got."""
    value: float
    """The value that opened it."""
    worst: float
    """The worst value."""
    threshold: float
    """The threshold."""
    again: bool
    """Whether it came back within a week, and so is no new regression."""

    @classmethod
    def of_episode(cls, one: Episode) -> "EpisodeShape":
        """From a replay."""
        return cls(
            series=series_id(one.labels),
            name=words.place(one.labels),
            began_at=at(one.began_ms),
            opened_at=at(one.opened_ms),
            ended_at=maybe_at(one.ended_ms),
            severity=one.severity,
            value=one.value,
            worst=one.worst,
            threshold=one.threshold,
            again=one.again,
        )


class RuleReplayShape(Shape):
    """What one rule would have done."""

    rule: str
    """Its name."""
    signal: str
    """The signal it judges."""
    trigger: str
    """The rule in words."""
    noise: Noise
    """Whether it would be noise."""
    openings: int
    """How often it would have fired."""
    per_100_series_per_day: float
    """The same for each 100 series and day."""
    days: list[DayShape]
    """Each day of the span."""
    transient_share: float | None
    """Which share was over within an hour; null where nothing fired."""
    longest_seconds: float | None
    """How long the longest lasted; null where nothing fired."""
    series: int
    """How many series it could judge."""
    series_days: float
    """For how many days, all series together."""
    judged_days: int
    """On how many days it could judge anything."""
    noisiest: list[NoisyShape]
    """The series on which it fired most."""
    suspicions: int
    """How often it suspected something."""
    improvements: int
    """How often it would have shown an improvement."""
    held_back_hours: dict[Reason, float]
    """For each gate, how many hours of breaches it refused, over all series."""
    coarse_share: float
    """Share of the judged time for which only the longer windows are stored."""
    is_approximate: bool
    """Whether it looks at shorter windows than were left for some of the time."""
    episodes: list[EpisodeShape]
    """The newest, at most a hundred, oldest first."""

    @classmethod
    def of_rule(cls, one: RuleReport, rule: Rule, signal: Signal) -> "RuleReplayShape":
        """From a replay."""
        longest = one.longest_ms
        return cls(
            rule=one.rule,
            signal=one.signal,
            trigger=words.trigger(rule, signal),
            noise=one.verdict,
            openings=one.openings,
            per_100_series_per_day=one.per_100,
            days=[DayShape(day=at(ms).date(), openings=count) for ms, count in one.days],
            transient_share=one.transient_share,
            longest_seconds=None if longest is None else longest / 1000,
            series=one.series,
            series_days=one.series_days,
            judged_days=one.judged_days,
            noisiest=[
                NoisyShape(series=series_id(labels), name=words.place(labels), openings=count)
                for labels, count in one.noisiest
            ],
            suspicions=one.suspicions,
            improvements=one.improvements,
            held_back_hours=dict(one.held_back_hours),
            coarse_share=one.coarse_share,
            is_approximate=one.is_approximate,
            episodes=[EpisodeShape.of_episode(each) for each in one.episodes[-MOST_EPISODES:]],
        )


class ReplayShape(Shape):
    """What rules would have done in a span of the past."""

    since: datetime
    """Begin of the span."""
    until: datetime
    """End of the span: the newest tick."""
    gates: Gates
    """Whether the gates were judged, or the literal triggers alone."""
    lost_windows: int
    """Windows that found no room in memory; series are missing where it is not zero."""
    rules: list[RuleReplayShape]
    """Each rule that was replayed."""

    @classmethod
    def of_replay(cls, replay: Replay, report: Report, gates: Gates) -> "ReplayShape":
        """From a replay that is done."""
        return cls(
            since=at(report.start_ms),
            until=at(report.end_ms),
            gates=gates,
            lost_windows=report.lost,
            rules=[
                RuleReplayShape.of_rule(one, replay.rules[one.rule], replay.signals[one.signal])
                for one in report.rules
            ],
        )


class ReplayLine(Shape):
    """One line of an answer: how far it is, and in the last line the report."""

    done: float
    """The share that is done."""
    report: ReplayShape | None = None
    """What came of it; only in the last line."""
    error: str = ""
    """Why it broke off; only in a last line without a report."""


class DraftError(SettingsError):
    """A draft that came as text has faults: their keys and lines are those of the text."""


def rules_of(document: Document, definitions: Definitions) -> dict[str, Rule]:
    """The rules of a file, on top of those in force; `SettingsError` holds every fault."""
    faults = list(document.faults)
    for name in document.data:
        if name == "signals":
            hint = "Add it to plimsoll.yaml; its windows are made of the samples that are kept."
            reason = "a signal that is not in force has no stored windows to replay"
            faults.append(Fault(name, reason, hint, document.line((name,))))
        elif name != "rules":
            faults.append(unknown(document, (name,), ["rules"]))
    texts = document.data.get("rules")
    if not isinstance(texts, dict) or not texts:
        hint = "Write `rules:` with a name and its keys below."
        faults.append(Fault("rules", "there are none to replay", hint, document.line(("rules",))))
        texts = {}
    rules: dict[str, Rule] = {}
    for name, text in texts.items():
        known = definitions.rules.get(name)
        base = {} if known is None else written(known)
        path = ("rules", str(name))
        try:
            check_name(str(name))
            rules[name] = RULE.validate_python({**base, **text} if isinstance(text, dict) else text)
        except ValidationError as error:
            faults += [found_fault(document, path, one, Rule) for one in error.errors()]
        except ValueError as error:
            faults.append(Fault(".".join(path), str(error), "", document.line(path)))
    faults += unfit_rules(document, definitions.signals, rules)
    if faults:
        raise SettingsError(None, faults)
    return rules


def written(rule: Rule) -> dict[str, Any]:
    """A rule as it stands in a file, without what it left out."""
    return rule.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude_none=True)


def chosen(definitions: Definitions, asked: ReplayPosted) -> dict[str, Rule]:
    """The rules that are asked for; a `SettingsError` names what there is none of."""
    own = drafts(asked, definitions)
    faults = [
        Fault(key, f"there is no {what} {name!r}", near(name, known))
        for key, what, names, known in (
            ("signals", "signal", asked.signals, definitions.signals),
            ("rule_names", "rule", asked.rule_names, {**definitions.rules, **(own or {})}),
        )
        for name in names
        if name not in known
    ]
    if faults:
        raise SettingsError(None, faults)
    if own is not None:
        rules = own
    elif asked.rule_names:
        rules = dict(definitions.rules)
    else:
        rules = {name: rule for name, rule in definitions.rules.items() if rule.enabled}
    return only(rules, asked.rule_names, asked.signals)


def drafts(asked: ReplayPosted, definitions: Definitions) -> dict[str, Rule] | None:
    """The rules that came along, however they were written; None where none did."""
    if asked.text is not None:
        try:
            return rules_of(read(asked.text, {}), definitions)
        except SettingsError as error:
            raise DraftError(error.path, error.faults) from None
    if asked.rules is not None:
        return rules_of(Document({"rules": dict(asked.rules)}), definitions)
    return None


def only(
    rules: Mapping[str, Rule], names: Sequence[str], signals: Sequence[str]
) -> dict[str, Rule]:
    """Those of these names and signals; no name, or no signal, means all."""
    return {
        name: rule
        for name, rule in rules.items()
        if (not names or name in names) and (not signals or rule.signal in signals)
    }


def planned(house: House, asked: ReplayPosted) -> Replay:
    """The replay that is asked for, up to the newest tick; `SettingsError` says what is wrong."""
    definitions = house.detector.definitions
    rules = chosen(definitions, asked)
    if asked.gates == "off":
        rules = literal(rules)
    with house.state.reading() as session:
        done_ms = house.book.progress_ms(session, TICK)
        end_ms = done_ms if done_ms is not None else milliseconds(house.now())
        start_ms = end_ms - round(asked.days * DAY_MS)
        since_ms = start_ms - WARM_UP_MS - (PAST_DAYS + 1) * DAY_MS
        spans = [
            *house.book.spans(session, since_ms, Depth.WHOLE),
            *house.book.accepted(session, since_ms, Depth.WHOLE),
        ]
        deployments = house.book.deployments(session, since_ms, end_ms)
    known = list({one.id: one for one in spans}.values())
    return Replay(
        definitions.signals,
        rules,
        house.history,
        start_ms,
        end_ms,
        known,
        Confirming(house.history).confirm,
        dependencies=house.book.dependencies,
        deployments=deployments,
    )


def work(house: House, replay: Replay) -> float:
    """How many judgements a replay takes, about; known before it begins."""
    total = 0.0
    fine_ms = house.settings.storage.keep_fine_windows * 1000
    span_ms = replay.end_ms - replay.start_ms + DAY_MS
    for rule in replay.rules.values():
        form = replay.signals[rule.signal].form
        series = len(house.history.window_series.find(rule.signal, lambda _: True))
        short_ms = min(fine_ms, span_ms)
        ticks = short_ms / form.window_ms + (span_ms - short_ms) / (form.over * 1000)
        total += series * ticks
    return total
