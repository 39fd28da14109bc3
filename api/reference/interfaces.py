"""HTTP, metrics and command line as they really are: asked of a built application."""

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, get_args, get_origin

import typer
from fastapi import FastAPI
from rich.text import Text
from starlette.routing import Route

from api import serve, settings
from api.app import create_app
from api.document import Document
from api.house import House
from api.loops import LoopMeters
from api.main import app as commands
from api.reference.declared import PLAIN
from api.reference.tables import code, codes, table
from collector.rum.receiver import COUNTER_LABELS
from storage.config import StorageConfig

Schema = Mapping[str, Any]

# These have the labels of the series beside their own, so no declaration can name them all.
SERIES = "and those of the series"
HOUSE_LABELS = {
    "plimsoll_signal_value": f"`signal`, {SERIES}",
    "plimsoll_signal_expected": f"`signal`, {SERIES}",
    "plimsoll_signal_upper": f"`signal`, {SERIES}",
    "plimsoll_signal_lower": f"`signal`, {SERIES}",
    "plimsoll_signal_score": f"`signal`, {SERIES}",
    "plimsoll_signal_series_left_out": "`signal`",
    "plimsoll_regression_open": f"`signal`, `rule`, `severity`, {SERIES}",
    "plimsoll_backfill_progress_ratio": "`signal`, `source`",
    "plimsoll_deployment_timestamp_seconds": "`service`, `version`",
    "rum_metrics_dropped_total": "`app`, `reason`",
    "rum_values_excluded_total": "`app`, `reason`",
    "rum_cells_overflow_total": "`app`",
    "rum_views_open": "`app`",
    "rum_metrics_waiting": "`app`",
    "rum_routes_admitted": "`app`",
    "rum_views_unfinalised_ratio": "`app`, `browser`",
    **{name: codes(labels) for name, labels in COUNTER_LABELS.items()},
}
PAGES = {
    "/": "The overview, a page for people.",
    "/regressions": "The history of regressions, a page for people.",
    "/regressions/{regression_id}": "One regression, a page for people.",
    "/incidents/{incident_id}": "One incident, a page for people.",
    "/alerts": "Who was told of what and why or why not, and how receivers are, a page for people.",
    "/silences": "What is kept quiet, and a new silence with its effect, a page for people.",
    "/routes": "The tree of routes and whom labels reach, a page for people.",
    "/replay": "What rules would have fired, chosen or as a draft, a page for people.",
    "/configuration": "What is in force, and a check of a text, a page for people.",
    "/itself": "How Plimsoll itself is doing, a page for people.",
    "/queries": "Statements of databases and what they took, a page for people.",
    "/queries/{fingerprint}": "One statement and its past, a page for people.",
    "/web-vitals": "What browsers measured: routes, the worst first, a page for people.",
    "/web-vitals/{app}": "One route, or all of an app together, a page for people.",
    "/cache": "Caches and how they stand, a page for people.",
    "/cache/{target}": "One cache, and what misses, a page for people.",
    "/resources": "Machines, containers and processes, a page for people.",
    "/resources/{target}": "One of them with all its charts, a page for people.",
    "/deployments": "What went live, a page for people.",
    "/deployments/{deployment_id}": "Before and after one deployment, a page for people.",
    "/troubles/{trouble_id}": "One trouble of Plimsoll itself, a page for people.",
    "/runbooks": "What each shipped rule means and where to look first, a page for people.",
    "/runbooks/{rule}": "The runbook of one rule, a page for people.",
    "/sign-in": "Where a person signs in with a token.",
    "/sign-in/oidc": "Leads to the OpenID Connect provider, where one is configured.",
    "/sign-in/callback": "Where the provider sends a person back to.",
    "/why-not": "What broke a trigger and was not told, a page for people.",
    "/signals/{name}": "One signal, a page for people.",
    "/signals/{name}/series/{series}": "One series and why its rules fire or not, for people.",
    "/metrics": "Metrics in the Prometheus text format.",
    "/metrics/rum": "The histograms of web vitals in the Prometheus text format.",
}


@contextmanager
def empty_house() -> Iterator[tuple[House, FastAPI]]:
    """A house in which nothing has happened, with its application; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-reference-") as folder:
        storage = StorageConfig(directory=Path(folder))
        house = serve.build(dataclasses.replace(settings.build(Document()), storage=storage))
        try:
            app = create_app(house)
            LoopMeters(house.registry)
            app.build_middleware_stack()  # the middleware registers its metrics when it is built
            yield house, app
        finally:
            house.state.close()
            house.file.close()


def metrics() -> str:
    """What is on `/metrics`, in the order of the names; what the process tells comes last."""
    found: dict[str, list[str]] = {}
    with empty_house() as (house, _):
        # The only place that knows the labels of a family without samples.
        owners: Mapping[str, Any] = house.registry._names_to_collectors
        for family in house.registry.collect():
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = getattr(owners.get(family.name), "_labelnames", None)
            if labels is None:  # made anew for every page
                labels = sorted({label for one in family.samples for label in one.labels})
            told = HOUSE_LABELS.get(name) or codes(labels) or "none"
            found[name] = [code(name), family.type, told, family.documentation]

    def place(name: str) -> tuple[int, str]:
        return [name.startswith(one) for one in ("plimsoll_", "http_", "")].index(True), name

    ordered = [found[name] for name in sorted(found, key=place)]
    return table(("metric", "type", "labels", "meaning"), ordered)


def endpoints() -> str:
    """The REST API from its OpenAPI document, then the rest of the addresses."""
    with empty_house() as (_, app):
        document: Schema = app.openapi()
        others = [route for route in app.routes if isinstance(route, Route)]
    documented = document["paths"]
    parts = []
    for path, operations in documented.items():
        for method, operation in operations.items():
            parts.append(endpoint(method.upper(), path, operation))
    parts.append("### Other addresses")
    rows = [
        [code(f"{method} {one.path}"), told(method, one)]
        for one in others
        if one.path not in documented
        for method in sorted((one.methods or set()) - {"HEAD"})
    ]
    parts.append(table(("address", "answer"), sorted(rows)))
    return "\n\n".join(parts)


def told(method: str, route: Route) -> str:
    """What an address that is no part of the API answers."""
    page = PAGES.get(route.path) if method == "GET" else None
    return page or first_sentence(route.endpoint)


def first_sentence(function: Any) -> str:
    """What an endpoint promises."""
    return (getattr(function, "__doc__", "") or "").strip().partition("\n")[0]


def endpoint(method: str, path: str, operation: Schema) -> str:
    """One operation: what it does, what it takes, what it gives."""
    parts = [f"### `{method} {path}`", f"{operation['summary']}. {operation['description']}"]
    parameters = [
        [
            code(one["name"]),
            one["in"],
            type_of(one["schema"]),
            "required" if one.get("required") else default(one["schema"]),
            one.get("description", ""),
        ]
        for one in operation.get("parameters", ())
        if "$ref" not in one  # those of all, told of once above
    ]
    if parameters:
        parts.append(table(("parameter", "in", "type", "default", "meaning"), parameters))
    body = operation.get("requestBody", {}).get("content", {})
    if body:
        (media,) = body
        parts.append(f"Body, `{media}`: {type_of(body[media]['schema'])}.")
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get("application/json")
        if content:
            parts.append(f"Answer {status}: {type_of(content['schema'])}.")
    return "\n\n".join(parts)


def shapes() -> str:
    """The shapes that answers and bodies are made of."""
    with empty_house() as (_, app):
        schemas: Schema = app.openapi()["components"]["schemas"]
    parts = []
    for name, schema in sorted(schemas.items()):
        if name in ("HTTPValidationError", "ValidationError"):  # the framework's; never answered
            continue
        parts.append(f"### {name}")
        parts.append(schema.get("description", "").strip())
        if "enum" in schema:
            named = [code(one) if one else "the empty text" for one in schema["enum"]]
            parts.append(f"One of {', '.join(named)}.")
            continue
        rows = (
            [code(member), type_of(one), meaning(member, schema, schemas)]
            for member, one in schema["properties"].items()
        )
        parts.append(table(("member", "type", "meaning"), rows))
    return "\n\n".join(filter(None, parts))


def meaning(member: str, schema: Schema, schemas: Schema) -> str:
    """The description of a member, or of what it refers to; and whether it may be left out."""
    one = schema["properties"][member]
    referred = schemas.get(one.get("$ref", "").rpartition("/")[2], {})
    text = str(one.get("description") or referred.get("description", ""))
    return text if member in schema.get("required", ()) else f"{text} May be left out."


def type_of(schema: Schema) -> str:
    """A JSON schema as a type for people."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(type_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return codes(schema["enum"])
    if schema.get("type") == "array":
        inner = type_of(schema["items"])
        return f"list of ({inner})" if "anyOf" in schema["items"] else f"list of {inner}"
    if schema.get("format") == "date-time":
        return "time"
    name = str(schema.get("type", "anything"))
    if "minimum" in schema and "maximum" in schema:
        return f"{name}, {schema['minimum']} to {schema['maximum']}"
    return f"{name}, at most {schema['maxLength']} characters" if "maxLength" in schema else name


def default(schema: Schema) -> str:
    """The default of a parameter."""
    value = schema.get("default")
    return "none" if value in (None, []) else code(value)


def command_line() -> str:
    """Every command with its arguments and options."""
    return "\n\n".join(described("plimsoll", typer.main.get_command(commands)))


def described(name: str, command: Any) -> Iterator[str]:
    """A command, and those below it."""
    below = getattr(command, "commands", {})
    yield f"### `{name}`"
    yield command.help or ""
    rows = [row for row in map(parameter, command.params) if row]
    if rows:
        yield table(("argument or option", "type", "default", "meaning"), rows)
    if command.epilog:
        yield Text.from_markup(command.epilog).plain
    for inner, one in below.items():
        yield from described(f"{name} {inner}", one)


def parameter(one: Any) -> list[str]:
    """A row for an argument or an option."""
    type_ = one.type_descriptor.annotation if one.type_descriptor else bool
    several = get_origin(type_) is list
    if several:
        (type_,) = get_args(type_)
    if type_ is bool:
        kind = "flag"
    elif isinstance(type_, type) and issubclass(type_, StrEnum):
        kind = ", ".join(one.value for one in type_)
    else:
        kind = PLAIN[type_]
    if several:
        kind += ", repeatable"
    if one.min is not None:
        kind += f", {one.min} to {one.max}"
    if one.opts[0].startswith("-"):
        names = codes([*one.opts, *one.secondary_opts])
    else:
        names = code(one.name.upper())
    if one.required:
        shown = "required"
    elif type_ is bool:
        shown = code("on" if one.default else "off")
    else:
        made_then = callable(one.default)  # told in the words of its help
        shown = "none" if made_then or one.default in (None, "") else code(one.default)
    return [names, kind, shown, one.help or ""]
