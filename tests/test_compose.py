"""compose.yaml, checked without a container engine: by the programs that read what it mounts.

What is not checked is that the images of others exist and do what their documentation says.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from api.demo.stores import InPostgres, InRedis
from api.main import app
from api.settings import load
from benchmarks._demo import psql
from collector.addresses import SystemResolver
from collector.config import CollectorConfig
from collector.postgres.config import PostgresTarget
from collector.postgres.source import Postgres as PostgresSource
from collector.source import Collected
from dashboards.config import DashboardsConfig
from dashboards.run import write
from tests.caches import redis_server
from tests.postgres import postgres
from tests.servers import promtool

ROOT = Path(__file__).parents[1]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ENVIRONMENT = {"POSTGRES_PASSWORD": "any-text"}
TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}

# Of the compose specification, what is used here; an unknown key is an error there too.
SERVICE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["image", "network_mode", "restart"],
    "properties": {
        "build": TEXT,
        "image": TEXT,
        "network_mode": {"const": "host"},
        "init": {"type": "boolean"},
        "restart": {"enum": ["no", "always", "on-failure", "unless-stopped"]},
        "user": TEXT,
        "entrypoint": TEXTS,
        "command": TEXTS,
        "environment": {"type": "object", "additionalProperties": TEXT},
        "volumes": TEXTS,
        "depends_on": {
            "oneOf": [
                TEXTS,
                {
                    "type": "object",
                    "additionalProperties": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["condition"],
                        "properties": {
                            "condition": {
                                "enum": [
                                    "service_started",
                                    "service_healthy",
                                    "service_completed_successfully",
                                ]
                            }
                        },
                    },
                },
            ]
        },
        "healthcheck": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "test": TEXTS,
                "interval": TEXT,
                "timeout": TEXT,
                "retries": {"type": "integer"},
            },
        },
    },
}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_only_keys_of_the_specification(name: str) -> None:
    faults = Draft202012Validator(SERVICE).iter_errors(SERVICES[name])
    assert [f"{fault.json_path}: {fault.message}" for fault in faults] == []


def test_what_the_stack_is_made_of() -> None:
    assert set(COMPOSE) == {"name", "x-ours", "services", "volumes"}
    assert {"plimsoll", "prometheus", "grafana", "postgres", "redis", "shop"} <= set(SERVICES)


def mounts() -> Iterator[tuple[str, str, str]]:
    """Service, source and target of each mount."""
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            yield name, source, target


def test_every_mounted_file_and_volume_is_there() -> None:
    for name, source, target in mounts():
        if source.startswith("."):
            assert (ROOT / source).is_file(), f"{name}: {source}"
        else:
            assert source in COMPOSE["volumes"], f"{name}: {source}"
        assert target.startswith("/")
    assert {source for _, source, _ in mounts() if source[0] != "."} == set(COMPOSE["volumes"])


def test_services_wait_for_services_that_are_there_and_can_be_waited_for() -> None:
    for service in SERVICES.values():
        for name in service.get("depends_on", []):
            waited = service["depends_on"]
            condition = waited[name]["condition"] if isinstance(waited, dict) else ""
            assert name in SERVICES
            assert condition != "service_healthy" or "healthcheck" in SERVICES[name]
            finished = condition == "service_completed_successfully"
            assert not finished or SERVICES[name]["restart"] == "no"


def test_everything_listens_on_loopback_and_no_two_on_one_port() -> None:
    """With the host's network an address that is left out would be every address."""
    said = {name: str(service) for name, service in SERVICES.items()}
    for name in ("prometheus", "postgres-exporter", "redis-exporter"):
        assert re.search(r"--web\.listen-address=127\.0\.0\.1:\d+", said[name])
    assert SERVICES["grafana"]["environment"]["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert "listen_addresses=127.0.0.1" in said["postgres"]
    assert "'--bind', '127.0.0.1'" in said["redis"]
    assert 'host="127.0.0.1"' in (ROOT / "api/demo/shop.py").read_text()
    listening = [
        r"listen-address=127\.0\.0\.1:(\d+)",
        r"'port=(\d+)'",
        r"'--port', '(\d+)'",
        r"HTTP_PORT': '(\d+)'",
        r"api\.demo\.shop'\], 'command': \['(\d+)'",
    ]
    ports = [
        port for one in said.values() for pattern in listening for port in re.findall(pattern, one)
    ]
    assert len(ports) == len(set(ports)) == 7
    assert "8750" not in ports


def test_plimsoll_takes_its_configuration_and_watches_what_runs() -> None:
    settings = load(ROOT / "compose/plimsoll.yaml", ENVIRONMENT)
    assert settings.server.is_loopback
    said = str(SERVICES)
    for target in settings.collector.targets:
        port = target.url.rpartition(":")[2].split("/")[0]
        assert port in said
    [server] = settings.collector.postgres
    [cache] = settings.collector.redis
    assert f"'port={server.port}'" in said
    assert f"'--port', '{cache.address.rpartition(':')[2]}'" in said
    assert ":15432/" in settings.storage.url()
    assert settings.dashboards.prometheus_url == "http://127.0.0.1:19090"


def test_the_command_check_takes_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTGRES_PASSWORD", "any-text")
    done = CliRunner().invoke(app, ["check", "--config", str(ROOT / "compose/plimsoll.yaml")])
    assert done.exit_code == 0, done.output
    assert "3 targets" in done.output


def test_the_shop_uses_the_servers_that_are_watched() -> None:
    given = SERVICES["shop"]["environment"]
    settings = load(ROOT / "compose/plimsoll.yaml", ENVIRONMENT)
    [server] = settings.collector.postgres
    asked = conninfo_to_dict(given["SHOP_POSTGRES"].partition(" password=")[0])
    assert (asked["port"], asked["dbname"]) == (str(server.port), server.database)
    assert given["SHOP_REDIS"] == settings.collector.redis[0].address


def test_what_redis_is_started_with_is_taken_and_tells_of_the_groups_of_keys(
    tmp_path: Path,
) -> None:
    command = SERVICES["redis"]["command"]
    with redis_server(tmp_path, *command[command.index("--save") :]) as server:
        known = server.client.config_get("maxmemory*") | server.client.config_get("notify*")
        assert known["maxmemory"] == str(2 * 2**20)
        assert known["maxmemory-policy"] == "allkeys-lru"
        assert set("Eexm") == set(known["notify-keyspace-events"])
        groups = load(ROOT / "compose/plimsoll.yaml", ENVIRONMENT).collector.redis[0].key_groups
        with closing(InRedis(server.address)) as pages:
            for number in range(400):
                pages.put(number, "page")
        assert server.client.info("stats")["evicted_keys"] > 0
        assert all(fnmatch(one, groups[0]) for one in server.client.keys("*"))


def test_what_is_generated_is_what_prometheus_and_grafana_are_told_to_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of the service `generate`, run here, and what they wrote, read as told."""
    monkeypatch.setenv("POSTGRES_PASSWORD", "any-text")
    [script] = SERVICES["generate"]["command"]
    commands = re.findall(r"^plimsoll (.*)$", script, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        here = command.replace("/generated", str(tmp_path))
        here = here.replace("/etc/plimsoll/plimsoll.yaml", str(ROOT / "compose/plimsoll.yaml"))
        done = CliRunner().invoke(app, here.split())
        assert done.exit_code == 0, done.output
    provisioning = tmp_path / "grafana/provisioning"
    sources = yaml.safe_load((provisioning / "datasources/prometheus.yaml.example").read_text())
    assert sources["datasources"][0]["url"] == "http://127.0.0.1:19090"
    provided = yaml.safe_load((provisioning / "dashboards/plimsoll.yaml").read_text())
    [provider] = provided["providers"]
    assert provider["options"]["path"] == "/generated/grafana/dashboards"
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (tmp_path / home.removeprefix("/generated/")).is_file()
    prometheus = (ROOT / "compose/prometheus.yml").read_text()
    file = tmp_path / "prometheus.yml"
    file.write_text(prometheus.replace("/generated", str(tmp_path)))
    said = promtool("check", "config", str(file))
    assert said.count("SUCCESS") > 10
    jobs = {job["job_name"]: job for job in yaml.safe_load(prometheus)["scrape_configs"]}
    assert jobs["plimsoll"]["honor_labels"]


def test_psql_takes_the_script_of_the_first_start_and_plimsoll_may_watch() -> None:
    """As the image runs it: by psql, as the superuser, the password in the environment."""
    with postgres("shared_preload_libraries=pg_stat_statements") as server:
        psql(server, ROOT / "compose/postgres.sql")
        settings = load(ROOT / "compose/plimsoll.yaml", ENVIRONMENT)
        [target] = settings.collector.postgres
        shop = f"host=127.0.0.1 port={server.port} dbname=shop user=shop password=any-text"
        with closing(InPostgres(shop)) as products:
            assert products.ask("SELECT count(*) FROM product") == [(500,)]
        collected = asyncio.run(
            once(target.model_copy(update={"port": server.port}), settings.collector)
        )
    assert [part.name for part in collected.parts if part.failure is not None] == []
    names = {labels.metric for labels in collected.samples.series}
    assert {"pg_statement_calls_total", "pg_database_blocks_hit_total"} <= names


async def once(target: PostgresTarget, config: CollectorConfig) -> Collected:
    """One run of the collector."""
    source = PostgresSource(target, config, SystemResolver())
    try:
        return await source.collect(1_772_452_800_000)
    finally:
        await source.close()


PROVIDER: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "type", "options"],
    "properties": {
        "name": TEXT,
        "type": {"const": "file"},
        "folder": TEXT,
        "allowUiUpdates": {"type": "boolean"},
        "disableDeletion": {"type": "boolean"},
        "updateIntervalSeconds": {"type": "integer", "minimum": 10},
        "options": {
            "type": "object",
            "additionalProperties": False,
            "required": ["path"],
            "properties": {"path": TEXT},
        },
    },
}
SOURCE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "type", "access", "url"],
    "properties": {
        "name": TEXT,
        "type": {"const": "prometheus"},
        "access": {"enum": ["proxy", "direct"]},
        "url": TEXT,
        "jsonData": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"httpMethod": {"enum": ["POST", "GET"]}, "timeInterval": TEXT},
        },
    },
}


def provisioning(kind: str, item: dict[str, Any]) -> Draft202012Validator:
    """A file of Grafana's provisioning: the keys of its documentation, of which we write these."""
    return Draft202012Validator(
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["apiVersion", kind],
            "properties": {
                "apiVersion": {"const": 1},
                kind: {"type": "array", "items": item, "minItems": 1},
            },
        }
    )


def test_the_provisioning_files_have_only_keys_that_grafana_documents(tmp_path: Path) -> None:
    write(tmp_path, [], DashboardsConfig())
    folder = tmp_path / "provisioning"
    provided = yaml.safe_load((folder / "dashboards/plimsoll.yaml").read_text())
    sources = yaml.safe_load((folder / "datasources/prometheus.yaml.example").read_text())
    for kind, item, content in (
        ("providers", PROVIDER, provided),
        ("datasources", SOURCE, sources),
    ):
        faults = provisioning(kind, item).iter_errors(content)
        assert [f"{one.json_path}: {one.message}" for one in faults] == []


def test_the_image_is_made_of_files_that_are_there_and_that_it_is_sent() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for name in sent:
        assert (ROOT / name).exists(), name
    rooms = re.search(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert rooms is not None
    needed = {*re.findall(r'"(\w+)"', rooms[1]), "client", "uv.lock", "pyproject.toml", "README.md"}
    assert needed <= sent
    version = re.search(r"UV_VERSION=(\S+)", (ROOT / "scripts/environment").read_text())
    assert version is not None
    assert f"ARG UV_VERSION={version[1]}" in dockerfile
    # Numbers, so that others can tell that it is not root.
    assert "\nUSER 8750:8750\n" in dockerfile


def test_what_is_told_to_stop_stops_though_it_is_the_first_process() -> None:
    """A first process has no default way to be ended: the demo's would be waited for and killed."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ours = [one for one in services.values() if one["image"] == "plimsoll:local"]
    assert len(ours) == 5
    assert all(one["init"] is True for one in ours)


def test_nobody_starts_with_an_empty_password() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", text)) == {
        "${POSTGRES_PASSWORD:?set it to any text}"
    }
