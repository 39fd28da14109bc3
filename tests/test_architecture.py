"""The walls of the house: who may import whom, who reads the clock, who knows the outside."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
ROOMS = ("alerts", "api", "collector", "dashboards", "detector", "storage")
CLIENT = "client/plimsoll_client"
CLOCK = "api/loops.py"
NO_ROOM_NAMES = {"base", "common", "core", "helpers", "lib", "manager", "misc", "service", "utils"}

# What touches the outside, and the files that may. Everything else gets it handed in.
ADAPTERS = {
    "alembic": {"storage"},
    "duckdb": {
        "storage/duck.py",
        "storage/duckfile.py",
        "storage/window_rows.py",
        "api/exporting.py",
        "api/routes/health.py",  # health asks whether it answers
    },
    "authlib": {"api/access/oidc.py"},
    "joserfc": {"api/access/oidc.py"},
    "fastapi": {"api"},
    "grafanalib": {"dashboards"},
    "httpx": {
        "collector/scrape.py",
        "dashboards/grafana.py",
        "storage/prometheus.py",
        "api/access/oidc.py",
        "api/acting.py",
        "api/demo",
        "api/explain.py",
        "api/replaying.py",
        f"{CLIENT}/api_async.py",
        f"{CLIENT}/api_sync.py",
        f"{CLIENT}/conversation.py",
        f"{CLIENT}/deployments.py",
    },
    "jinja2": {"api/pages/render.py"},
    "matplotlib": {"alerts/chart.py", "api/reference/pictures.py"},  # in processes that end
    "psutil": {"collector/host.py"},
    # SQLAlchemy loads it by the address.
    "psycopg": {"api/demo/stores.py", "collector/postgres/connection.py"},
    "rich": {
        "api/acting.py",
        "api/collecting.py",
        "api/addressing.py",
        "api/demo/story.py",
        "api/explaining.py",
        "api/grafana.py",
        "api/main.py",
        "api/preparing.py",
        "api/progress.py",
        "api/reference/interfaces.py",
        "api/replaying.py",
        "api/setup.py",
        "api/silencing.py",
        "api/incident_commands.py",
        "api/slack.py",
        "api/token_commands.py",
    },
    "slack_sdk": {
        "alerts/notifiers/slack.py",
        "alerts/notifiers/slack_answers.py",
        "alerts/notifiers/slack_checkup.py",
        "alerts/notifiers/slack_client.py",
        "alerts/notifiers/slack_presses.py",
    },
    "starlette": {"api"},
    "typer": {
        "api/acting.py",
        "api/collecting.py",
        "api/addressing.py",
        "api/beacon.py",
        "api/database_commands.py",
        "api/explaining.py",
        "api/grafana.py",
        "api/listing.py",
        "api/main.py",
        "api/preparing.py",
        "api/reference/interfaces.py",
        "api/replaying.py",
        "api/setup.py",
        "api/silencing.py",
        "api/incident_commands.py",
        "api/slack.py",
        "api/summary_command.py",
        "api/token_commands.py",
    },
    "uvicorn": {"api/direct.py", "api/serve.py", "api/demo/shop.py"},
}
# Imported by name, declared by the distribution that brings and pins them.
BROUGHT = {
    "annotated_types": "pydantic",
    "attr": "grafanalib",
    "h11": "uvicorn",
    "markupsafe": "jinja2",
    "plimsoll_client": "plimsoll-client",
    "pydantic_core": "pydantic",
    "sqlalchemy": "sqlmodel",
    "starlette": "fastapi",
}
CLOCK_READERS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "gmtime", "localtime", "ctime", "asctime", "strftime"},
}


def sources(*folders: str) -> list[str]:
    """The Python files below these folders, as paths from the root."""
    found = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert found
    return sorted(str(file.relative_to(ROOT)) for file in found)


def parsed(file: str) -> ast.Module:
    """A file as a tree."""
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def imports(file: str) -> Iterator[str]:
    """The top-level names that a file imports from elsewhere."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (one.name.partition(".")[0] for one in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


def clock_reads(tree: ast.Module) -> Iterator[int]:
    """The lines on which a tree reads the clock; durations (`perf_counter`) are no clock."""
    bare = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "time"
        for alias in node.names
        if alias.name in CLOCK_READERS["time"]
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if node.attr in CLOCK_READERS.get(name, ()):
                yield node.lineno
        elif isinstance(node, ast.Name) and node.id in bare:
            yield node.lineno


def test_the_import_contracts_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It sets logging up for itself, which silences every logger there is: ours would stay silent
    # in all tests after this one.
    monkeypatch.setattr("importlinter.cli._configure_logging", lambda verbose: None)
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)

    assert status == 0, capsys.readouterr().out


def test_every_room_is_under_contract() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    walled = {one["containers"][0] for one in declared["contracts"] if "containers" in one}

    assert walled >= {*ROOMS, "plimsoll_client"}


def test_only_the_loops_read_the_clock() -> None:
    reads = {file: list(clock_reads(parsed(file))) for file in sources(*ROOMS)}

    assert [file for file, lines in reads.items() if lines] == [CLOCK]


@pytest.mark.parametrize(
    "program",
    [
        "from datetime import datetime, UTC\ndatetime.now(UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "import datetime\ndatetime.date.today()",
        "import time\ntime.time()",
        "from time import time\ntime()",
        "from time import time_ns as clock\nread = clock",
    ],
)
def test_the_scan_sees_the_clock_in_any_spelling(program: str) -> None:
    assert list(clock_reads(ast.parse(program))) == [2]


def test_the_scan_leaves_stopwatches_alone() -> None:
    program = "from time import perf_counter, monotonic\nimport time\nperf_counter() - monotonic()"

    assert list(clock_reads(ast.parse(f"{program}\ntime.sleep(1)"))) == []


@pytest.mark.parametrize("room", [*ROOMS, CLIENT])
def test_the_door_of_a_room_holds_only_what_the_room_is(room: str) -> None:
    door = parsed(f"{room}/__init__.py")

    assert ast.get_docstring(door)
    assert len(door.body) == 1


def test_nothing_is_printed() -> None:
    printing = [
        f"{file}:{node.lineno}"
        for file in sources(*ROOMS, CLIENT)
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Name) and node.id == "print"
    ]

    assert printing == []


def test_no_drawer_for_everything() -> None:
    parts = {part for file in sources(*ROOMS, CLIENT) for part in Path(file).with_suffix("").parts}

    assert not parts & NO_ROOM_NAMES


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_outside_is_known_only_to_its_adapters(name: str) -> None:
    users = {file for file in sources(*ROOMS, CLIENT) if name in imports(file)}
    allowed = ADAPTERS[name]

    strangers = {
        file
        for file in users
        if not any(file == place or file.startswith(f"{place}/") for place in allowed)
    }
    unused = {
        place
        for place in allowed
        if not any(file == place or file.startswith(f"{place}/") for file in users)
    }
    assert (strangers, unused) == (set(), set())


def test_everything_imported_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    every = [*project["dependencies"], *(one for extra in extras for one in extra)]
    declared = {named(one) for one in every}
    provided = packages_distributions()
    own = {*ROOMS, *sys.stdlib_module_names}
    strangers = [
        f"{file} imports {name}"
        for file in sources(*ROOMS)
        for name in sorted(set(imports(file)) - own)
        if not set(map(named, [BROUGHT.get(name, name), *provided.get(name, [])])) & declared
    ]

    assert strangers == []


def named(requirement: str) -> str:
    """The distribution of a requirement in one spelling, without versions and extras."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found is not None
    return found[0].lower().replace("_", "-")


def test_tests_are_a_package_all_the_way_down() -> None:
    folders = {file.parent for file in (ROOT / "tests").rglob("*.py")}

    assert [str(one) for one in folders if not (one / "__init__.py").is_file()] == []
