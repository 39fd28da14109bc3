"""Where an answer leads: OpenAPI links from each operation to those that its answer has ids for.

Links follow from the addresses. What a list or a creation answers leads to the thing itself, the
thing to all that is below it, what is done to it back to it, and a page to the next page. Only what
no address tells is written down here.
(https://spec.openapis.org/oas/v3.1.0#link-object)
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
Known = dict[tuple[str, str], Schema]
"""Operations by method and path."""

ID = "id"
NAMED = {"/api/v1/signals": "name", "/api/v1/targets": "name"}
NAMES = frozenset({"target"})
"""Parameters that an answer holds under their own name."""

ELSEWHERE = {"/api/v1/maintenance": "/api/v1/silences"}
"""What is made under one address and then is under another."""

ACROSS: tuple[tuple[str, str, str, Mapping[str, str]], ...] = (
    # From an answer of this GET, under this name, to this GET, with these parameters.
    (
        "/api/v1/incidents/{incident_id}",
        "regression",
        "/api/v1/regressions/{regression_id}",
        {"regression_id": "$response.body#/items/0/id"},
    ),
    (
        "/api/v1/judgements",
        "explain",
        "/api/v1/signals/{name}/series/{series}/explain",
        {"name": "$response.body#/items/0/signal", "series": "$response.body#/items/0/series"},
    ),
    (
        "/api/v1/signals/{name}",
        "explain",
        "/api/v1/signals/{name}/series/{series}/explain",
        {"name": "$request.path.name", "series": "$response.body#/series/0/id"},
    ),
    (
        "/api/v1/regressions/{regression_id}",
        "signal",
        "/api/v1/signals/{name}",
        {"name": "$response.body#/signal"},
    ),
)
LAST = re.compile(r"\{(\w+)\}$")


def link(document: Schema) -> None:
    """Put the links of every operation of a document into its answers."""
    known = {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    for (method, path), operation in known.items():
        found = dict(links(known, method, path))
        for status in ("200", "201"):
            answer = operation["responses"].get(status)
            if found and answer is not None and "application/json" in answer.get("content", {}):
                answer["links"] = found


def links(known: Known, method: str, path: str) -> Iterator[tuple[str, Schema]]:
    """Where one operation leads, by name."""
    if method == "get" and has_cursor(known[method, path]):
        following = leading(known, "get", path, {"cursor": "$response.body#/next_cursor"})
        yield "next", {**following, "description": "The next page; repeat the filters."}
    if LAST.search(path) and method == "get":
        yield from below(known, path)
    thing = things(known, path)
    if thing is not None:
        yield from from_list(known, method, thing)
    back = path if method != "get" else ""
    back = back if LAST.search(back) else back.rpartition("/")[0]
    if LAST.search(back) and ("get", back) in known:
        yield "self", leading(known, "get", back, kept(back))
    for source, name, target, parameters in ACROSS:
        if (method, path) == ("get", source):
            yield name, leading(known, "get", target, parameters)


def below(known: Known, path: str) -> Iterator[tuple[str, Schema]]:
    """From a thing to what can be asked of it and done with it."""
    for method, other in known:
        rest = other.removeprefix(path)
        if (method, other) == ("get", path) or rest == other or "{" in rest or "." in rest:
            continue
        name = re.sub(r"\W", "-", rest.lstrip("/")) or {"patch": "change"}.get(method, method)
        yield name, leading(known, method, other, kept(path))


def from_list(known: Known, method: str, thing: str) -> Iterator[tuple[str, Schema]]:
    """From a list, or from what was just made, to the one thing; or to its end, if that is all."""
    (parameter,) = LAST.findall(thing)
    collection = thing.rpartition("/")[0]
    key = parameter if parameter in NAMES else ID
    key = NAMED.get(collection, key)
    where = f"$response.body#/{key}" if method == "post" else f"$response.body#/items/0/{key}"
    if ("get", thing) in known:
        yield "item", leading(known, "get", thing, {parameter: where})
        return
    for other, path in known:
        if path.startswith(thing) and "{" not in path[len(thing) :]:
            name = path[len(thing) :].lstrip("/") or other
            yield name, leading(known, other, path, {parameter: where})


def things(known: Known, path: str) -> str | None:
    """The address of one of what an address lists or makes; None where there is none."""
    collection = ELSEWHERE.get(path, path)
    for _, other in known:
        found = re.match(rf"{re.escape(collection)}/\{{\w+\}}", other)
        if found is not None:
            return found[0]
    return None


def has_cursor(operation: Schema) -> bool:
    """Whether an operation answers page by page."""
    return any(one.get("name") == "cursor" for one in operation["parameters"])


def kept(path: str) -> Schema:
    """The parameters of a path as they were asked for."""
    return {name: f"$request.path.{name}" for name in re.findall(r"\{(\w+)\}", path)}


def leading(known: Known, method: str, path: str, parameters: Mapping[str, str]) -> Schema:
    """One link."""
    operation = known[method, path]
    return {
        "operationId": operation["operationId"],
        "parameters": dict(parameters),
        "description": operation["summary"],
    }
