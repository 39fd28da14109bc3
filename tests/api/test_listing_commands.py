"""Commands that list what REST has: columns for people, JSON for scripts, faults in one line."""

import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from api import contract
from api.app import create_app
from api.columns import LONGEST, rest, said, table
from api.listing import within
from api.main import app
from collector.config import CollectorConfig
from tests.api import browsers, databases, machines
from tests.api.asking import HERE, Client
from tests.api.shop import close, empty_house

COLLECTOR = CollectorConfig.model_validate(
    {**browsers.COLLECTOR, **machines.COLLECTOR, **databases.COLLECTOR}
)
# What a person asks at a prompt has a command; of the rest it is said why not.
COMMANDS = {
    "/audit": "audit",
    "/backup": "backup",
    "/caches": "caches",
    "/configuration/check": "check",
    "/databases": "databases list",
    "/databases/{target}/indexes": "databases indexes",
    "/databases/{target}/queries": "databases queries",
    "/databases/{target}/tables": "databases tables",
    "/deployments": "deployments list",
    "/events": "events",
    "/incidents": "incidents list",
    "/incidents/{incident_id}": "incidents show",
    "/incidents/{incident_id}/chart.png": "incidents report",
    "/judgements": "judgements",
    "/maintenance": "maintenance start",
    "/notifications": "notifications list",
    "/queries": "databases queries",
    "/regressions": "regressions list",
    "/regressions/{regression_id}": "regressions show",
    "/regressions/{regression_id}/events": "events",
    "/replay": "replay",
    "/resources": "resources",
    "/routing": "routes test",
    "/rules": "signals explain",
    "/signals": "signals",
    "/signals/{name}": "signals explain",
    "/signals/{name}/series/{series}/explain": "explain",
    "/silences": "silences list",
    "/silences/{silence_id}/expire": "silences expire",
    "/summary": "summary",
    "/targets": "targets",
    "/tokens": "token list",
    "/tokens/{token_id}": "token revoke",
    "/web-vitals": "vitals",
}
WITHOUT = {
    "/caches/{target}": "one line of `caches`",
    "/configuration": "is the file, which is at hand",
    "/deployments/{deployment_id}": "one line of `deployments list`",
    "/deployments/{deployment_id}/changes": "is a page of comparisons; its address is told",
    "/itself": "is /metrics and the page `/itself`",
    "/receivers": "is the page of the routing tree",
    "/recommendations": "there are none to list yet",
    "/regressions/export": "is a file: the client's `save_regressions`, or curl",
    "/resources/{target}": "one line of `resources`",
    "/signals/{name}/windows": "is what a chart is drawn from",
    "/signals/{name}/windows/export": "is a file: the client's `save_windows`, or curl",
    "/silences/{silence_id}": "one line of `silences list`",
    "/silences/preview": "is asked while a silence is written, on its page",
    "/source": "`check` asks the source",
    "/stream": "is for programs: the client's `stream`",
    "/targets/{target}/figures": "is what a chart is drawn from",
    "/web-vitals/distribution": "is what a chart is drawn from",
    "/web-vitals/elements": "is the page of a route",
    "/web-vitals/releases": "is the page of a route",
    "/web-vitals/routes": "`vitals --by route`",
    "/web-vitals/shift": "is the page of a route",
    "/web-vitals/trend": "is what a chart is drawn from",
    "/whoami": "is for scripts that have a token: curl",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Databases, caches, machines and browsers, and no rule that fired."""
    house = empty_house(tmp_path_factory.mktemp("listing"), collector=COLLECTOR)
    for one in (browsers, machines, databases):
        one.fill(house)
    yield Client(create_app(house))
    close(house)


def run(patch: pytest.MonkeyPatch, client: Client, *words: str, code: int = 0) -> str:
    """What a command says of an application."""

    def request(method: str, url: str, **more: Any) -> httpx.Response:
        del more["timeout"], more["verify"]
        found: list[httpx.Response] = []
        # A thread of its own: the client runs an event loop for each request.
        path = url.removeprefix(HERE)
        worker = threading.Thread(target=lambda: found.append(client.request(method, path, **more)))
        worker.start()
        worker.join()
        return found[0]

    patch.setattr(httpx, "request", request)
    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


def rows(told: str) -> list[str]:
    return [" ".join(line.split()) for line in told.splitlines()]


LISTS = {
    "databases list": ["target state databases", "main pending shop 134 MiB"],
    "databases tables main": [
        "table database size rows dead seq scans index scans rows written covered",
        "public.orders shop 85.8 MiB 400000 4.76 % 22 - 1100 55 min",
        "public.customers shop 11.4 MiB 50000 4.76 % 22 - 1100 55 min",
    ],
    "databases tables main --sort rows --limit 1": [
        "table database size rows dead seq scans index scans rows written covered",
        "public.orders shop 85.8 MiB 400000 4.76 % 22 - 1100 55 min",
        "and 1 more: see --limit",
    ],
    "databases indexes main --usage unused": [
        "index table database size usage scans rows read covered",
        "orders_note public.orders shop 29.6 MiB unused 0 - 55 min",
    ],
    "databases tables main --table nobody": ["no such table is known"],
}


@pytest.mark.parametrize("words", LISTS)
def test_what_is_stored_is_listed(
    stored: Client, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert rows(run(monkeypatch, stored, *words.split())) == LISTS[words]


def test_statements_are_listed_with_what_they_took(
    stored: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, one = rows(run(monkeypatch, stored, "databases", "queries", "main", "--sort", "mean"))
    assert head.endswith("fingerprint statement")
    assert one.endswith(databases.TEXT)
    assert "200 ms" in one


def test_caches_machines_and_browsers_are_listed(
    stored: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches = rows(run(monkeypatch, stored, "caches"))
    assert caches[0] == "target open figures"
    assert "Cache hit rate 83 %" in next(one for one in caches if one.startswith("cache "))
    assert any(one.startswith("shop ") for one in rows(run(monkeypatch, stored, "resources")))
    shop = {"target": "shop"}
    disks: dict[str, Any] = {"series": [{"name": "/ shop"}, {"name": "/srv of shop"}]}
    assert [within(shop, disks, one) for one in disks["series"]] == [" (/)", " (/srv)"]
    assert within(shop, {"series": disks["series"][:1]}, disks["series"][0]) == ""
    vitals = rows(run(monkeypatch, stored, "vitals", "--metric", "LCP", "--app", "shop"))
    assert len(vitals) == 2
    assert vitals[1].startswith("shop LCP all all ")
    by = rows(run(monkeypatch, stored, "vitals", "--metric", "LCP", "--by", "route"))
    assert len(by) > 5


def test_what_happened_is_listed(asked: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    events = rows(run(monkeypatch, asked, "events", "--step", "opened"))
    assert events[0] == "at of step actor rule reason"
    assert all(" opened detector " in one for one in events[1:])
    assert all(re.match(r"2026-03-02 \d\d:\d\d:\d\d UTC ", one) for one in events[1:])
    judged = rows(run(monkeypatch, asked, "judgements", "--verdict", "regressed"))
    assert len(judged) > 1
    assert all(" regressed " in one for one in judged[1:])
    assert (
        " shop 2.7.1 production 9f1c2ab " in rows(run(monkeypatch, asked, "deployments", "list"))[1]
    )
    assert rows(run(monkeypatch, asked, "targets"))[1].startswith("host host pending ")
    assert rows(run(monkeypatch, asked, "audit")) == ["nobody changed anything"]


@pytest.mark.parametrize(
    "words",
    [
        "databases list",
        "databases queries main",
        "databases tables main",
        "databases indexes main",
        "targets",
        "events",
        "judgements",
        "deployments list",
        "vitals",
        "caches",
        "resources",
        "audit",
    ],
)
def test_every_list_is_json_for_scripts(
    stored: Client, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    assert "items" in json.loads(run(monkeypatch, stored, *words.split(), "--json"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("databases tables nobody", "There is no PostgreSQL target nobody."),
        ("databases tables main --sort colour", "?sort: "),
        ("vitals --by colour", "?by: "),
        ("events --since yesterday", "?since: "),
        ("judgements --verdict odd", "?verdict: "),
    ],
)
def test_a_fault_is_one_message_and_ends_with_1(
    stored: Client, monkeypatch: pytest.MonkeyPatch, words: str, told: str
) -> None:
    said = run(monkeypatch, stored, *words.split(), code=1)
    assert said.startswith("error: ")
    assert told in said
    assert "Traceback" not in said


def test_cells_stay_on_their_line() -> None:
    assert said("select *\n  from t") == "select * from t"
    assert said(None) == said("") == "-"
    assert len(said("x" * 500)) == LONGEST
    columns = [("one", lambda one: one["a"]), ("two", lambda one: one["b"])]
    assert list(table(columns, [{"a": "longer", "b": "x"}, {"a": "y", "b": "[red]"}])) == [
        "one     two",
        "longer  x",
        "y       [red]",
    ]
    assert list(rest({"items": [1], "next_cursor": "x"})) == ["and more: see --limit"]
    assert list(rest({"items": [1], "total": 1})) == []


def test_every_route_has_a_command_or_a_reason_why_not(stored: Client) -> None:
    paths = {
        path.removeprefix("/api/v1") for path, _, _ in contract.operations(stored.app.openapi())
    }
    acted = {one for one in paths if one.startswith("/regressions/{regression_id}/")}
    acted.discard("/regressions/{regression_id}/events")
    assert paths - acted == COMMANDS.keys() | WITHOUT.keys()
    known = set(names(get_command(app)))
    wanted = {one.rpartition("/")[2] for one in acted}
    assert {f"regressions {one}" for one in wanted} | set(COMMANDS.values()) <= known


def names(command: Any, before: str = "") -> Iterator[str]:
    """All commands, those of groups after the name of the group."""
    for name, inner in getattr(command, "commands", {}).items():
        yield f"{before}{name}"
        yield from names(inner, f"{before}{name} ")
