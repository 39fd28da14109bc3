"""Dashboards of records: their SQL on a real PostgreSQL, their columns in the real REST API."""

import json
import re
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import pytest
from psycopg.rows import dict_row
from pydantic import BaseModel

from api.routes.deployments import DeploymentsAsked
from api.routes.regressions import RegressionsAsked
from api.shapes import DeploymentShape, RegressionShape
from dashboards.config import DashboardsConfig
from dashboards.normalise import normalise
from dashboards.records import REST, SQL, Records, dashboard
from dashboards.sheets import dashboards
from detector.tables import DeploymentRow, RegressionRow
from storage.state import State
from tests.alerts.incidents import CART
from tests.api.shop import NOW_MS, deployment
from tests.postgres import Postgres

URL = "https://plimsoll.example.org"


def made(kind: Records) -> dict[str, Any]:
    return normalise(dashboard(kind, URL))


def test_they_are_written_only_when_they_are_asked_for() -> None:
    assert not [one for one in dashboards([], DashboardsConfig()) if "records" in one.uid]
    both = DashboardsConfig(records=("postgresql", "infinity"))
    found = [one.uid for one in dashboards([], both) if "records" in one.uid]
    assert found == ["plimsoll-records-postgresql", "plimsoll-records-infinity"]


@pytest.mark.parametrize("kind", Records)
def test_every_panel_asks_the_chosen_source_and_nothing_of_prometheus(kind: Records) -> None:
    found = made(kind)
    [source, _] = found["templating"]["list"]
    for panel in found["panels"]:
        [target] = panel["targets"]
        assert panel["datasource"] == target["datasource"]
        assert target["datasource"] == {"type": source["query"], "uid": "${datasource}"}
        assert panel["title"]
        assert panel["description"]
    assert found["editable"] is False
    assert "prometheus" not in json.dumps(found)


def filled(sql: str, since: datetime, until: datetime) -> str:
    """The query as Grafana's PostgreSQL data source sends it."""
    span = f"'{since.isoformat()}' AND '{until.isoformat()}'"
    return re.sub(r"\$__timeFilter\((.*)\)$", rf"\1 BETWEEN {span}", sql, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def kept(postgres_server: Postgres) -> str:
    """A PostgreSQL that holds the state of a Plimsoll with a regression and a deployment."""
    address = postgres_server.database()
    state = State(address)
    state.migrate()
    with state.unit() as session:
        session.add(DeploymentRow(**asdict(deployment("shop", "2.7.1", NOW_MS))))
        session.add(RegressionRow.of(replace(CART, incident_id="")))
    state.close()
    with postgres_server.connected() as connection:
        connection.execute("CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
    return address.rpartition("/")[2]


@pytest.mark.parametrize("title", SQL)
def test_the_sql_runs_on_the_state_and_has_the_columns_that_the_table_styles(
    title: str, kept: str, postgres_server: Postgres
) -> None:
    at = datetime.fromtimestamp(CART.opened_ms / 1000, UTC)
    deployed = datetime.fromtimestamp(NOW_MS / 1000, UTC)
    with psycopg.connect(
        host="127.0.0.1", port=postgres_server.port, user="reader", dbname=kept
    ) as connection:

        def asked(since: datetime) -> list[dict[str, object]]:
            cursor = connection.cursor(row_factory=dict_row)
            sql = filled(SQL[title].strip(), since, since + timedelta(days=1))
            return cursor.execute(sql.encode()).fetchall()

        when = deployed if title.startswith("Deployments") else at
        [row] = asked(when - timedelta(hours=12))
        assert asked(when - timedelta(days=30)) == []
    expected = {"Regressions": {"id", "severity", "lasted"}, "Deployments": {"version"}}
    assert set(row) >= expected.get(title.split()[0], {"lasted"})


SHAPES: dict[str, tuple[type[BaseModel], type[BaseModel]]] = {
    "regressions": (RegressionShape, RegressionsAsked),
    "deployments": (DeploymentShape, DeploymentsAsked),
}


@pytest.mark.parametrize("title", REST)
def test_the_columns_and_parameters_are_those_of_the_rest_api(title: str) -> None:
    listing = REST[title]
    shape, parameters = SHAPES[listing.path]
    assert {selector for selector, _ in listing.columns.values()} <= set(shape.model_fields)
    [target] = [
        one
        for panel in made(Records.INFINITY)["panels"]
        if panel["title"] == title
        for one in panel["targets"]
    ]
    assert target["url"].startswith(f"${{plimsoll_url}}/api/v1/{listing.path}?")
    asked = dict(parse_qsl(target["url"].partition("?")[2]))
    asked["since"], asked["until"] = "2026-02-20T00:00:00.000Z", "2026-03-09T00:00:00.000Z"
    parameters.model_validate(asked)
