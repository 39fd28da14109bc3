"""The threat model names the tests that hold each attacker: they are there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.app import create_app
from tests.api.shop import close, empty_house

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
ADDRESS = re.compile(r"(^|_)(url|uri|address|host|callback|webhook|endpoint|proxy)(_|$)")
# Stored as links for people; nothing is ever asked there.
LINKS = {("DeploymentPosted", "url")}


def test_every_test_that_is_named_is_there() -> None:
    named = set(re.findall(r"`(test_[a-z0-9_]+)`", PAGE))
    tests = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "client").rglob("test_*.py")]
    defined = {
        name
        for file in tests
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }

    assert len(named) > 60
    assert named - defined == set()


def test_every_attacker_has_what_is_left_open() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[3:]

    assert len(sections) >= 10
    assert [one.splitlines()[0] for one in sections if "**Open.**" not in one] == []
    assert [one.splitlines()[0] for one in sections if "proved by |" not in one] == []


def test_no_request_names_an_address(tmp_path: Path) -> None:
    house = empty_house(tmp_path)
    try:
        document = create_app(house).openapi()
    finally:
        close(house)
    taken = list(parameters(document)) + list(bodies(document))

    assert len(taken) > 60
    found = {one for one in taken if ADDRESS.search(one[1])}
    assert found == LINKS


def parameters(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every parameter in a path, query or header, with where it is taken."""
    shared = document["components"]["parameters"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for one in operation.get("parameters", ()):
                named = shared[one["$ref"].rpartition("/")[2]] if "$ref" in one else one
                yield f"{method} {path}", named["name"]


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Every member of a body that is taken, with the shape it stands in."""
    shapes = document["components"]["schemas"]
    waiting = [
        content["schema"]
        for methods in document["paths"].values()
        for operation in methods.values()
        for content in operation.get("requestBody", {}).get("content", {}).values()
    ]
    seen: set[str] = set()
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, list):
            waiting += schema
        elif isinstance(schema, dict):
            name = str(schema.get("$ref", "")).rpartition("/")[2]
            if name and name not in seen:
                seen.add(name)
                for member in shapes[name].get("properties", {}):
                    yield name, member
                waiting.append(shapes[name])
            waiting += [value for key, value in schema.items() if key != "$ref"]
