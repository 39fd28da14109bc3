"""What REST and the pages say of signals, rules and judgements."""

from datetime import datetime
from typing import Any, Literal

from api import words
from api.moments import at
from api.shapes import Shape
from api.standing import Band, Series, Standing
from detector import units
from detector.backfill import BackfillSource
from detector.baseline import DAYS, DAYS_NEEDED
from detector.form import AnySignal, Direction, Promql
from detector.judgement import Judgement, Reason, Verdict
from detector.regression import Severity
from detector.rule import Rule
from detector.run import Definitions
from detector.signal import LeftOut, Plain, Signal
from detector.unfit import Finding


class RuleShape(Shape):
    """What counts as a regression of a signal."""

    id: str
    """The rule's name."""
    signal: str
    """The signal it judges."""
    kind: Literal[
        "absolute", "relative", "sigma", "distribution", "slope", "burn", "change", "all", "any"
    ]
    """How it judges; `all` and `any` for a tree of triggers."""
    trigger: str
    """What must be breached and for how long, in words."""
    gates: list[str]
    """What must hold beside it, in words; empty with `gates: off`."""
    clear: str
    """When it is over, in words."""
    severity: Severity
    """How bad a breach is."""
    enabled: bool
    """Whether it is judged."""
    runbook: str
    """What to do; empty when it says nothing."""
    definition: dict[str, Any]
    """The rule as it stands in the configuration, defaults filled in."""

    @classmethod
    def of(cls, name: str, rule: Rule, signal: Signal) -> "RuleShape":
        """From the configuration."""
        unit = signal.form.unit
        return cls.model_validate(
            {
                "id": name,
                "signal": rule.signal,
                "kind": rule.trigger.kind,
                "trigger": words.trigger(rule, signal),
                "gates": words.gates(rule, unit),
                "clear": words.cleared(rule, unit),
                "severity": rule.severity,
                "enabled": rule.enabled,
                "runbook": rule.runbook,
                "definition": rule.model_dump(mode="json", by_alias=True, exclude_none=True),
            }
        )


class OpenShape(Shape):
    """An open regression of a series."""

    id: str
    """The regression."""
    rule: str
    """The rule that holds."""
    severity: Severity
    """How bad."""


class BaselineShape(Shape):
    """What was normal in the last seven days."""

    mean: float | None
    """The average; null without data."""
    mean_text: str
    """The same for people."""
    deviation: float | None
    """The standard deviation."""
    days: int
    """How many of the seven days have data."""
    days_needed: int
    """How many relative rules ask for."""
    upper: float | None
    """Average and two deviations; null until enough days have data."""
    lower: float | None
    """Average less two deviations, not below zero."""


class SeriesShape(Shape):
    """One series of a signal as it stands."""

    id: str
    """Stable inside its signal: a hash of the labels."""
    labels: dict[str, str]
    """What tells it apart."""
    name: str
    """The labels as a person says them: `GET /cart of shop`."""
    value: float | None
    """The newest value; null while it is silent."""
    value_text: str
    """The same for people."""
    n: float | None
    """How many observations are behind it."""
    end: datetime | None
    """When its span ended."""
    change: str
    """`+4 %` against the 7-day average; empty for less than 1 %, or while days are missing."""
    baseline: BaselineShape
    """What is normal."""
    state: Literal["steady", "regressed", "silent"]
    """`regressed` while any regression is open on it."""
    open: list[OpenShape]
    """The open regressions on it."""

    @classmethod
    def of(cls, one: Series, unit: units.Unit) -> "SeriesShape":
        """From a reading and what is open."""
        reading, normal = one.reading, one.band
        value = reading.value if reading else None
        return cls(
            id=one.id,
            labels=one.labels.as_dict(),
            name=words.place(one.labels),
            value=value,
            value_text=units.text(value, unit),
            n=reading.n if reading else None,
            end=at(reading.end_ms) if reading else None,
            change=words.drift(value, normal.expected) if normal and value is not None else "",
            baseline=baseline(one, unit, normal),
            state="regressed" if one.open else "steady" if reading else "silent",
            open=[OpenShape(id=r.id, rule=r.rule, severity=r.severity) for r in one.open],
        )


def baseline(one: Series, unit: units.Unit, normal: Band | None) -> BaselineShape:
    """What is normal for a series, as far as it is known."""
    reading = one.reading
    mean = reading.mean if reading and reading.mean == reading.mean else None
    deviation = reading.deviation if reading and reading.deviation == reading.deviation else None
    return BaselineShape(
        mean=mean,
        mean_text=units.text(mean, unit),
        deviation=deviation,
        days=min(reading.days, DAYS) if reading else 0,
        days_needed=DAYS_NEEDED,
        upper=normal.upper if normal else None,
        lower=normal.lower if normal else None,
    )


class BackfillShape(Shape):
    """How far the past of a signal has been evaluated since the start."""

    source: BackfillSource
    """Where the past is read: samples (those the history keeps) or prometheus."""
    done: float
    """The share that is evaluated, 0 to 1."""


class VariantShape(Shape):
    """One way to read a signal."""

    source: str
    """Whose series these are: the name of an exporter; empty for the signal's own."""
    reads: list[str]
    """The series."""
    labels: dict[str, str]
    """Their names of our labels, where they differ."""
    constants: dict[str, str]
    """Labels that they lack, with the value they are given."""
    scale: float
    """What their numbers are multiplied by."""

    @classmethod
    def of(cls, one: Plain) -> "VariantShape":
        """From a variant."""
        return cls(
            source=one.source,
            reads=[str(selector) for selector in dict.fromkeys(one.signal.form.selectors())],
            labels=dict(one.renames),
            constants=dict(one.constants),
            scale=one.scale,
        )


class FindingShape(Shape):
    """What keeps a signal, or a part of it, unknown."""

    reason: LeftOut
    """The kind of it."""
    source: str
    """The variant it is about; empty for the signal's own."""
    text: str
    """What is there and what is not."""
    hint: str
    """What may be meant; empty where nobody can guess."""

    @classmethod
    def of(cls, one: Finding) -> "FindingShape":
        """From a finding."""
        return cls(reason=one.reason, source=one.source, text=one.text, hint=one.hint)


class SignalShape(Shape):
    """A signal, its rules, and how its series stand."""

    name: str
    """Its name."""
    title: str
    """How a person calls it."""
    description: str
    """What it tells."""
    form: str
    """How it is computed: quantile, mean, share, ratio, rate, gauge or promql."""
    unit: units.Unit
    """Base unit of its values."""
    kind: str
    """Where it is shown: api, database, cache, resource or other."""
    worse: Direction
    """Which way is worse."""
    window_seconds: float
    """Length of a stored window."""
    over_seconds: float
    """Span that a reading covers."""
    reads: list[str]
    """The series it is computed from: those of its own definition; the PromQL of form `promql`."""
    variants: list[VariantShape]
    """All ways to read it, its own first: of each target the first that it shows counts."""
    unknown: list[FindingShape]
    """Why it has no windows, or fewer than it should; empty where all is well."""
    rules: list[RuleShape]
    """The rules on it."""
    series: list[SeriesShape]
    """Its series: those with open regressions first, then the busiest."""
    backfill: BackfillShape | None
    """How far its past is evaluated; null when there was none to evaluate since the start."""

    @classmethod
    def of(cls, one: Standing) -> "SignalShape":
        """From how it stands."""
        form = one.signal.form
        return cls(
            name=one.signal.name,
            title=one.signal.title,
            description=form.description,
            form=form.form,
            unit=form.unit,
            kind=form.kind,
            worse=form.worse,
            window_seconds=form.window,
            over_seconds=form.over,
            reads=reads(form),
            variants=[VariantShape.of(each) for each in one.signal.plain],
            unknown=[FindingShape.of(each) for each in one.findings],
            rules=[RuleShape.of(name, rule, one.signal) for name, rule in one.rules.items()],
            series=[SeriesShape.of(each, form.unit) for each in one.series],
            backfill=BackfillShape(source=one.backfill.source, done=one.backfill.done)
            if one.backfill
            else None,
        )


def reads(form: AnySignal) -> list[str]:
    """What a form is computed from."""
    if isinstance(form, Promql):
        return [form.expr]
    return [str(selector) for selector in dict.fromkeys(form.selectors())]


class JudgementShape(Shape):
    """The verdict of one rule on one series at one tick, with its evidence."""

    at: datetime
    """The tick."""
    rule: str
    """The rule."""
    signal: str
    """The signal."""
    series: str
    """The id of the series inside the signal."""
    name: str
    """The series as a person says it."""
    labels: dict[str, str]
    """Its labels."""
    verdict: Verdict
    """unknown, steady, rejected, suspected, regressed or improved."""
    reason: Reason
    """Why it is unknown, or which gate rejected it; empty otherwise."""
    text: str
    """The verdict and its reason in words."""
    value: float | None
    """The value judged."""
    n: float | None
    """Observations behind it."""
    threshold: float | None
    """The level that would be a breach."""
    baseline: float | None
    """The 7-day average; of a change what was usual at that hour."""
    deviation: float | None
    """Its standard deviation."""
    days: int
    """Days of seven with data."""
    breaches: int
    """How many of the judged windows were beyond the threshold ..."""
    of: int
    """... of how many."""

    @classmethod
    def of_judgement(
        cls, one: Judgement, series: str, definitions: Definitions
    ) -> "JudgementShape":
        """From the ledger."""
        numbers = {
            name: value if (value := getattr(one, name)) == value else None
            for name in ("value", "n", "threshold", "baseline", "deviation")
        }
        return cls.model_validate(
            {
                **numbers,
                "at": at(one.at_ms),
                "rule": one.rule,
                "signal": one.signal,
                "series": series,
                "name": words.place(one.labels),
                "labels": one.labels.as_dict(),
                "verdict": one.verdict,
                "reason": one.reason,
                "text": words.verdict(
                    one, definitions.rules.get(one.rule), definitions.signals.get(one.signal)
                ),
                "days": one.days,
                "breaches": one.breaches,
                "of": one.of,
            }
        )
