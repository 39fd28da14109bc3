"""How each page's commands are run, and the few that cannot be run here, each with its proof."""

import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.caches import redis_server
from tests.collector.postgres.watching import PRELOADED
from tests.grafana_fake import EDITOR, FakeGrafana
from tests.postgres import postgres
from tests.shown.stage import Place, Stage, Visit


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A command that is not run here: why, and the tests that hold what it says instead.

    `proofs` are like `tests/test_compose.py::test_what_the_stack_is_made_of`; there is always one.
    """

    page: str
    command: str  # how it begins
    reason: str
    proofs: tuple[str, ...]


ELSEWHERE = (
    Elsewhere(
        "README.md", "./scripts/run demo", "tells a story of two minutes",
        ("tests/api/test_demo.py::test_the_slowed_route_is_told_with_size_time_and_deployment",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "./scripts/run", "is run for README.md",
        ("tests/shown/test_commands.py::test_the_commands_of_a_page_do_what_it_says",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "./scripts/test", "is what runs this test",
        ("tests/test_docs.py::test_every_command_that_is_shown_exists",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "PLIMSOLL_REWRITE_GOLDEN=1", "would rewrite the golden files",
        ("tests/test_docs.py::test_every_command_that_is_shown_exists",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "./scripts/docs", "builds the whole site",
        ("tests/publishing/test_site.py::test_every_page_is_on_the_site",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "./scripts/audit", "asks services of vulnerabilities",
        ("tests/publishing/test_audit.py::test_the_locks_are_asked_for_by_the_real_tools",),
    ),
    Elsewhere(
        "CONTRIBUTING.md", "./scripts/release", "needs a clean checkout with its changes told",
        ("tests/publishing/test_release.py::test_a_clean_checkout_with_its_changes_is_fit",
         "tests/publishing/test_release.py::test_the_same_sources_make_the_same_release"),
    ),
    Elsewhere(
        "docs/upgrading.md", "uv tool install", "needs the wheels of a release",
        ("tests/publishing/test_release.py::"
         "test_installed_it_tells_its_version_and_takes_the_defaults",),
    ),
    Elsewhere(
        "docs/tutorial.md", "python3 -m venv .venv", "is there already",
        ("tests/test_packaging.py::test_the_client_needs_one_thing",),
    ),
    Elsewhere(
        "docs/tutorial.md", ".venv/bin/pip install", "asks the package index",
        ("tests/test_packaging.py::test_the_client_needs_one_thing",),
    ),
    Elsewhere(
        "client/README.md", "pip install", "asks the package index",
        ("tests/test_packaging.py::test_the_client_needs_one_thing",),
    ),
    Elsewhere(
        "client/README.md", "PLIMSOLL_TOKEN=...", "asks a server of an example",
        ("client/client_tests/test_deployments.py::"
         "test_the_command_reports_with_the_token_of_the_environment",),
    ),
    Elsewhere(
        "docs/benchmarks.md", ".venv/bin/python -m benchmarks start", "measures for minutes",
        ("tests/test_docs.py::test_every_benchmark_is_documented",),
    ),
    Elsewhere(
        "docs/benchmarks.md", "PYTHONPATH=client:. PEERS/bin/python", "needs peers",
        ("tests/test_docs.py::test_every_benchmark_is_documented",),
    ),
    Elsewhere(
        "docs/dashboards.md", "POSTGRES_PASSWORD=any-text docker", "needs a container engine",
        ("tests/test_compose.py::test_a_service_has_only_keys_of_the_specification",
         "tests/test_compose.py::test_nobody_starts_with_an_empty_password"),
    ),
    Elsewhere(
        "docs/prometheus-rules.md", "promtool test rules", "takes four CPU-seconds, once is enough",
        ("tests/dashboards/test_rules.py::"
         "test_every_shipped_alert_fires_on_one_series_and_stays_quiet_on_another",),
    ),
    Elsewhere(
        "docs/command-line.md", "plimsoll databases", "asks about a PostgreSQL target",
        ("tests/api/test_listing_commands.py::test_what_is_stored_is_listed",
         "tests/api/test_listing_commands.py::test_statements_are_listed_with_what_they_took"),
    ),
    Elsewhere(
        "docs/web-vitals-beacon.md", "cd beacon && npm ci", "asks the package index",
        ("tests/beacon/test_build.py::test_what_ships_is_what_the_sources_make",),
    ),
)  # fmt: skip


def elsewhere(page: str, command: str) -> Elsewhere | None:
    """Where a command is held if not here."""
    return next(
        (one for one in ELSEWHERE if one.page == page and command.startswith(one.command)), None
    )


def ready(path: str) -> Callable[[Visit], bool]:
    """Until the page's own Plimsoll answers there."""
    return lambda visit: visit.answers(path)


def application(visit: Visit) -> bool:
    """Until the page's application answers."""
    return visit.answers("/metrics", visit.ports["application"])


def asked_often(visit: Visit) -> bool:
    """Until the application was asked a few times."""
    import httpx

    page = httpx.get(f"http://127.0.0.1:{visit.ports['application']}/metrics", trust_env=False)
    return 'route="/cart/{cart_id}"' in page.text


def said(*words: str) -> Callable[[Visit], bool]:
    """Until the command has printed them."""
    return lambda visit: all(one in visit.output.read_text() for one in words)


# --- servers -----------------------------------------------------------------------------------


def stock(stage: Stage, configuration: dict[str, Any]) -> None:
    """A Redis whose role is the one that the page names."""

    def start() -> AbstractContextManager[Any]:
        return redis_server(stage.folder / "redis")

    for one in configuration.get("collector", {}).get("redis", ()):
        server = stage.server("redis", start)
        server.client.execute_command(
            "ACL", "SETUSER", "plimsoll", "on", ">open-sesame", "~*", "&*", "+@all"
        )
        one["address"] = server.address
    for one in configuration.get("collector", {}).get("memcached", ()):
        one["address"] = "127.0.0.1:1"


def database(stage: Stage, configuration: dict[str, Any]) -> None:
    """A PostgreSQL in which an administrator has not yet run the SQL."""

    def start() -> AbstractContextManager[Any]:
        return postgres(*PRELOADED)

    for one in configuration.get("collector", {}).get("postgres", ()):
        server = stage.server("postgres", start)
        # The server of the test belongs to a role with the name that the page gives the watcher.
        one.update({"host": "127.0.0.1", "port": server.port, "user": "watcher"})
        one.pop("ca_file", None)  # nothing here speaks TLS
        with server.connected() as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", [one["database"]]
            ).fetchone():
                connection.execute(f"CREATE DATABASE {one['database']}".encode())
                connection.execute("CREATE ROLE plimsoll_administrator SUPERUSER LOGIN")


def administrator(visit: Visit, printed: str) -> None:
    """Run printed SQL with psql, as the page tells to."""
    server = visit.stage.started["postgres"]
    address = f"host=127.0.0.1 port={server.port} user=plimsoll_administrator dbname=shop"
    ran = subprocess.run(
        ["psql", "-qX", "-v", "ON_ERROR_STOP=1", address],
        input=printed, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr


def grafana(stage: Stage, configuration: dict[str, Any]) -> None:
    """A Grafana that knows the token of the page."""
    section = configuration.get("dashboards", {}).get("grafana")
    if section is not None:
        section["url"] = stage.server("grafana", FakeGrafana).url
        assert Path(section["token_file"]).read_text() == EDITOR


def redis_cli(visit: Visit) -> None:
    """The command line of Redis, on the server of the page."""
    port = visit.stage.started["redis"].port
    program = visit.stage.folder / "venv/bin/redis-cli"
    program.write_text(f'#!/bin/sh\nexec /usr/bin/redis-cli -p {port} "$@"\n')
    program.chmod(0o755)


def application_file(visit: Visit) -> None:
    """An application as README's first example has it."""
    (visit.folder / "application.py").write_text(
        "from fastapi import FastAPI\n"
        "from plimsoll_client.exposition import metrics_app\n"
        "from plimsoll_client.middleware import RequestMetrics\n"
        "app = FastAPI()\napp.add_middleware(RequestMetrics)\n"
        'app.add_route("/metrics", metrics_app())\n'
    )


def without_npm_registry(visit: Visit) -> None:
    """A folder of an application, for npm; what is installed asks no registry."""
    (visit.folder / "package.json").write_text('{"name": "pages", "version": "1.0.0"}\n')
    (visit.folder / ".npmrc").write_text("offline=true\naudit=false\nfund=false\n")


CACHES = Place(configured_by="docs/collectors.md", adjusted=stock, before={"redis-cli": redis_cli})
SIMPLE = Place()
PLACES: Mapping[str, Place] = {
    "README.md": Place(own=True, until={r"^\./scripts/run$": ready("/readyz")}),
    "CONTRIBUTING.md": SIMPLE,
    "client/README.md": Place(
        own=True,
        before={"uvicorn application": application_file},
        until={"uvicorn application": application},
    ),
    "docs/access.md": SIMPLE,
    "docs/alerts.md": SIMPLE,
    "docs/before-you-enable-a-rule.md": SIMPLE,
    "docs/benchmarks.md": SIMPLE,
    "docs/collectors.md": CACHES,
    "docs/command-line.md": SIMPLE,
    "docs/dashboards.md": Place(adjusted=grafana),
    "docs/http-api.md": Place(until={"/api/v1/stream": said("event:")}),
    "docs/operations.md": SIMPLE,
    "docs/postgresql.md": Place(
        adjusted=database, after={"^plimsoll setup postgres main$": administrator}
    ),
    "docs/prometheus-rules.md": SIMPLE,
    "docs/tutorial.md": Place(
        own=True,
        until={
            "uvicorn shop:app": application,
            "while true": asked_often,
            "plimsoll run": ready("/readyz"),
        },
    ),
    "docs/upgrading.md": SIMPLE,
    "docs/web-vitals-beacon.md": Place(before={"npm install": without_npm_registry}),
}


def place(page: str) -> Place | None:
    """Where the commands of a page are run; all runbooks are read beside the same servers."""
    return CACHES if page.startswith("docs/runbooks/") else PLACES.get(page)
