"""Tick: the shipped rules over 7 days of 1-minute history, beside the same rules as PromQL.

The same samples are in our history, in VictoriaMetrics and in Prometheus. Ours: CPU seconds of the
process for a whole tick, the mean of one hour of ticks, so that the hourly work is in it. Theirs:
CPU seconds of the server for the queries of one tick, once as the rule stands (the baseline is a
subquery over 7 days), and once with each signal recorded every 5 minutes, as one does who knows:
then the recording counts, and the baseline reads what was recorded. Theirs have neither gates nor
sustain nor stored judgements, which makes them cheaper.

PLIMSOLL_TICK_SERVICES says how many services of 50 series there are; 4 by default. To load many of
them into Prometheus takes long: PLIMSOLL_TICK_PROMETHEUS=off leaves it out. No rule breaches, so
that nothing is open.
"""

import gc
import json
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from time import process_time, sleep
from urllib.parse import urlencode
from urllib.request import Request

import numpy as np
from prometheus_client import CollectorRegistry

from benchmarks._fleet import MINUTE_MS, SERIES_PER_SERVICE, Curve, between, fleet
from benchmarks._peers import (
    DIRECT,
    Process,
    package_version,
    prometheus,
    version_of,
    victoria_metrics,
)
from detector.book import Book
from detector.config import build_rules, build_signals, shipped
from detector.ledger import Ledger
from detector.meters import DetectorMeters
from detector.promql import compile
from detector.rule import Rule
from detector.run import Definitions, Detector
from detector.signal import Signal
from detector.trigger import Absolute, Relative, Sigma
from storage.duck import DuckFile, DuckHistory
from storage.series import NAME, Labels
from storage.state import State

START_MS = 1_771_804_800_000  # a midnight, UTC
HISTORY_MINUTES = 7 * 1440
TICK_MINUTES = 60
PEER_TICKS = 3
BLOCK_MINUTES = 120
PATIENCE_SECONDS = 600.0
PROMTOOL = ("promtool", "tsdb", "create-blocks-from", "openmetrics", "--quiet")
GOALS = {"VictoriaMetrics": 1 / 20, "Prometheus": 1 / 100}


def measure() -> dict[str, object]:
    """CPU seconds of one tick here and there, and the ratios."""
    services = int(os.environ.get("PLIMSOLL_TICK_SERVICES", "4"))
    curves = fleet(services, HISTORY_MINUTES + TICK_MINUTES)
    definitions = judged()
    with tempfile.TemporaryDirectory() as folder:
        ours, recorded = ticks(curves, definitions, Path(folder) / "ours")
        everything = [*curves, *recorded]
        peers = {
            "VictoriaMetrics": in_victoria_metrics(everything, definitions, Path(folder) / "v")
        }
        if os.environ.get("PLIMSOLL_TICK_PROMETHEUS") != "off":
            peers["Prometheus"] = in_prometheus(everything, definitions, Path(folder) / "p")
    ratios = {
        f"{name}, {kind}": round(ours / value, 4)
        for name, found in peers.items()
        for kind, value in found.items()
    }
    met = all(ours <= found["plain"] * GOALS[name] for name, found in peers.items())
    return {
        "name": "tick",
        "ours": round(ours, 4),
        "peer": {
            name: {kind: round(value, 3) for kind, value in found.items()}
            for name, found in peers.items()
        },
        "ratio": ratios,
        "goal": "<= 1/20 of VictoriaMetrics, <= 1/100 of Prometheus, rules as they stand",
        "met": met,
        "unit": "CPU-seconds per tick",
        "series": services * SERIES_PER_SERVICE,
        "series of samples": len(curves),
        "rules": len(definitions.rules),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "duckdb", "numpy")},
            "prometheus": version_of("prometheus", "--version"),
            "victoria-metrics": package_version("victoria-metrics"),
        },
    }


def judged() -> Definitions:
    """The rules of the catalogue, and the signals that they judge."""
    texts, rule_texts = shipped()
    rules = build_rules(rule_texts)
    named = {rule.signal for rule in rules.values() if rule.enabled}
    signals = build_signals(texts)
    return Definitions({name: one for name, one in signals.items() if name in named}, rules)


def ticks(
    curves: list[Curve], definitions: Definitions, directory: Path
) -> tuple[float, list[Curve]]:
    """The mean CPU seconds of a tick over an hour; and the judged windows before it, as series."""
    directory.mkdir()
    state = State(f"sqlite:///{directory / 'state.sqlite3'}")
    state.migrate()
    with closing(DuckFile(directory / "history.duckdb")) as file, closing(state):
        history, meters = DuckHistory(file), DetectorMeters(CollectorRegistry())
        detector = Detector(definitions, history, state, Book(), Ledger(file), meters)
        for day in range(0, HISTORY_MINUTES, 1440):
            history.append(between(curves, START_MS, day, day + 1440))
        end_ms = START_MS + (HISTORY_MINUTES - 1) * MINUTE_MS
        for _ in detector.backfill(START_MS, end_ms):
            pass
        recorded = [one for name in definitions.signals for one in windows(history, name)]
        detector.tick(end_ms)  # the first reads the days
        spent = []
        for minute in range(HISTORY_MINUTES, HISTORY_MINUTES + TICK_MINUTES):
            history.append(between(curves, START_MS, minute, minute + 1))
            gc.collect()
            began = process_time()
            detector.tick(START_MS + minute * MINUTE_MS)
            spent.append(process_time() - began)
    return fmean(spent), recorded


def windows(history: DuckHistory, signal: str) -> Iterator[Curve]:
    """What a recording rule would have written of a signal, every 5 minutes; NaN is left out."""
    found = history.windows(signal, 0, 2**62, seconds=300.0, counts=False)
    for number, labels in enumerate(found.series):
        rows = found.index == number
        values = np.full(HISTORY_MINUTES + TICK_MINUTES, np.nan)
        values[(found.end_ms[rows] - START_MS) // MINUTE_MS] = found.values[rows]
        yield Curve(labels.plus(**{NAME: f"recorded_{signal}"}), values)


# --- the same as PromQL ---


def queries(definitions: Definitions) -> dict[str, list[str]]:
    """What a server is asked in one tick: `plain`, and `recorded` with the recording itself.

    It is asked less than the detector: no slopes, of trees only the first trigger.
    """
    plain, recorded = [], []
    for rule in definitions.rules.values():
        if not isinstance(rule.trigger.part, Absolute | Relative | Sigma):
            continue
        signal = definitions.signals[rule.signal]
        span = rule.span(signal.form.window, signal.form.over)
        value = compile(signal, span.each_ms / 1000)
        plain.append(condition(rule, value, f"({value})[7d:5m]"))
        if isinstance(rule.trigger.part, Absolute):
            recorded.append(plain[-1])
        else:
            name = f"recorded_{signal.name}"
            recorded.append(condition(rule, name, f"{name}[7d]"))
    recorded += [compile(one, one.form.over) for one in recording(definitions)]
    return {"plain": plain, "recorded": recorded}


def recording(definitions: Definitions) -> list[Signal]:
    """The signals whose baseline is asked for."""
    named = {
        rule.signal
        for rule in definitions.rules.values()
        if isinstance(rule.trigger.part, Relative | Sigma)
    }
    return [one for name, one in definitions.signals.items() if name in named]


def condition(rule: Rule, value: str, days: str) -> str:
    """The trigger as an expression that gives the series that breach."""
    sign, part = ">" if rule.upwards else "<", rule.trigger.part
    if isinstance(part, Absolute):
        return f"({value}) {sign} {part.level!r}"
    if isinstance(part, Relative):
        return f"({value}) {sign} {part.level!r} * avg_over_time({days})"
    away = "+" if rule.upwards else "-"
    limit = f"avg_over_time({days}) {away} {part.level!r} * stddev_over_time({days})"
    return f"({value}) {sign} {limit}"


def asked(process: Process, definitions: Definitions) -> dict[str, float]:
    """CPU seconds of the server for the queries of one tick; the mean of some ticks."""
    found = {}
    for kind, expressions in queries(definitions).items():
        spent = []
        for tick in range(PEER_TICKS + 1):
            at = (START_MS + (HISTORY_MINUTES + 5 * tick) * MINUTE_MS) // 1000
            began = process.cpu_seconds()
            for one in expressions:
                ask(process, one, at)
            spent.append(process.cpu_seconds() - began)
        found[kind] = fmean(spent[1:])  # the first one warms the caches
    return found


def ask(process: Process, expression: str, at: int) -> None:
    """One instant query; an error is an error."""
    body = urlencode({"query": expression, "time": at, "timeout": f"{PATIENCE_SECONDS:g}s"})
    request = Request(f"http://127.0.0.1:{process.port}/api/v1/query", body.encode())
    with DIRECT.open(request, timeout=PATIENCE_SECONDS) as answer:
        if json.loads(answer.read())["status"] != "success":
            raise RuntimeError(f"no answer to {expression}")


def in_victoria_metrics(
    curves: list[Curve], definitions: Definitions, directory: Path
) -> dict[str, float]:
    """What VictoriaMetrics spends."""
    directory.mkdir()
    with victoria_metrics(directory) as process:
        for one in curves:
            there = np.flatnonzero(~np.isnan(one.values))
            line = {
                "metric": one.labels.as_dict(),
                "values": one.values[there].tolist(),
                "timestamps": (START_MS + there * MINUTE_MS).tolist(),
            }
            address = f"http://127.0.0.1:{process.port}/api/v1/import"
            request = Request(address, json.dumps(line).encode())
            with DIRECT.open(request, timeout=PATIENCE_SECONDS) as answer:
                answer.read()
        process.get("/internal/force_flush")
        process.get("/internal/force_merge")
        settled(process)
        return asked(process, definitions)


def settled(process: Process) -> None:
    """Wait until a server has nothing to do, so that its own work is not counted as an answer."""
    before = -1.0
    while process.cpu_seconds() - before > 0.02:
        before = process.cpu_seconds()
        sleep(1.0)


def in_prometheus(
    curves: list[Curve], definitions: Definitions, directory: Path
) -> dict[str, float]:
    """What Prometheus spends; its blocks are of two hours, as those it makes itself."""
    (directory / "data").mkdir(parents=True)
    file = directory / "samples.om"
    for first in range(0, HISTORY_MINUTES + TICK_MINUTES, BLOCK_MINUTES):
        with file.open("w", encoding="utf-8") as out:
            for one in curves:
                out.writelines(lines(one, first, first + BLOCK_MINUTES))
            out.write("# EOF\n")
        subprocess.run(
            [*PROMTOOL, str(file), str(directory / "data")],
            check=True,
            capture_output=True,
        )
    with prometheus(directory) as process:
        settled(process)
        return asked(process, definitions)


def lines(curve: Curve, first: int, last: int) -> Iterator[str]:
    """A series in OpenMetrics text, with times in seconds."""
    name = str(Labels.of(curve.labels.as_dict()))
    for minute, value in enumerate(curve.values[first:last].tolist(), first):
        if value == value:
            yield f"{name} {value!r} {(START_MS + minute * MINUTE_MS) // 1000}\n"
