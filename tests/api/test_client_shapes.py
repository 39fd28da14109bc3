"""What the client calls the answers is what the API answers: written from the OpenAPI document.

`PLIMSOLL_REWRITE_GOLDEN=1` writes `client/plimsoll_client/answers.py` anew.
"""

import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.api.asking import Client

ANSWERS = Path(__file__).parents[2] / "client" / "plimsoll_client" / "answers.py"
NAMES = {
    "RegressionShape": "Regression",
    "WholeRegression": "WholeRegression",
    "IncidentSummary": "Incident",
    "WholeIncident": "WholeIncident",
    "SignalShape": "Signal",
    "DeploymentShape": "Deployment",
    "JudgementShape": "Judgement",
    "RuleShape": "Rule",
    "TargetShape": "Target",
    "EventShape": "Event",
    "SummaryShape": "Summary",
    "WindowsShape": "Windows",
}
HEAD = '''"""What the API answers, as types. Written from its OpenAPI document; do not edit by hand.

Times are text in RFC 3339, UTC; values are in base units. A Plimsoll that is newer may answer with
more members than stand here.
"""

from typing import Any, TypedDict
'''
PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}
Schema = Mapping[str, Any]


def name_of(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return NAMES.get(name, name)


def type_of(one: Schema, schemas: Schema) -> str:
    if "$ref" in one:
        target = schemas[one["$ref"].rpartition("/")[2]]
        return "str" if "enum" in target else name_of(one["$ref"])
    if "anyOf" in one:
        found = dict.fromkeys(type_of(each, schemas) for each in one["anyOf"])
        return " | ".join(found)
    kind = one.get("type")
    if kind == "null":
        return "None"
    if kind == "array":
        return f"list[{type_of(one['items'], schemas)}]"
    if kind == "object":
        inner = one.get("additionalProperties", True)
        return f"dict[str, {type_of(inner, schemas) if isinstance(inner, Mapping) else 'Any'}]"
    return PLAIN.get(str(kind), "Any")


def referred(one: Any, schemas: Schema) -> Iterator[str]:
    """The shapes that a schema mentions."""
    if isinstance(one, Mapping):
        if "$ref" in one:
            yield one["$ref"].rpartition("/")[2]
        for inner in one.values():
            yield from referred(inner, schemas)
    elif isinstance(one, list):
        for inner in one:
            yield from referred(inner, schemas)


def rendered(schemas: Schema) -> str:
    """The module: shapes before those that mention them."""
    written: list[str] = []
    parts = [HEAD]

    def write(name: str) -> None:
        schema = schemas[name]
        if name in written or "enum" in schema:
            return
        written.append(name)
        for inner in referred(schema, schemas):
            write(inner)
        lines = [f"class {name_of(name)}(TypedDict):"]
        lines.append(f'    """{schema["description"].strip().partition(chr(10))[0]}"""\n')
        for member, one in schema["properties"].items():
            lines.append(f"    {member}: {type_of(one, schemas)}")
            told = " ".join(str(one.get("description", "")).split())
            if told:
                quoted = textwrap.wrap(f'"""{told}"""', 96)
                lines += [f"    {line}" for line in quoted]
        parts.append("\n".join(lines) + "\n")

    for name in NAMES:
        write(name)
    return "\n\n".join(parts)


def test_the_clients_shapes_are_those_of_the_api(asked: Client) -> None:
    schemas = asked.get("/api/v1/openapi.json").json()["components"]["schemas"]
    fresh = rendered(schemas)
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN"):
        ANSWERS.write_text(fresh, encoding="utf-8")
    assert ANSWERS.read_text(encoding="utf-8") == fresh
