"""The stack of compose.yaml as processes of this machine: the same files, on free ports.

PostgreSQL and Redis are Debian's, the shop and its customers are the demo's, Plimsoll runs with
compose/plimsoll.yaml, Prometheus and VictoriaMetrics scrape by compose/prometheus.yml. Changed are
ports, the container's paths, and the pace: windows of seconds in place of minutes, as in the demo.
"""

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from detector.config import shipped
from tests.caches import redis_server
from tests.postgres import Postgres, binaries, postgres
from tests.servers import free_port, running

ROOT = Path(__file__).parents[1]
PASSWORD = "any-text"
SEED = 7
WINDOW_SECONDS = 15
SCRAPE_SECONDS = 2
LIMITS = {
    "memory": ("memory.limit_in_bytes", "2147483648"),
    "cpu": ("cpu.cfs_quota_us", "200000"),
}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stage:
    """Where everything is."""

    folder: Path
    port: int
    shop_port: int
    postgres: Postgres
    redis_address: str

    @property
    def url(self) -> str:
        """Plimsoll's address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def shop_url(self) -> str:
        """The shop's address."""
        return f"http://127.0.0.1:{self.shop_port}"


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """PostgreSQL with the script of compose, Redis with its options, the shop and who visits it."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    with ExitStack() as stack:
        options = [
            one for one in services["postgres"]["command"] if one.startswith(("shared", "track"))
        ]
        server = stack.enter_context(postgres(*options))
        psql(server, ROOT / "compose/postgres.sql")
        with server.connected() as connection:
            connection.execute("CREATE DATABASE plimsoll")  # the image makes it
        command = services["redis"]["command"]
        cache = stack.enter_context(
            redis_server(folder / "redis", *command[command.index("--maxmemory") :])
        )
        made = Stage(folder, free_port(), free_port(), server, cache.address)
        address = f"host=127.0.0.1 port={server.port} dbname=shop user=shop password={PASSWORD}"
        servers = {"SHOP_POSTGRES": address, "SHOP_REDIS": cache.address}
        stack.enter_context(
            running(
                demo(made, services["shop"]),
                ready=f"{made.shop_url}/metrics",
                log=folder / "shop.log",
                environment=servers,
            )
        )
        for name, service in services.items():
            if name != "shop" and service.get("entrypoint", [""])[0] == "python":
                stack.enter_context(child(demo(made, service)))
        yield made


def psql(server: Postgres, script: Path) -> None:
    """Run a script as the image of PostgreSQL does at its first start; an error ends it."""
    command = [str(binaries() / "psql"), "-v", "ON_ERROR_STOP=1", "-q", "-f", str(script)]
    where = ["-h", "127.0.0.1", "-p", str(server.port), "-U", "plimsoll", "-d", "postgres"]
    done = subprocess.run(
        [*command, *where],
        env={**os.environ, "POSTGRES_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


def demo(made: Stage, service: Json) -> list[str]:
    """What compose.yaml starts a process of the demo with, with these ports."""
    ports = {"18000": made.shop_port, "8750": made.port}
    words = [*service["entrypoint"][1:], *service["command"]]
    return [
        sys.executable,
        *(re.sub(r"\b(?:18000|8750)\b", lambda one: str(ports[one[0]]), word) for word in words),
    ]


@contextlib.contextmanager
def child(command: list[str]) -> Iterator[None]:
    """A process of the demo, ended with the block."""
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def settings_file(made: Stage, slack_url: str, pace: int = WINDOW_SECONDS) -> Path:
    """compose/plimsoll.yaml with these ports and with windows of `pace` seconds."""
    data: Json = yaml.safe_load((ROOT / "compose/plimsoll.yaml").read_text())
    data["server"] = {"port": made.port}
    data["storage"]["directory"] = str(made.folder / "plimsoll")
    data["storage"]["state_url"] = made.postgres.address("plimsoll", password=PASSWORD)
    collector = data["collector"]
    collector["interval"] = f"{max(1, pace // 3)}s"
    collector["targets"][0]["url"] = f"{made.shop_url}/metrics"
    often = {
        name: f"{max(1, pace // 3)}s" for name in ("statements", "locks", "io", "tables", "sizes")
    }
    collector["postgres"][0] |= {
        "port": made.postgres.port, "password": PASSWORD, "intervals": often,
    }  # fmt: skip
    collector["redis"][0]["address"] = made.redis_address
    collector["rum"] |= {"settle": "2s", "interval": f"{max(1, pace // 3)}s"}
    collector["rum"]["apps"][0]["origins"] = [made.shop_url]
    data["detector"] = {"delay": "2s"}
    signals, rules = shipped()
    data["signals"] = {name: {"window": f"{pace}s", "over": f"{2 * pace}s"} for name in signals}
    data["rules"] = {
        name: {"clear": {**rule["clear"], "for": f"{4 * pace}s"}} for name, rule in rules.items()
    }
    for name in ("api_response_time_regression", "api_mean_time_regression"):
        data["rules"][name]["gates"] = {**rules[name]["gates"], "min_count": 20}
    data["alerts"] = {
        "public_url": made.url,
        "slack": {
            "bot_token": "xoxb-demo-not-a-secret", "channel": "#performance", "api_url": slack_url,
            "charts": False,
        },
    }  # fmt: skip
    file = made.folder / "plimsoll.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@contextlib.contextmanager
def container() -> Iterator[list[str]]:
    """What a command begins with to run under limits of memory and processors, as in a container.

    Nothing where the groups of version 1 cannot be written: then nothing is known of a container,
    and Plimsoll says so.
    """
    folders = {one: Path("/sys/fs/cgroup", one, f"plimsoll-{os.getpid()}") for one in LIMITS}
    try:
        for name, folder in folders.items():
            folder.mkdir()
            file, limit = LIMITS[name]
            (folder / file).write_text(limit)
    except OSError:
        yield []
    else:
        joins = "".join(f"echo $$ > {one}/cgroup.procs; " for one in folders.values())
        yield ["sh", "-c", f'{joins}exec "$0" "$@"']
    finally:
        for folder in folders.values():
            with contextlib.suppress(OSError):
                folder.rmdir()


@contextlib.contextmanager
def plimsoll(made: Stage, file: Path) -> Iterator[None]:
    """`plimsoll run`, until the end of the block."""
    with (
        container() as within,
        running(
            [
                *within,
                str(Path(sysconfig.get_paths()["scripts"]) / "plimsoll"),
                "run",
                "--config",
                str(file),
            ],
            ready=f"{made.url}/readyz",
            log=made.folder / "plimsoll.log",
        ),
    ):
        yield


def scrape_config(made: Stage) -> str:
    """compose/prometheus.yml with these ports, scraped every two seconds, without rules."""
    data: Json = yaml.safe_load((ROOT / "compose/prometheus.yml").read_text())
    del data["rule_files"]
    data["global"]["scrape_interval"] = f"{SCRAPE_SECONDS}s"
    ports = {"127.0.0.1:8750": made.port, "127.0.0.1:18000": made.shop_port}
    for job in data["scrape_configs"]:
        job["static_configs"] = [
            {"targets": [f"127.0.0.1:{ports[one]}" for one in group["targets"] if one in ports]}
            for group in job["static_configs"]
        ]
    return yaml.safe_dump(data)
