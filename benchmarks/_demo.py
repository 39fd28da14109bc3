"""The stack of compose.yaml as processes of this machine: the same files, on free ports.

PostgreSQL and Redis are Debian's, the shop and its customers are the demo's, Plimsoll runs with
compose/plimsoll.yaml, Prometheus and VictoriaMetrics scrape by compose/prometheus.yml. Changed are
ports, the container's paths, and the pace: windows of seconds in place of minutes, as in the demo.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
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
BROWSERS = {
    "chrome": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/156.0.0.0 Safari/537.36",
    "firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
}
ROUTES = ("/", "/products/:id", "/search", "/checkout")
VIEWS_PER_SECOND = 8.0
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
    """PostgreSQL with the script of compose, Redis with its options, the shop and its customers."""
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
                [sys.executable, "-P", "-m", "api.demo.shop", str(made.shop_port), str(SEED)],
                ready=f"{made.shop_url}/metrics",
                log=folder / "shop.log",
                environment=servers,
            )
        )
        stack.enter_context(child("api.demo.traffic", made.shop_url, str(SEED)))
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


@contextlib.contextmanager
def child(module: str, *arguments: str) -> Iterator[None]:
    """A process of the demo, ended with the block."""
    process = subprocess.Popen([sys.executable, "-P", "-m", module, *arguments])
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
    collector["rum"] |= {
        "settle": "2s", "interval": f"{max(1, pace // 3)}s", "trusted_proxies": ["127.0.0.1/32"],
    }  # fmt: skip
    collector["rum"]["apps"][0]["automation"] = True
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


class Visitors:
    """Browsers that measure the shop's pages: beacons over HTTP, from many networks."""

    def __init__(self, url: str, key: str, origin: str) -> None:
        self.url, self.key, self.origin = url, key, origin
        self.random = random.Random(SEED)
        self.sent: dict[int, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self.come, daemon=True)

    def __enter__(self) -> "Visitors":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def come(self) -> None:
        """One page view after the other, at random times."""
        with httpx.Client(trust_env=False, timeout=5) as client:
            number = 0
            while not self._stopping.wait(self.random.expovariate(VIEWS_PER_SECOND)):
                number += 1
                with contextlib.suppress(httpx.HTTPError):
                    self.view(client, number)

    def view(self, client: httpx.Client, number: int) -> None:
        """One page view: some never tell their end, some lose their first beacon."""
        choice = self.random
        lcp_ms = round(choice.lognormvariate(7.5, 0.45), 1)
        route = choice.choice(ROUTES)
        values = {"TTFB": round(lcp_ms / 12, 1), "FCP": round(lcp_ms / 2, 1), "LCP": lcp_ms}
        if number % 9:
            values |= {
                "INP": float(round(choice.lognormvariate(5, 0.6) / 8) * 8),
                "CLS": round(choice.expovariate(14), 4),
            }
        metrics = [
            {"n": name, "i": f"v6-{number}-{name}", "v": value, "t": "navigate", "u": route}
            for name, value in values.items()
        ]
        beacon = {
            "v": 1, "k": self.key, "p": f"view-{SEED:04}-{number:08}", "s": 0 if number % 11 else 1,
            "dt": "m" if number % 3 else "d", "m": metrics,
        }  # fmt: skip
        browser = "firefox" if number % 4 == 0 else "chrome"
        network = f"10.{number % 200}.{number // 200 % 200}.7"
        headers = {
            "Origin": self.origin, "User-Agent": BROWSERS[browser], "X-Forwarded-For": network,
            "Content-Type": "text/plain",
        }  # fmt: skip
        status = client.post(self.url, content=json.dumps(beacon), headers=headers).status_code
        self.sent[status] = self.sent.get(status, 0) + 1
