"""Schemathesis over a whole OpenAPI document, in process, and what of what it says is a finding.

All of its checks are on. Three things fit a schema and are right to be answered otherwise; each is
looked at again more closely here, not left out:

- a request that is refused for a rule which the operation declares (`x-beyond-schema`);
- an answer cut down by `fields`, which is held against the schema without what it requires;
- an `Idempotency-Key` that was used before: keys are made to differ, as those of clients do.
"""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonschema
import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import Interaction
from starlette.types import ASGIApp, Receive, Scope, Send

from api.contract import BEYOND
from tests.api.asking import HERE

Document = dict[str, Any]
KEY = re.compile(rb"[\x21\x23-\x7e]{1,240}")
PHASES = ("examples", "coverage", "fuzzing", "stateful")
SHOWN = 3


@dataclass
class Scrutinised:
    """What was asked and what is wrong: sentences by operation and check."""

    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    asked: set[str] = field(default_factory=set)
    findings: dict[str, list[str]] = field(default_factory=dict)
    followed: Counter[str] = field(default_factory=Counter)
    """Links of the document that a request was made from, by source, status, name and target."""

    def told(self) -> str:
        """Every finding with a few requests that show it."""
        return "\n".join(
            f"{what} ({len(each)} x)\n" + "\n".join(each[:SHOWN])
            for what, each in self.findings.items()
        )


class Differing:
    """An application whose clients never use an Idempotency-Key twice."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.numbers = app, itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = [
                (name, value + b"-%d" % next(self.numbers))
                if name == b"idempotency-key" and KEY.fullmatch(value)
                else (name, value)
                for name, value in scope["headers"]
            ]
            scope = {**scope, "headers": headers}
        await self.app(scope, receive, send)


def scrutinised(
    app: FastAPI,
    document: Document,
    *,
    phases: tuple[str, ...],
    examples: int,
    seed: int,
    token: str = "",
) -> Scrutinised:
    """Ask everything that the document says can be asked, and much that it says cannot."""
    config = SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": HERE,
            "continue-on-failure": True,
            "request-timeout": 120,
            "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
            "phases": {one: {"enabled": one in phases} for one in PHASES},
            **({"auth": {"openapi": {"token": {"bearer": token}}}} if token else {}),
        }
    )
    schema = schemathesis.openapi.from_dict(document, config=config)
    schema.app = Differing(app)
    result = Scrutinised()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            note(result, event, document)
        elif isinstance(event, events.NonFatalError):
            result.findings.setdefault(f"{event.label}: no test could be made", []).append(
                str(event.value)
            )
        elif isinstance(event, events.FatalError):
            raise event.exception
    return result


def note(result: Scrutinised, event: events.ScenarioFinished, document: Document) -> None:
    """Take what one scenario found."""
    recorder = event.recorder
    for one in recorder.interactions.values():
        result.requests += 1
        if one.response is not None:
            result.statuses[one.response.status_code] += 1
    if event.label is not None and recorder.interactions:
        result.asked.add(event.label)
    for node in recorder.cases.values():
        if node.transition is not None and not node.transition.is_inferred:
            result.followed[node.transition.id] += 1
    for case_id, checks in recorder.checks.items():
        for check in checks:
            if check.failure_info is None:
                continue
            failure, interaction = check.failure_info.failure, recorder.interactions[case_id]
            label = failure.operation or event.label or ""
            body = interaction.response.content if interaction.response is not None else b""
            if is_declared(document, label, check.name, body):
                continue
            if check.name == "response_schema_conformance" and is_cut(document, label, interaction):
                continue
            found = result.findings.setdefault(f"{label}: {check.name}: {failure.title}", [])
            answer = body[:300].decode("utf-8", "replace")
            message = "  ".join(failure.message.split())[:300]
            found.append(
                f"  {message}\n    {check.failure_info.code_sample[:500]}\n    -> {answer}"
            )


def operation_of(document: Document, label: str) -> Mapping[str, Any]:
    """What the document says of `GET /api/v1/rules`."""
    method, _, path = label.partition(" ")
    found: Mapping[str, Any] = document["paths"].get(path, {}).get(method.lower(), {})
    return found


def is_declared(document: Document, label: str, check: str, body: bytes) -> bool:
    """Whether a request that fits was refused only for what the operation says it refuses."""
    if check != "positive_data_acceptance":
        return False
    try:
        faults = json.loads(body)["errors"]
    except (ValueError, KeyError, TypeError):
        return False
    rules = operation_of(document, label).get(BEYOND, {})
    return bool(faults) and all(rule_of(one["pointer"]) in rules for one in faults)


def rule_of(pointer: str) -> str:
    """The place that a rule is about: `#/matchers` for `#/matchers/0`."""
    return "/".join(pointer.split("/")[:2]) if pointer.startswith("#/") else pointer


def is_cut(document: Document, label: str, interaction: Interaction) -> bool:
    """Whether an answer is right but for the members that `fields` left out."""
    answer = interaction.response
    if answer is None or "fields=" not in interaction.request.uri:
        return False
    known = operation_of(document, label)["responses"].get(str(answer.status_code), {})
    content = known.get("content", {}).get("application/json")
    if content is None:
        return False
    schema = {**content["schema"], "components": document["components"]}
    return not list(errors(relaxed(schema), json.loads(answer.content)))


def relaxed(schema: Any) -> Any:
    """A schema that requires nothing."""
    if isinstance(schema, list):
        return [relaxed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: relaxed(one)
        for name, one in schema.items()
        if name != "required" or not isinstance(one, list)
    }


def errors(schema: Document, value: Any) -> Iterator[str]:
    """What of a value does not fit a schema (that may refer to `#/components`)."""
    for one in jsonschema.Draft202012Validator(schema).iter_errors(value):
        yield f"{one.json_path}: {one.message[:200]}"
