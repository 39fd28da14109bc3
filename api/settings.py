"""The configuration as a whole: the rooms' sections, checked together, all faults at once."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from alerts.config import AlertsConfig
from api.config import ServerConfig
from api.document import Document, Fault, read
from api.faults import FORMS, at, fault, near, unknown
from api.needs import need_faults, needs
from collector.config import CollectorConfig
from dashboards.config import DashboardsConfig
from detector.agreement import disagreements
from detector.config import SIGNAL, DependenciesConfig, DetectorConfig, aliased, shipped
from detector.form import Gauge, Promql
from detector.increase import LOOKBACK_MS
from detector.pooling import Pools
from detector.rule import Rule, When
from detector.run import Definitions
from detector.signal import Signal, check_name
from detector.usual import is_blind
from detector.variants import misfits
from storage.config import StorageConfig
from storage.duration import written

SECTIONS: dict[str, type[BaseModel]] = {
    "server": ServerConfig,
    "storage": StorageConfig,
    "collector": CollectorConfig,
    "detector": DetectorConfig,
    "dependencies": DependenciesConfig,
    "alerts": AlertsConfig,
    "dashboards": DashboardsConfig,
}
DEFINED = ("signals", "rules")
RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
FILE = Path("plimsoll.yaml")


@dataclass(frozen=True, slots=True)
class Settings:
    """The sections of all rooms, and the signals and rules in force."""

    server: ServerConfig = field(default_factory=ServerConfig)
    storage: StorageConfig = field(default_factory=StorageConfig)
    collector: CollectorConfig = field(default_factory=CollectorConfig)
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    dependencies: DependenciesConfig = field(default_factory=DependenciesConfig)
    alerts: AlertsConfig = field(default_factory=AlertsConfig)
    dashboards: DashboardsConfig = field(default_factory=DashboardsConfig)
    definitions: Definitions = field(default_factory=lambda: Definitions({}, {}))

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """For each service or target what it needs, wherever that is declared."""
        return needs(self.dependencies, self.collector)

    @property
    def delay(self) -> float:
        """How long after its end a window is judged, in seconds: the later of the two sources."""
        source = self.storage.prometheus
        return max(self.detector.delay, source.delay if source is not None else 0.0)


class SettingsError(Exception):
    """The configuration has faults; all of them are in it."""

    def __init__(self, path: Path | None, faults: Iterable[Fault]) -> None:
        self.path = path
        self.faults = sorted(faults, key=lambda fault: (fault.line or 0, fault.key))
        count = len(self.faults)
        super().__init__(
            f"{path or 'the configuration'} has {count} fault{'s' if count > 1 else ''}"
        )


def chosen(path: Path | None) -> Path | None:
    """The file that is read: the one that is named, else `plimsoll.yaml` of the working directory.

    None where the defaults hold, because neither is there.
    """
    return path or (FILE if FILE.exists() else None)


def load(path: Path | None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a file, or the defaults when there is none; `SettingsError` for faults.

    Without a path `plimsoll.yaml` in the working directory is read if it is there.
    """
    file = chosen(path)
    if file is None:
        return build(Document())
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise SettingsError(file, [Fault("", "is not UTF-8 text", "Save it as UTF-8.")]) from None
    except OSError as error:
        hint = "Give the right path with --config, or leave it out to run with the defaults."
        where = f" (looked for as {file.absolute()})" if not file.is_absolute() else ""
        raise SettingsError(
            file, [Fault("", f"cannot be read: {error.strerror}{where}", hint)]
        ) from None
    try:
        return build(read(text, os.environ if environment is None else environment))
    except SettingsError as error:
        raise SettingsError(file, error.faults) from None


def build(document: Document) -> Settings:
    """Check a document and compose the settings; `SettingsError` holds every fault."""
    faults: list[Fault] = []
    known = [*SECTIONS, *DEFINED]
    for name in document.data:
        if name not in known:
            faults.append(unknown(document, (name,), known))
    sections = {name: section(document, name, model, faults) for name, model in SECTIONS.items()}
    detector = sections["detector"]
    chosen = detector if isinstance(detector, DetectorConfig) else DetectorConfig()
    definitions = define(document, faults, chosen)
    storage = sections["storage"]
    if isinstance(storage, StorageConfig):
        source = storage.prometheus
        faults += unsourced(document, definitions, has_source=source is not None)
        if source is not None:
            faults += too_rarely_scraped(document, definitions, source.scrape_interval)
    collector = sections["collector"]
    if isinstance(collector, CollectorConfig):
        faults += too_short(document, definitions, collector.interval)
        faults += too_rare(document, collector)
        dependencies = sections["dependencies"]
        if isinstance(dependencies, DependenciesConfig):
            faults += need_faults(document, dependencies, collector)
    # What was left out because it could not be read would be found wrong a second time.
    unread = {one.key for one in document.faults}
    faults = [*document.faults, *(one for one in faults if one.key not in unread)]
    if faults:
        raise SettingsError(None, faults)
    return Settings(**sections, definitions=definitions)  # type: ignore[arg-type]


def section(
    document: Document, name: str, model: type[BaseModel], faults: list[Fault]
) -> BaseModel | None:
    """One room's section; None when it has faults."""
    data = document.data.get(name)
    try:
        return model.model_validate({} if data is None else data)
    except ValidationError as error:
        faults += [fault(document, (name,), one, model) for one in error.errors()]
        return None


def define(document: Document, faults: list[Fault], detector: DetectorConfig) -> Definitions:
    """The shipped signals and rules, overlaid by the user's own, key by key.

    What exporters show beside it feeds the shipped signals, unless the user says what they read.
    """
    texts = dict(zip(DEFINED, shipped() if detector.shipped else ({}, {}), strict=True))
    given = set(texts["signals"])
    signals: dict[str, Signal] = {}
    rules: dict[str, Rule] = {}
    for kind in DEFINED:
        own = owned(document, kind, faults)
        for name, text in own.items():
            base = texts[kind].get(name, {})
            # A user may change one key of a shipped definition: `enabled: false` is enough.
            merge = isinstance(base, dict) and isinstance(text, dict)
            texts[kind][name] = {**base, **text} if merge else text
        for name, text in texts[kind].items():
            path = (kind, name)
            try:
                check_name(name)
                if kind == "signals":
                    if name in given and isinstance(text, dict):
                        text = aliased(name, text, own.get(name, {}), detector.exporters())
                    signals[name] = Signal(name=name, form=SIGNAL.validate_python(text))
                    faults += unmeant(document, signals[name])
                else:
                    rules[name] = RULE.validate_python(text)
            except ValidationError as error:
                model = model_of(kind, text)
                faults += [fault(document, path, one, model) for one in error.errors()]
            except ValueError as error:
                faults.append(Fault(".".join(path), str(error), "", document.line(path)))
    faults += unfit_rules(document, signals, rules)
    faults += unfit_pools(document, signals)
    return Definitions(signals, rules)


def owned(document: Document, kind: str, faults: list[Fault]) -> dict[str, Any]:
    """The user's own definitions of a kind; none where they are no mapping."""
    own = document.data.get(kind) or {}
    if isinstance(own, dict):
        return own
    hint = f"Write {kind} as `name:` with its keys below."
    faults.append(
        Fault(kind, "must hold names with their definitions", hint, document.line((kind,)))
    )
    return {}


def unmeant(document: Document, signal: Signal) -> Iterable[Fault]:
    """What is well written in a signal and cannot be meant."""
    for one in misfits(signal.form):
        path = ("signals", signal.name, *one.path)
        yield Fault(".".join(path), one.reason, one.hint, document.line(path))


def unfit_pools(document: Document, signals: Mapping[str, Signal]) -> Iterable[Fault]:
    """Signals that the user lets another one hold together, and that cannot be."""
    own = document.data.get("signals") or {}
    for name, reason, hint in Pools(signals).faults():
        text = own.get(name) if isinstance(own, dict) else None
        if isinstance(text, dict) and "pool" in text:
            path = ("signals", name, "pool")
            yield Fault(".".join(path), reason, hint, document.line(path))


def unsourced(document: Document, definitions: Definitions, *, has_source: bool) -> Iterable[Fault]:
    """Signals that only a Prometheus can evaluate, where none is configured."""
    for name, signal in definitions.signals.items():
        if isinstance(signal.form, Promql) and not has_source:
            path = ("signals", name, "form")
            reason = "needs a Prometheus source: Plimsoll does not evaluate PromQL by itself"
            hint = "Give `storage.prometheus` the url of a Prometheus, or choose another form."
            yield Fault(".".join(path), reason, hint, document.line(path))


def model_of(kind: str, text: Any) -> type[BaseModel]:
    """The model that a definition is checked against, for its known keys."""
    if kind == "rules":
        return Rule
    form = text.get("form") if isinstance(text, dict) else None
    return FORMS.get(str(form), Gauge)


# More requests explain no growth of these.
PER_REQUEST = frozenset(("quantile", "mean", "share"))


def unfit_uses(
    document: Document, name: str, rule: Rule, signals: Mapping[str, Signal]
) -> Iterable[Fault]:
    """Other signals that a rule uses, its load and its markers, which are none or of no use."""
    uses: list[tuple[tuple[str, ...], str, When]] = [
        (("gates", "settling", str(i), "signal"), one.signal, one.when)
        for i, one in enumerate(rule.gates.settling)
        if one.signal
    ]
    if rule.load is not None:
        uses.append((("load", "signal"), rule.load.signal, "counts"))
        judged = signals[rule.signal].form.form
        if judged in PER_REQUEST:
            reason = f"{rule.signal} is a {judged}, a figure of one request already"
            hint = "A `load` explains what is used in sum, like CPU or memory. Leave it out."
            where = ("rules", name, "load")
            yield Fault(".".join(where), reason, hint, document.line(where))
    for place, wanted, when in uses:
        path, used = ("rules", name, *place), signals.get(wanted)
        form = "rate" if when == "counts" else "gauge"
        if used is not None and used.form.form != form:
            reason = f"{wanted} is a {used.form.form}, and what {when} is a signal of form {form}"
            yield Fault(".".join(path), reason, "Name another one.", document.line(path))
        elif used is None and wanted not in document.data.get("signals", {}):
            hint = near(wanted, signals) or "plimsoll signals lists them."
            reason = f"there is no signal {wanted!r}"
            yield Fault(".".join(path), reason, hint, document.line(path))


def unfit_rules(
    document: Document, signals: Mapping[str, Signal], rules: Mapping[str, Rule]
) -> Iterable[Fault]:
    """Rules whose signal is not there, or that do not fit the windows of their signal."""
    for name, rule in rules.items():
        path = ("rules", name)
        signal = signals.get(rule.signal)
        if signal is None:
            faulty = rule.signal in document.data.get("signals", {})
            if not faulty:
                hint = near(rule.signal, signals) or "plimsoll signals lists them."
                key = ".".join((*path, "signal"))
                line = document.line((*path, "signal"))
                yield Fault(key, f"there is no signal {rule.signal!r}", hint, line)
            continue
        for reason, hint in disagreements(rule, signal):
            key, line = ".".join((*path, "trigger")), document.line((*path, "trigger"))
            yield Fault(key, reason, hint, line)
        if is_blind(rule, signal) and "trigger" in document.data.get("rules", {}).get(name, {}):
            key, line = ".".join((*path, "trigger")), document.line((*path, "trigger"))
            reason = "a change is looked for in windows of 5 minutes, or of 15 minutes to 6 hours"
            hint = f"{rule.signal} is judged over {written(signal.form.over)}; give it `over: 5m`."
            yield Fault(key, reason, hint, line)
        yield from unfit_uses(document, name, rule, signals)
        lasting = rule.sustain.for_
        if lasting is not None and (lasting % signal.form.window or lasting < signal.form.window):
            hint = f"Windows of {rule.signal} are {written(signal.form.window)} long."
            key = ".".join((*path, "sustain", "for"))
            reason = "must be a whole number of windows of its signal"
            yield Fault(key, reason, hint, document.line((*path, "sustain", "for")))


def too_short(document: Document, definitions: Definitions, interval: float) -> Iterable[Fault]:
    """Signals whose windows are shorter than the time between two collections."""
    for name, signal in definitions.signals.items():
        if signal.form.window < interval:
            path = ("signals", name, "window")
            hint = "Make `window` longer, or `collector.interval` shorter."
            reason = (
                f"windows of {written(signal.form.window)} would often be empty: "
                f"samples come every {written(interval)}"
            )
            yield Fault(".".join(path), reason, hint, document.line(path))


def too_rarely_scraped(
    document: Document, definitions: Definitions, interval: float | None
) -> Iterable[Fault]:
    """Signals whose windows are shorter than the time between two scrapes of the source."""
    for name, signal in definitions.signals.items():
        if interval is not None and signal.form.window < interval:
            path = ("signals", name, "window")
            hint = f"Make `window` at least {written(interval)}, or scrape more often."
            reason = (
                f"windows of {written(signal.form.window)} would be empty: "
                f"`storage.prometheus.scrape_interval` is {written(interval)}"
            )
            yield Fault(".".join(path), reason, hint, document.line(path))


def too_rare(document: Document, collector: CollectorConfig) -> Iterable[Fault]:
    """Intervals so long that every sample of a counter is a new start: nothing could be judged."""
    intervals: dict[tuple[str, ...], float] = {("collector", "interval"): collector.interval}
    for place, target in collector.watched():
        intervals["collector", *place, "interval"] = target.interval or collector.interval
    longest = LOOKBACK_MS / 1000
    for path, interval in intervals.items():
        if interval > longest and at(document.data, path) is not None:
            reason = f"counters read every {written(interval)} would never grow: that is a gap"
            hint = f"Collect at least every {written(longest)}."
            yield Fault(".".join(path), reason, hint, document.line(path))
