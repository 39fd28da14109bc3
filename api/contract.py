"""The OpenAPI document, completed with what all operations have in common, written once.

The framework describes parameters, bodies and answers of a 2xx. Which scope an operation needs,
which problems it may answer, and which headers go in and out, is added here from the rules that the
gate and the middleware go by, so an operation that is new has all of it without a line of its own.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from api import linking
from api.access import policy
from api.access.token import Scope
from api.errors import MEDIA_TYPE, FaultShape, ProblemShape

Schema = dict[str, Any]

BEYOND = "x-beyond-schema"
"""What an operation refuses although it fits the schema: pointers and why."""

EXAMPLES = Path(__file__).parent / "examples.json"
JSON = "application/json"
SCHEME = "token"
ILLUSTRATED = frozenset({JSON, "application/x-ndjson", "text/event-stream"})
REFERENCE = "#/components"

PROBLEMS = {
    400: "It cannot be read: no JSON, no `Host`, a NUL in the address.",
    401: "A token is needed, and none that is valid was sent.",
    403: "The token lacks the scope; or a page of another site asked with a cookie.",
    404: "There is no such thing.",
    409: "It does not fit the state of the thing.",
    413: "The body is larger than 64 KiB.",
    415: "The body is not sent as `application/json`.",
    421: "The `Host` is not one of this server's.",
    422: "A parameter or a member of the body does not fit; `errors` says which.",
    429: "Asked too often.",
    500: "A fault of Plimsoll; its log says where.",
    503: "Not now; `Retry-After` says when.",
    507: "There is no space left to make it.",
}
ALWAYS = (400, 401, 403, 421, 422, 429, 500)
WITH_BODY = (413, 415)
RETRIED = (409, 429, 503)
KEYED = "With `Idempotency-Key`: the same request is still under way, or its answer is not kept."
KEY_RULE = {"Idempotency-Key": "was used for another request"}
CURSOR_RULE = {"?cursor": "is not `next_cursor` of a page"}

HEADERS: Schema = {
    "ETag": {
        "description": "Names what was answered; send it as `If-None-Match`.",
        "schema": {"type": "string", "pattern": '^W/"[0-9a-f]{24}"$'},
        "example": 'W/"5f0c3b1f2a9d4e6b8c7a1d2e"',
    },
    "Idempotency-Replayed": {
        "description": "`true` where the answer was given before to the same `Idempotency-Key`.",
        "schema": {"type": "string", "const": "true"},
        "example": "true",
    },
    "Retry-After": {
        "description": "Seconds after which it is worth asking again.",
        "schema": {"type": "integer", "minimum": 1},
        "example": 10,
    },
    "Server-Timing": {
        "description": "Milliseconds until the answer began: `state` and `history` are what asking "
        "those took, `render` is all the rest, `app` is all of it.",
        "schema": {"type": "string", "maxLength": 200},
        "example": "state;dur=1.2, history;dur=0.4, render;dur=2.1, app;dur=3.75",
    },
    "WWW-Authenticate": {
        "description": "How to authenticate: `Bearer`.",
        "schema": {"type": "string", "pattern": "^Bearer "},
        "example": 'Bearer realm="plimsoll"',
    },
}
PARAMETERS: Schema = {
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "`ETag` of an earlier answer; 304 where it is the same still.",
        "schema": {"type": "string"},
        "example": 'W/"5f0c3b1f2a9d4e6b8c7a1d2e"',
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Any text, such as a UUID: what is sent again with it is made once.",
        "schema": {"type": "string", "pattern": r"^[\x21\x23-\x7e]{1,255}$", "maxLength": 255},
        "example": "6f1c0a52-6d8e-4f0b-9a43-0d4c2f1b7e5a",
    },
}
TAGS = {
    "access": "Tokens, who asks, and who changed what.",
    "backup": "History and state as one file.",
    "caches and resources": "How caches, machines and processes stand, and their figures.",
    "configuration": "What Plimsoll was started with, and whether a text would do.",
    "databases": "What the PostgreSQL collector knows: statements, tables, indexes.",
    "deployments": "What went live, told by whoever deploys.",
    "events": "What happened to regressions and incidents.",
    "exports": "Whole histories as files.",
    "incidents": "Regressions that belong together.",
    "itself": "How Plimsoll itself is doing.",
    "judgements": "Every verdict of every rule, also those that came to nothing.",
    "notifications": "What was told to whom and why, or why not.",
    "queries": "Statements of databases and what they took.",
    "recommendations": "Advice with its evidence.",
    "regressions": "What got worse, now and in the past.",
    "replay": "What rules would have fired in the past.",
    "routing": "Whom an alert reaches, and how telling them goes.",
    "rules": "What counts as a regression.",
    "signals": "What is measured, how it stands, and its windows over time.",
    "silences": "Who is not to be told, from when, until when, and why.",
    "source": "The Prometheus-compatible engine that signals are read from.",
    "stream": "Live updates.",
    "summary": "The whole state in one small answer.",
    "targets": "What is collected from, and how that goes.",
    "web vitals": "What browsers measured.",
}


def completed(document: Schema) -> Schema:
    """The document of the framework with what it cannot know."""
    made = deepcopy(document)
    components = made.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # the framework's; never answered
        schemas.pop(name, None)
    schemas["FaultShape"] = FaultShape.model_json_schema()
    schemas["ProblemShape"] = ProblemShape.model_json_schema(
        ref_template=f"{REFERENCE}/schemas/{{model}}"
    )
    schemas["ProblemShape"].pop("$defs")
    components["headers"] = deepcopy(HEADERS)
    components["parameters"] = deepcopy(PARAMETERS)
    components["responses"] = {str(one): problem(one, told) for one, told in PROBLEMS.items()}
    used = set()
    for path, method, operation in operations(made):
        complete(path, method, operation)
        used.update(operation["tags"])
    linking.link(made)
    made["tags"] = [{"name": one, "description": TAGS[one]} for one in sorted(used & TAGS.keys())]
    return made


def operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """Every operation of a document: its path, its method and what is said of it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def complete(path: str, method: str, operation: Schema) -> None:
    """Say of one operation who may, what goes in and what comes out."""
    scope = policy.needed(method.upper(), path)
    operation["security"] = [] if scope is None else [{SCHEME: [scope.value]}]
    told = "Anybody may." if scope is None else f"Needs the scope `{scope.value}`."
    operation["description"] = f"{operation['description']}\n\n{told}"
    parameters = operation.setdefault("parameters", [])
    rules = operation.setdefault(BEYOND, {})
    if any(one["name"] == "cursor" and "pattern" in str(one["schema"]) for one in parameters):
        rules.update(CURSOR_RULE)
    answers = operation["responses"]
    is_tagged = method == "get" and JSON in answers["200"].get("content", {})
    if is_tagged:
        parameters.append(referred("parameters", "If-None-Match"))
    if method == "post":
        parameters.append(referred("parameters", "Idempotency-Key"))
        rules.update(KEY_RULE)
    operation["responses"] = described(path, method, operation, is_tagged)
    if not rules:
        del operation[BEYOND]
    illustrate(f"{method.upper()} {path}", operation)


def described(path: str, method: str, operation: Schema, is_tagged: bool) -> Schema:
    """The answers of an operation, each with its headers: 2xx, 304, and the problems."""
    given = operation["responses"]
    found = {status: one for status, one in given.items() if status.startswith("2")}
    for one in found.values():
        headers = one.setdefault("headers", {})
        headers["Server-Timing"] = referred("headers", "Server-Timing")
        if is_tagged:
            headers["ETag"] = referred("headers", "ETag")
        if method == "post":
            headers["Idempotency-Replayed"] = referred("headers", "Idempotency-Replayed")
    if is_tagged:
        headers = {name: referred("headers", name) for name in ("ETag", "Server-Timing")}
        found["304"] = {"description": "It is as `If-None-Match` has it.", "headers": headers}
    statuses = {*ALWAYS, *(WITH_BODY if "requestBody" in operation or method == "post" else ())}
    statuses |= {404} if "{" in path else set()
    statuses |= {409} if method == "post" else set()
    own = {int(one): given[one].get("description", "") for one in given if one[0] in "45"}
    own.pop(422, None)  # the framework's
    for status in sorted(statuses | own.keys()):
        told = own.get(status, "")
        if status == HTTPStatus.CONFLICT and method == "post":
            told = f"{told} {KEYED}".strip()
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            told = refusals(operation)
        found[str(status)] = problem(status, told) if told else referred("responses", str(status))
    return found


def refusals(operation: Schema) -> str:
    """What is refused beyond the schema, in words; empty where nothing is."""
    rules = operation.get(BEYOND, {})
    each = "; ".join(f"`{where}` {why}" for where, why in rules.items())
    return f"{PROBLEMS[422]} Also: {each}." if each else ""


def problem(status: int, told: str) -> Schema:
    """An answer that is a problem."""
    headers = {"Server-Timing": referred("headers", "Server-Timing")}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = referred("headers", "WWW-Authenticate")
    if status in RETRIED:
        headers["Retry-After"] = referred("headers", "Retry-After")
    return {
        "description": told,
        "content": {MEDIA_TYPE: {"schema": referred("schemas", "ProblemShape")}},
        "headers": headers,
    }


def referred(kind: str, name: str) -> Schema:
    """What stands among the components."""
    return {"$ref": f"{REFERENCE}/{kind}/{name}"}


@cache
def examples() -> dict[str, Schema]:
    """Answers of a real house by operation and status; a test writes them."""
    found: dict[str, Schema] = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    return found


def illustrate(name: str, operation: Schema) -> None:
    """Put the answer of a real house beside the schema of each answer that is text."""
    for status, value in examples().get(name, {}).items():
        for kind, media in operation["responses"].get(status, {}).get("content", {}).items():
            if kind in ILLUSTRATED:
                media["example"] = value


def unasked(document: Schema) -> Schema:
    """The same document as it holds while there is no token: nobody has to show one."""
    made = deepcopy(document)
    for _, _, operation in operations(made):
        operation["security"] = [*operation["security"], {}] if operation["security"] else []
    return made


def scope_of(operation: Schema) -> Scope | None:
    """The scope that an operation of the completed document needs; None where anybody may."""
    asked = operation["security"]
    return Scope(asked[0][SCHEME][0]) if asked else None
