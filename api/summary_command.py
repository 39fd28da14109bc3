"""`plimsoll summary`: the whole state of a running Plimsoll, a screen of text."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from api.acting import Config, Json, Url, out, run, say
from api.columns import timed
from detector.units import Unit, duration, text


def command(
    target: Annotated[str, typer.Option(help="Only series of this target; of all if empty.")] = "",
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """The whole state in one screen: what is open, traffic, latency, machines, targets."""
    body = run(config, url, "GET", "/summary", params={"target": target} if target else {})
    if json:
        out.print_json(data=body)
        return
    say(lines(body))


def lines(body: Mapping[str, Any]) -> Iterator[str]:
    """The answer as text; what is not measured is a dash."""
    found, served, data, targets = (
        body[name] for name in ("open", "requests", "database", "targets")
    )
    down = f" ({', '.join(targets['down_names'])})" if targets["down_names"] else ""
    judged = timed(body["judged_at"]) if body["judged_at"] else "never"
    yield row(
        "plimsoll", f"{body['version']}, up {duration(body['uptime_seconds'])}; judged {judged}"
    )
    yield row(
        "open",
        f"{found['critical']} critical, {found['warning']} warning, {found['info']} info; "
        f"{found['incidents']} incident{'s' * (found['incidents'] != 1)}",
    )
    yield row(
        "targets", f"{targets['up']} up, {targets['down']} down{down}, {targets['pending']} pending"
    )
    yield row(
        "requests",
        f"{text(served['per_second'], Unit.PER_SECOND)}, "
        f"errors {text(served['error_ratio'], Unit.RATIO)}",
    )
    mean = text(served["mean_seconds"], Unit.SECONDS)
    yield row("latency", f"mean {mean}, {percentiles(served)}")
    yield row(
        "database",
        f"{percentiles(data)}; buffers {text(data['buffer_hit_ratio'], Unit.RATIO)}, "
        f"connections {text(data['connections_ratio'], Unit.RATIO)}",
    )
    keys = body["cache"]["keys"]
    yield row(
        "cache",
        f"hit rate {text(body['cache']['hit_ratio'], Unit.RATIO)}, "
        f"{'-' if keys is None else f'{keys:,}'} keys",
    )
    yield row("cpu", busiest(body["cpu"]))
    yield row("memory", busiest(body["memory"]))
    for one in body["web_vitals"]:
        yield row("vitals", f"{one['app']} {one['metric']} p75 {one['p75_text']} of {one['n']:,}")


def row(name: str, told: str) -> str:
    """One line."""
    return f"{name:<9} {told}"


def percentiles(one: Mapping[str, Any]) -> str:
    """`p50 12 ms, p95 40 ms, p99 90 ms`."""
    names = ("p50", "p95", "p99")
    return ", ".join(f"{name} {text(one[f'{name}_seconds'], Unit.SECONDS)}" for name in names)


def busiest(one: Mapping[str, Any] | None) -> str:
    """`34 % on host`."""
    return "-" if one is None else f"{text(one['ratio'], Unit.RATIO)} on {one['target']}"
