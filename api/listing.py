"""Commands that list what a running Plimsoll knows, over REST: a line each, or JSON."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api.acting import Config, Json, Url, run
from api.columns import Column, Item, measured, moment, plain, said
from api.database_commands import show
from detector.judgement import Verdict
from detector.units import Unit, text

Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]
Since = Annotated[str, typer.Option(help="At this time or later, like 2026-03-02T12:00:00Z.")]
Until = Annotated[str, typer.Option(help="At this time or earlier.")]


def p75(one: Item) -> str:
    """The p75 with its band."""
    low, high = (text(one[f"p75_{edge}"], one["unit"]) for edge in ("low", "high"))
    return said(one["p75_text"]) if low == "-" else f"{one['p75_text']} ({low} to {high})"


def figures(one: Item) -> str:
    """How a cache, a machine or a process stands: each signal and figure with its value."""
    judged = [
        f"{signal['title']}{within(one, signal, series)} {series['value_text']}"
        + (f" ({series['change']})" if series["change"] else "")
        for signal in one["signals"]
        for series in signal["series"]
    ]
    return ", ".join([*judged, *(f"{each['title']} {each['text']}" for each in one["figures"])])


def within(one: Item, signal: Item, series: Item) -> str:
    """Which part of a target a series is of, such as a disk; empty where it has only one."""
    if len(signal["series"]) < 2:
        return ""
    told = [word for word in series["name"].split() if word not in ("of", one["target"])]
    return f" ({' '.join(told)})" if told else ""


TARGETS: Sequence[Column] = (
    plain("name"),
    plain("kind"),
    plain("state"),
    plain("samples"),
    plain("dropped"),
    measured("duration_seconds", Unit.SECONDS, "took"),
    moment("last_success"),
    ("how it is", lambda one: said(one["text"])),
)
EVENTS: Sequence[Column] = (
    moment("at"),
    ("of", lambda one: said(one["regression_id"] or one["incident_id"])),
    plain("step"),
    plain("actor"),
    ("rule", lambda one: said(one["rule"])),
    plain("reason"),
)
JUDGEMENTS: Sequence[Column] = (
    moment("at"),
    plain("verdict"),
    plain("reason"),
    plain("rule"),
    ("series", lambda one: said(one["name"])),
    ("what", lambda one: said(one["text"])),
)
DEPLOYMENTS: Sequence[Column] = (
    moment("at"),
    plain("service"),
    plain("version"),
    plain("environment"),
    plain("sha"),
    plain("id"),
)
VITALS: Sequence[Column] = (
    plain("app"),
    plain("metric"),
    ("route", lambda one: said(one["route"] or "all")),
    ("device", lambda one: said(one["device"] or "all")),
    ("p75", p75),
    measured("good", Unit.RATIO),
    measured("poor", Unit.RATIO),
    plain("n"),
    plain("certainty"),
)
STANDING: Sequence[Column] = (
    plain("target"),
    ("open", lambda one: said(one["severity"])),
    ("figures", figures),
)
CHANGES: Sequence[Column] = (
    moment("at"),
    plain("actor"),
    plain("method"),
    plain("status"),
    plain("path"),
)


def get(config: Path | None, url: str | None, path: str, asked: Mapping[str, Any]) -> Any:
    """A list; options that are empty are not sent."""
    given = {name: value for name, value in asked.items() if value != ""}
    return run(config, url, "GET", path, params=given)


def targets(config: Config = None, url: Url = None, json: Json = False) -> None:
    """What is collected from, how that goes, and why not."""
    show(get(config, url, "/targets", {}), TARGETS, json, "nothing is collected from")


def events(
    regression: Annotated[str, typer.Option(help="Only of this regression.")] = "",
    incident: Annotated[str, typer.Option(help="Only of this incident.")] = "",
    step: Annotated[str, typer.Option(help="Only what happened like this: opened, ...")] = "",
    actor: Annotated[str, typer.Option(help="Only what this person did, or `detector`.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """What happened to regressions and incidents, newest first."""
    asked = {"regression": regression, "incident": incident, "step": step, "actor": actor}
    more = {"since": since, "until": until, "limit": limit}
    show(get(config, url, "/events", {**asked, **more}), EVENTS, json, "nothing happened")


def judgements(
    verdict: Annotated[str, typer.Option(help=f"Only these: {', '.join(Verdict)}.")] = "",
    reason: Annotated[str, typer.Option(help="Only for this reason, such as min_delta.")] = "",
    rule: Annotated[str, typer.Option(help="Only of this rule.")] = "",
    signal: Annotated[str, typer.Option(help="Only of this signal.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Every verdict of every rule, newest first: why it fired, and why it did not."""
    asked = {"verdict": verdict, "reason": reason, "rule": rule, "signal": signal}
    more = {"since": since, "until": until, "limit": limit}
    body = get(config, url, "/judgements", {**asked, **more})
    show(body, JUDGEMENTS, json, "nothing was judged so")


def deployments(
    service: Annotated[str, typer.Option(help="Only of this service.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Limit = 50,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """What went live, newest first."""
    asked = {"service": service, "since": since, "until": until, "limit": limit}
    show(get(config, url, "/deployments", asked), DEPLOYMENTS, json, "nothing was deployed")


def vitals(
    app: Annotated[str, typer.Option(help="Only of this app.")] = "",
    by: Annotated[
        str, typer.Option(help="A line for each `app`, `device`, or `route` and device.")
    ] = "app",
    metric: Annotated[str, typer.Option(help="Only LCP, INP, CLS, FCP or TTFB.")] = "",
    route: Annotated[str, typer.Option(help="Only of this route.")] = "",
    device: Annotated[str, typer.Option(help="Only mobile, tablet or desktop.")] = "",
    since: Since = "",
    until: Until = "",
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Core Web Vitals of the last 24 hours, or of a span: the p75 and how sure it is."""
    asked = {"app": app, "by": by, "metric": metric, "route": route, "device": device}
    body = get(config, url, "/web-vitals", {**asked, "since": since, "until": until})
    show(body, VITALS, json, "no browser told anything")


def caches(config: Config = None, url: Url = None, json: Json = False) -> None:
    """How each cache stands: hit rate, keys, memory."""
    show(get(config, url, "/caches", {}), STANDING, json, "no cache is collected from")


def resources(config: Config = None, url: Url = None, json: Json = False) -> None:
    """How each machine and process stands: CPU, memory, disks, pools."""
    show(get(config, url, "/resources", {}), STANDING, json, "no machine is collected from")


def audit(limit: Limit = 50, config: Config = None, url: Url = None, json: Json = False) -> None:
    """Who changed what over HTTP, newest first. Needs the scope `admin`."""
    show(get(config, url, "/audit", {"limit": limit}), CHANGES, json, "nobody changed anything")
