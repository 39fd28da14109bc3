"""compose.yaml, checked without a container engine: by the programs that read what it mounts.

What is not checked is that the images of others exist and do what their documentation says.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from api.main import app
from api.settings import load
from tests.postgres import Postgres
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
    assert ":15432/" in settings.storage.url()
    assert settings.dashboards.prometheus_url == "http://127.0.0.1:19090"


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


def test_postgresql_takes_the_script_of_the_first_start(postgres_server: Postgres) -> None:
    name = postgres_server.database().rpartition("/")[2]
    port = postgres_server.port
    with psycopg.connect(
        host="127.0.0.1", port=port, user="plimsoll", dbname=name, autocommit=True
    ) as connection:
        connection.execute((ROOT / "compose/postgres.sql").read_bytes())
        [[count]] = connection.execute(
            "SELECT count(*) FROM pg_extension WHERE extname = 'pg_stat_statements'"
        ).fetchall()
    assert count == 1


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
    assert "USER plimsoll" in dockerfile


def test_nobody_starts_with_an_empty_password() -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert set(re.findall(r"\$\{POSTGRES_PASSWORD[^}]*\}", text)) == {
        "${POSTGRES_PASSWORD:?set it to any text}"
    }
