"""The words of the house, true to the code: what is generated, named, linked and shown."""

import ast
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import generate_latest
from pydantic import BaseModel
from starlette.routing import Route

from api.app import ROUTERS
from api.document import Document
from api.faults import FORMS
from api.main import app as commands
from api.panels import signal_panels
from api.reference import __main__ as reference
from api.reference import reasons
from api.reference.interfaces import HOUSE_LABELS, empty_house
from api.settings import SECTIONS, build, load
from benchmarks.__main__ import available
from collector.host import readings
from dashboards.config import DashboardsConfig
from dashboards.run import contents
from detector import baseline, deployments, increase
from detector.config import DetectorConfig, shipped
from detector.rule import Rule
from storage.config import StorageConfig
from tests.api.shop import close, shop_house

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
TOP = {one.name for one in ROOT.iterdir() if not one.name.startswith(".")}
FENCE = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SECRETS = {
    "slack-token": "xoxb-1-2-three",
    "slack-webhook": "https://hooks.slack.com/services/T/B/x",
}
ENVIRONMENT = {"OIDC_SECRET": "secret", "STOCK_PASSWORD": "secret", "SLACK_TOKEN": "xoxb-1-2-three"}


def text(page: Path) -> str:
    """A page as it stands."""
    return page.read_text(encoding="utf-8")


def named(page: Path) -> str:
    """A page's name for messages."""
    return str(page.relative_to(ROOT))


def blocks(kind: str) -> list[Any]:
    """Every fenced block of a kind, with where it stands."""
    return [
        pytest.param(found["text"], id=f"{named(page)}-{number}")
        for page in PAGES
        for number, found in enumerate(FENCE.finditer(text(page)), 1)
        if found["kind"] == kind
    ]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", text(page))


# --- what is generated -------------------------------------------------------------------------


def test_the_generated_parts_are_fresh() -> None:
    found = {named(page): names for page, (_, names) in reference.stale(DOCS).items()}

    assert found == {}, "run `python -m api.reference` and commit what it wrote"


def test_every_part_stands_on_some_page() -> None:
    used = {found["name"] for page in PAGES for found in reference.PART.finditer(text(page))}

    assert used == set(reference.PARTS)


def test_a_stale_part_is_found_and_renewed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("by hand\n<!-- generated: verdicts -->\noutdated\n<!-- end -->\nby hand\n")

    ((renewed, names),) = reference.stale(tmp_path).values()

    assert names == ["verdicts"]
    assert renewed.startswith("by hand\n")
    assert renewed.endswith("<!-- end -->\nby hand\n")
    assert "outdated" not in renewed
    assert "| `steady` |" in renewed


def test_the_command_says_what_is_stale_and_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    page = docs / "page.md"
    page.write_text("<!-- generated: verdicts -->\n<!-- end -->\n")
    monkeypatch.setattr(reference, "DOCS", docs)

    assert reference.main(["--check"]) == 1
    assert "stale: docs/page.md (verdicts)" in capsys.readouterr().out
    assert "steady" not in page.read_text()
    assert reference.main([]) == 0
    assert "rewritten: docs/page.md" in capsys.readouterr().out
    assert "steady" in page.read_text()
    assert reference.main(["--check"]) == 0
    assert reference.main(["--colour"]) == 2


def test_every_reason_is_described() -> None:
    tables = [value for value in vars(reasons).values() if isinstance(value, dict) and value]
    described: list[tuple[type[StrEnum], set[Any]]] = [
        (type(member), set(table))
        for table in tables
        for member in list(table)[:1]
        if isinstance(member, StrEnum)
    ]

    assert len(described) >= 6
    for enumeration, members in described:
        assert members == set(enumeration)


# --- what is declared is documented ------------------------------------------------------------


def keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """The keys of a model by its JSON schema, which is another way to them than the reference's."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    definitions = schema.get("$defs", {})

    told: set[str] = set()

    def below(node: Mapping[str, Any], path: str) -> Iterator[str]:
        name = node.get("$ref", "").rpartition("/")[2]
        if name and name not in told:  # a trigger may hold triggers, and is told once
            told.add(name)
            yield from below(definitions[name], path)
        for inner in (*node.get("anyOf", ()), *node.get("allOf", ())):
            yield from below(inner, path)
        if node.get("type") == "array":
            yield from below(node["items"], f"{path}[]")
        for name, value in node.get("properties", {}).items():
            key = f"{path}.{name}" if path else name
            yield key
            yield from below(value, key)

    yield from below(schema, prefix)


def test_every_key_of_the_configuration_is_documented() -> None:
    page = text(DOCS / "configuration.md")
    declared = [key for name, model in SECTIONS.items() for key in keys(model, name)]
    declared += [*keys(Rule)]
    for model in FORMS.values():
        # The JSON schema of a selector is a plain text, so forms are read by their fields.
        declared += [name for name in model.model_fields if name != "form"]

    assert len(declared) > 60
    assert [key for key in declared if f"| `{key}` |" not in page] == []


def test_every_form_is_documented() -> None:
    page = text(DOCS / "configuration.md")

    assert [name for name in FORMS if f"`form: {name}`" not in page] == []


def test_every_fault_of_the_configuration_is_explained() -> None:
    def plain(told: str) -> str:
        return re.sub(r"'[^'\s]*'|\d+", "", " ".join(told.split()))

    page = plain(text(DOCS / "configuration.md"))
    faults = sorted((ROOT / "tests/config/bad").glob("*.yaml"))
    assert len(faults) > 40
    for file in faults:
        _, reason, _ = ["", *text(file).splitlines()[0][1:].split("::")][-3:]
        assert plain(reason) in page, f"{file.name}: {reason}"


def test_every_signal_and_rule_that_ships_is_documented() -> None:
    page = text(DOCS / "how-detection-works.md")
    names = [name for kind in shipped() for name in kind]

    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_every_address_is_documented() -> None:
    page = text(DOCS / "http-api.md")
    with empty_house() as (_, app):
        routes = [one for one in app.routes if isinstance(one, Route)]
        documented = {
            f"`{method.upper()} {path}`"
            for path, operations in app.openapi()["paths"].items()
            for method in operations
        }
    routes += [one for router in ROUTERS for one in router.routes if isinstance(one, Route)]
    served = {
        f"`{method} {one.path}`" for one in routes for method in (one.methods or set()) - {"HEAD"}
    }

    assert documented <= served
    assert [one for one in sorted(served) if one not in page] == []


def test_every_command_is_documented() -> None:
    page = text(DOCS / "command-line.md")

    def names(command: Any, path: str) -> Iterator[str]:
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from names(inner, f"{path} {name}")

    found = list(names(typer.main.get_command(commands), "plimsoll"))
    assert "plimsoll dashboards write" in found
    assert [one for one in found if f"### `{one}`" not in page] == []


@pytest.fixture(scope="module")
def documented_metrics() -> dict[str, str]:
    """The labels of each metric as the page has them."""
    rows = re.findall(r"^\| `(\w+)` \| \w+ \| (.*?) \|", text(DOCS / "metrics.md"), re.MULTILINE)
    return dict(rows)


def test_every_metric_is_documented_with_its_labels(
    documented_metrics: dict[str, str], tmp_path: Path
) -> None:
    house = shop_house(tmp_path, days=1)
    try:
        with_values = {
            sample.name: set(sample.labels)
            for family in house.registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
        page = generate_latest(house.registry).decode()
    finally:
        close(house)

    assert "plimsoll_judgements_total" in page
    for name, labels in with_values.items():
        known = next(
            (one for one in (name, re.sub("_(bucket|sum|count)$", "", name))
             if one in documented_metrics), "",
        )  # fmt: skip
        assert known, name
        told = set(re.findall(r"`(\w+)`", documented_metrics[known]))
        assert told <= labels - {"le"} if known in HOUSE_LABELS else told == labels - {"le"}, name


def test_what_is_told_of_this_machine_is_documented() -> None:
    page = text(DOCS / "metrics.md")
    rows = re.findall(r"^\| `((?:host|container)_\w+)` \| (.*?) \|", page, re.MULTILINE)
    documented = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    source = ast.parse(text(ROOT / "collector/host.py"))
    written = {
        node.value
        for node in ast.walk(source)
        if isinstance(node, ast.Constant)
        and re.fullmatch("(host|container)_[a-z0-9_]+", str(node.value))
    }

    assert set(documented) == written
    for name, labels, _ in readings(Path("/")):
        assert documented[name] == set(labels), name


def test_every_file_for_grafana_is_documented() -> None:
    page = text(DOCS / "dashboards.md")
    signals = signal_panels(build(Document()).definitions)
    files = contents(Path("grafana"), signals, DashboardsConfig())

    assert [str(one) for one in files if f"| `{one}` |" not in page] == []


def test_every_benchmark_is_documented() -> None:
    page = text(DOCS / "benchmarks.md")

    assert [name for name in available() if f"benchmarks {name}`" not in page] == []


# --- what is named, linked and shown is there --------------------------------------------------


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", text(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_path_that_is_named_exists(page: Path) -> None:
    for word in re.findall(r"`([\w./*-]+)`", prose(page)):
        path = word.removeprefix("./").rstrip("/")
        first = path.split("/")[0]
        if "/" not in path or first not in TOP or "NAME" in path:
            continue
        assert list(ROOT.glob(path)), word


def test_the_house_is_spoken_of_without_its_builders() -> None:
    for page in PAGES:
        assert not re.search(r"(?<![\w.])/(work|tmp|home|root)/", text(page)), named(page)


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """A folder in which every file that an example names is there."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in ("shop-token", "ca.pem", "state-url", "chain.pem", "key.pem"):
        (folder / name).write_text("x")
    for name, secret in SECRETS.items():
        (folder / name).write_text(secret)
    return folder


def loaded(document: str, secrets: Path) -> None:
    """Load a configuration as `plimsoll check` does, with its secrets in place."""
    file = secrets.parent / "plimsoll.yaml"
    file.write_text(document.replace("/etc/plimsoll", str(secrets)))
    load(file, ENVIRONMENT)


@pytest.mark.parametrize("block", blocks("yaml"))
def test_every_configuration_that_is_shown_loads(block: str, secrets: Path) -> None:
    assert block.startswith("# plimsoll.yaml\n"), "the first line says which file this is"

    loaded(block, secrets)


def test_the_example_loads(secrets: Path) -> None:
    loaded(text(ROOT / "plimsoll.example.yaml"), secrets)


def test_the_example_loads_with_all_that_is_commented_out(secrets: Path) -> None:
    lines = text(ROOT / "plimsoll.example.yaml").splitlines()
    keys_only = re.compile(r"^(\s*)# (\s*[a-z0-9_]+:.*)$")
    document = "\n".join(keys_only.sub(r"\1\2", line) for line in lines)
    shown = yaml.safe_load(document)
    assert {"collector", "rules", "alerts"} <= set(shown)
    assert "token_file" in shown["collector"]["targets"][0]

    loaded(document, secrets)


@pytest.mark.parametrize("block", blocks("python"))
def test_every_program_that_is_shown_runs(block: str) -> None:
    from fastapi import FastAPI

    program: dict[str, Any] = {"app": FastAPI()}
    exec(compile(block, "example", "exec"), program)

    assert "/metrics" in [getattr(route, "path", "") for route in program["app"].routes]


def shown_commands() -> Iterator[Any]:
    """Every command line of ours that a page shows, in blocks and in running text."""
    for page in PAGES:
        lines = [
            line for found in FENCE.finditer(text(page)) if found["kind"] == "sh"
            for line in found["text"].replace("\\\n", " ").splitlines()
        ]  # fmt: skip
        lines += re.findall(
            r"`((?:plimsoll|\./scripts/\w+|(?:\S*/)?python -m \S+) ?[^`]*)`", prose(page)
        )
        for line in lines:
            words = shlex.split(line, comments=True)
            while words and "=" in words[0]:
                words = words[1:]
            if words and re.search(r"(^|/)plimsoll$|^\./scripts/", words[0]):
                yield pytest.param(words, id=f"{named(page)}: {line.strip()}")


OF_THE_PROGRAM = {"-h", "--help", "--version"}


@pytest.mark.parametrize("words", list(shown_commands()))
def test_every_command_that_is_shown_exists(words: list[str]) -> None:
    program, *arguments = words
    if program == "./scripts/test":
        known = {"--all"} & set(re.findall(r"--[a-z]+", text(ROOT / "scripts/test")))
        assert all(one in known or (ROOT / one).exists() for one in arguments)
        return
    if program.startswith("./scripts/") and program != "./scripts/run":
        assert os.access(ROOT / program, os.X_OK)
        return
    if program == "./scripts/run":
        assert (ROOT / "scripts/run").is_file()
        of_run = not arguments or (arguments[0][0] == "-" and arguments[0] not in OF_THE_PROGRAM)
        arguments = ["run", *arguments] if of_run else arguments
    command: Any = typer.main.get_command(commands)
    while hasattr(command, "commands") and arguments and not arguments[0].startswith("-"):
        assert arguments[0] in command.commands, arguments
        command, arguments = command.commands[arguments[0]], arguments[1:]
    if hasattr(command, "commands"):
        return
    # Parses without running; a name alone, in running text, leaves its arguments out.
    command.make_context("plimsoll", arguments, resilient_parsing=not arguments)


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_module_that_is_started_exists(page: Path) -> None:
    for module in re.findall(r"python -m ([a-z_.]+)", text(page)):
        path = module.replace(".", "/")
        found = [*ROOT.glob(f"{path}.py"), *ROOT.glob(f"{path}/__main__.py")]
        assert found or module in ("venv",), module


def test_the_readme_is_short_up_to_the_first_regression() -> None:
    lines = text(ROOT / "README.md").splitlines()
    end = next(i for i, line in enumerate(lines) if line == "## Watch your own service")

    assert end < 60
    assert "./scripts/run demo" in lines[:end]


def test_the_figures_that_pages_tell_are_those_of_the_code() -> None:
    page = text(DOCS / "how-detection-works.md")
    kept = StorageConfig()

    assert (baseline.DAYS, baseline.DAYS_NEEDED, baseline.GAP_MS) == (7, 5, 3_600_000)
    assert deployments.BEFORE_MS == 30 * 60_000
    assert increase.LOOKBACK_MS == 5 * 60_000
    assert DetectorConfig().delay == 10
    for words in ("168 hours", "5 of the 7 days", "30 minutes", "five minutes", "Ten seconds"):
        assert words in page
    days = [one / 86_400 for one in (kept.keep_samples, kept.keep_windows, kept.keep_judgements)]
    assert days == [8, 35, 8]
