"""What the rendered panels show: six hours of a shop, as Prometheus scraped them from Plimsoll.

Made up, with a seed: one route becomes slower after a deployment, and its errors rise.
"""

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from collector.rum.vitals import LCP, SECONDS
from storage.series import Labels

START, STEP, COUNT = 1_772_431_200, 60, 360
END = START + STEP * (COUNT - 1)
DEPLOYED = START + STEP * 250
ROUTES = {
    ("GET", "/products/{product_id}"): (0.048, 31.0),
    ("GET", "/search"): (0.118, 14.0),
    ("POST", "/checkout"): (0.205, 9.0),
    ("GET", "/carts/{cart_id}"): (0.064, 12.0),
    ("GET", "/orders"): (0.152, 5.0),
    ("POST", "/login"): (0.241, 3.0),
}
SLOW = "/checkout"
CHOSEN = {"target": "shop", "method": "POST", "route": SLOW}


def openmetrics() -> str:
    """All samples, for promtool to make blocks of."""
    lines = []
    for name, labels, values in series():
        named = Labels.of({"job": "plimsoll", "instance": "127.0.0.1:8750", **labels})
        lines += [
            f"{name}{named} {value!r} {START + STEP * at}"
            for at, value in enumerate(values)
            if value is not None
        ]
    return "\n".join([*lines, "# EOF", ""])


Values = list[float | None]


def series() -> Iterator[tuple[str, dict[str, str], Values]]:
    """Every series by name, labels and values."""
    rng = random.Random(11)
    late = [1.0 if START + STEP * at >= DEPLOYED else 0.0 for at in range(COUNT)]
    for (method, route), (level, rate) in ROUTES.items():
        labels = {"target": "shop", "method": method, "route": route}
        grown = 0.42 if route == SLOW else 0.0
        yield from judged(rng, "api_p95", labels, level, [1 + grown * one for one in late])
        yield from judged(rng, "api_mean", labels, level * 0.45, [1 + grown * one for one in late])
        yield from judged(rng, "api_requests", labels, rate, [1.0] * COUNT)
        errors = [1 + (3 if route == SLOW else 0) * one for one in late]
        del labels["method"]
        yield from judged(rng, "api_error_rate", labels, 0.0021, errors, spread=0.25)
    yield "plimsoll_collector_up", {"collector": "scrape", "target": "shop"}, [1.0] * COUNT
    rule = "api_response_time_regression"
    regression = {"signal": "api_p95", "rule": rule, "severity": "warning"}
    opened: Values = [1.0 if at > 258 else None for at in range(COUNT)]
    yield "plimsoll_regression_open", {**regression, **CHOSEN}, opened
    yield from browsers(rng)


PAGES = {"/": 1.5, "/products/:id": 1.9, "/search": 2.2, "/checkout": 2.0}


def browsers(rng: random.Random) -> Iterator[tuple[str, dict[str, str], Values]]:
    """The largest paints that browsers tell of; one page is slower since the deployment."""
    for route, median in PAGES.items():
        labels = {"app": "shop", "route": route, "device": "mobile", "metric": LCP.name}
        below = [0.0] * len(LCP.edges)
        rows: list[Values] = [[] for _ in LCP.edges]
        counts: Values = []
        views = 0.0
        for at in range(COUNT):
            slow = 1.5 if route == SLOW and START + STEP * at >= DEPLOYED else 1.0
            came = rng.uniform(24, 36)
            middle = median * slow * (1 + 0.04 * math.sin(at / 40) + rng.gauss(0, 0.03))
            views += came
            counts.append(views)
            for place, edge in enumerate(LCP.edges):
                z = math.log(edge / middle) / 0.5
                below[place] += came * 0.5 * (1 + math.erf(z / math.sqrt(2)))
                rows[place].append(below[place])
        for edge, row in zip(LCP.edges, rows, strict=True):
            yield f"{SECONDS}_bucket", {**labels, "le": repr(edge)}, row
        yield f"{SECONDS}_bucket", {**labels, "le": "+Inf"}, counts
        yield f"{SECONDS}_count", labels, counts


def judged(
    rng: random.Random,
    signal: str,
    labels: Mapping[str, str],
    level: float,
    times: list[float],
    spread: float = 0.035,
) -> Iterator[tuple[str, dict[str, str], Values]]:
    """A signal with its band: a slow wave, noise that remembers itself, and what changes it."""
    named = {"signal": signal, **labels}
    noise, deviation, values = 0.0, level * spread * 1.3, []
    for at in range(COUNT):
        noise = 0.6 * noise + rng.gauss(0, spread * 0.8)
        wave = 1 + 0.6 * spread * math.sin(at / 55)
        values.append(max(0.0, level * wave * times[at] * (1 + noise)))
    side = -1 if signal.startswith("cache") else 1
    yield "plimsoll_signal_value", named, [*values]
    yield "plimsoll_signal_expected", named, [level] * COUNT
    yield "plimsoll_signal_upper", named, [level + 2 * deviation] * COUNT
    yield "plimsoll_signal_lower", named, [max(0.0, level - 2 * deviation)] * COUNT
    yield "plimsoll_signal_score", named, [side * (one - level) / deviation for one in values]


def frames(
    address: str, target: Mapping[str, Any], expr: str, *, alone: bool = False
) -> list[dict[str, Any]]:
    """What a query finds, in the frames that Grafana's Prometheus data source makes of it.

    `alone` is for the only query of a panel: its values are named without its letter.
    """
    with httpx.Client(base_url=f"{address}/api/v1", trust_env=False, timeout=20) as client:
        if target["instant"]:
            found = client.get("/query", params={"query": expr, "time": END}).json()
            return instant(target, found["data"]["result"], alone=alone)
        span = {"start": START, "end": END, "step": STEP}
        found = client.get("/query_range", params={"query": expr, **span}).json()
    return [curve(target, one["metric"], one["values"]) for one in found["data"]["result"]]


def instant(
    target: Mapping[str, Any], found: list[dict[str, Any]], *, alone: bool
) -> list[dict[str, Any]]:
    """A table of labels and values, or one frame for each series."""
    if target["format"] != "table":
        return [curve(target, one["metric"], [one["value"]]) for one in found]
    names = sorted({name for one in found for name in one["metric"]})
    columns = [
        {"name": name, "type": "string", "values": [one["metric"].get(name, "") for one in found]}
        for name in names
    ]
    values = [float(one["value"][1]) for one in found]
    shown = "Value" if alone else f"Value #{target['refId']}"
    value = {"name": shown, "type": "number", "values": values}
    times = {"name": "Time", "type": "time", "values": [END * 1000] * len(found)}
    return [{"refId": target["refId"], "fields": [times, *columns, value]}]


def curve(
    target: Mapping[str, Any], labels: Mapping[str, str], points: list[list[Any]]
) -> dict[str, Any]:
    """A series with its name in the legend."""
    shown = target.get("legendFormat", "")
    for name, value in labels.items():
        shown = shown.replace(f"{{{{{name}}}}}", value)
    known = {int(at): float(value) for at, value in points}
    span = [END] if target["instant"] else range(START, END + 1, STEP)
    return {
        "refId": target["refId"],
        "fields": [
            {"name": "Time", "type": "time", "values": [at * 1000 for at in span]},
            {
                "name": "Value",
                "type": "number",
                "labels": dict(labels),
                "shown": shown or " ".join(labels.values()),
                "values": [known.get(at) for at in span],
            },
        ],
    }
