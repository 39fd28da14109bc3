"""Where the shown commands run: a folder for each page, real servers, one Plimsoll for all of them.

What a page names is put in the place of what is there: its addresses become those of the servers of
the test, its ids those of real regressions. Nothing else of a command is changed.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from collector.config import CollectorConfig
from tests.api.shop import close, shop_house
from tests.api.test_pages_browser import serving
from tests.servers import free_port
from tests.shown import warm
from tests.shown.blocks import ROOT, Block, Command, File, shown, unlike

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.05
HOME_ADDRESS = "127.0.0.1:8750"
SECRETS = {"slack-token": "xoxb-1-2-three", "shop-token": "glsa_editor_0000"}
WATCHED = {"rum": {"apps": [{"name": "shop", "key": "shop", "origins": ["https://shop.example"]}]}}


@dataclass
class Stage:
    """What all pages share."""

    folder: Path
    port: int
    environment: Mapping[str, str]
    replaced: Mapping[str, str]
    servers: ExitStack
    started: dict[str, Any] = field(default_factory=dict)

    def server(self, name: str, start: Callable[[], Any]) -> Any:
        """A server that the first page that needs it starts; `start` gives a context."""
        if name not in self.started:
            self.started[name] = self.servers.enter_context(start())
        return self.started[name]


@dataclass(frozen=True)
class Place:
    """How the commands of a page are run.

    `configured_by` is a page whose configuration is taken where this one shows none. `own` pages
    start a Plimsoll themselves. `until` says when a command that does not end has done enough: it
    goes on until the page ends, or is started again. `adjusted` puts servers of the test into a
    configuration, `before` and `after` do what a reader does around a command. Their keys are
    patterns of commands.
    """

    configured_by: str = ""
    own: bool = False
    until: Mapping[str, Callable[["Visit"], bool]] = field(default_factory=dict)
    adjusted: Callable[[Stage, dict[str, Any]], None] | None = None
    before: Mapping[str, Callable[["Visit"], None]] = field(default_factory=dict)
    after: Mapping[str, Callable[["Visit", str], None]] = field(default_factory=dict)


class Visit:
    """One page, walked through from its top."""

    def __init__(self, stage: Stage, page: str, place: Place) -> None:
        self.stage = stage
        self.page = page
        self.place = place
        self.folder = stage.folder / "pages" / page.replace("/", "-").removesuffix(".md")
        self.folder.mkdir(parents=True)
        self.port = free_port() if place.own else stage.port
        self.ports: dict[str, int] = {}
        self.output = self.folder / "output"
        self._going: dict[str, subprocess.Popen[bytes]] = {}
        self._prepare()

    def _prepare(self) -> None:
        """The folder as a reader has it before the page begins."""
        checkout(self.folder, self.stage.folder / "venv/bin")
        if self.place.configured_by:
            text = (ROOT / self.place.configured_by).read_text(encoding="utf-8")
            files = [one for one in shown(text) if isinstance(one, File)]
            self.save(next(one for one in files if one.name == "plimsoll.yaml"))
        else:
            self.save(File("plimsoll.yaml", ""))

    def text(self, written: str) -> str:
        """What a page says, with what is there in its place."""
        written = written.replace(HOME_ADDRESS, f"127.0.0.1:{self.port}")
        for old, new in self.stage.replaced.items():
            written = written.replace(old, new)
        if self.place.own:
            port = self.ports.setdefault("application", free_port())
            written = written.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
            written = written.replace("--port 8000", f"--port {port}")
        return written

    def save(self, file: File) -> None:
        """Save a file of the page; a configuration gets the port of the Plimsoll that runs."""
        text = self.text(file.text)
        if file.name == "plimsoll.yaml":
            read: dict[str, Any] = yaml.safe_load(text) or {}
            read.setdefault("server", {}).setdefault("port", self.port)
            if self.place.adjusted is not None:
                self.place.adjusted(self.stage, read)
            text = yaml.safe_dump(read)
        (self.folder / file.name).write_text(text)

    def enter(self, block: Block) -> None:
        """Enter the commands of a fence; an AssertionError says what went wrong, and where."""
        exported: list[str] = []
        for command in block.commands:
            if command.text.startswith("export "):
                exported.append(command.text)
                continue
            told = Command("\n".join([*exported, command.text]), command.shown)
            for part, prepare in self.place.before.items():
                if re.search(part, command.text):
                    prepare(self)
            name = next((one for one in self.place.until if re.search(one, command.text)), None)
            if name is not None:
                self.begin(name, told)
                continue
            printed = self.run(told)
            for part, follow in self.place.after.items():
                if re.search(part, command.text):
                    follow(self, printed)

    def run(self, command: Command) -> str:
        """Run a command to its end; what it printed."""
        ran = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.text(command.text)],
            cwd=self.folder, env={**self.stage.environment}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        where = f"{self.page}: {command.text}\n{ran.stdout[-2000:]}\n{ran.stderr[-2000:]}"
        assert ran.returncode == 0, where
        assert unlike(command.shown, ran.stdout + ran.stderr) == [], where
        return ran.stdout

    def begin(self, name: str, command: Command) -> None:
        """Start a command that does not end, and wait until it has done what it is for."""
        if name in self._going:
            end(self._going.pop(name))
        with self.output.open("wb") as output:
            going = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", self.text(command.text)],
                cwd=self.folder, env={**self.stage.environment}, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._going[name] = going
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.place.until[name](self):
            ended = going.poll() is not None
            where = f"{self.page}: {command.text}\n{self.output.read_text()[-2000:]}"
            assert not ended, f"ended with {going.returncode}: {where}"
            assert time.monotonic() < deadline, f"did not get so far: {where}"
            time.sleep(PAUSE_SECONDS)

    def leave(self) -> None:
        """End what still goes on."""
        for going in self._going.values():
            end(going)

    def answers(self, path: str, port: int | None = None) -> bool:
        """Whether something answers there with a success."""
        try:
            url = f"http://127.0.0.1:{port or self.port}{path}"
            return httpx.get(url, trust_env=False, timeout=5).is_success
        except httpx.TransportError:
            return False


def end(going: subprocess.Popen[bytes]) -> None:
    """Ctrl-C for all of it, and what does not hear is killed."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(going.pid, number)
            going.wait(20)
        except ProcessLookupError:
            going.wait()
        except subprocess.TimeoutExpired:
            continue
        return


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """The shop with its past under a real server, and the programs on the path."""
    programs = folder / "venv" / "bin"
    programs.mkdir(parents=True)
    for name, target in (("python", sys.executable), ("uvicorn", f"{sys.executable} -m uvicorn")):
        (programs / name).write_text(f'#!/bin/sh\nexec {target} "$@"\n')
        (programs / name).chmod(0o755)
    address = folder / "warm.socket"
    warm.client(programs / "plimsoll", address)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PYTHONPATH": f"{ROOT}:{ROOT / 'client'}",
        "HOME": str(folder),
        "COLUMNS": "200",
        "OPENBLAS_NUM_THREADS": "1",
        "STOCK_PASSWORD": "open-sesame",
    }
    with ExitStack() as servers:
        forks = subprocess.Popen([sys.executable, warm.__file__, str(address)], env=environment)
        servers.callback(end_child, forks)
        watched = CollectorConfig.model_validate(WATCHED)
        house = shop_house(folder / "house", collector=watched)
        servers.callback(close, house)
        url = servers.enter_context(serving(house))
        checkout(folder / "checkout", programs)
        replaced = {**secrets(folder), **known(url), "CHECKOUT": str(folder / "checkout")}
        wait_for(address, forks)
        yield Stage(folder, int(url.rpartition(":")[2]), environment, replaced, servers)


def end_child(child: subprocess.Popen[bytes]) -> None:
    """Stop a server of ours."""
    child.terminate()
    child.wait()


def wait_for(address: Path, child: subprocess.Popen[bytes]) -> None:
    """Until the server of warm commands listens."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not address.exists():
        assert child.poll() is None
        assert time.monotonic() < deadline
        time.sleep(PAUSE_SECONDS)


def secrets(folder: Path) -> dict[str, str]:
    """The files that configurations name, below a folder that stands for /etc."""
    for name, text in SECRETS.items():
        (folder / "etc/plimsoll").mkdir(parents=True, exist_ok=True)
        (folder / "etc/plimsoll" / name).write_text(text)
    (folder / "etc/alertmanager").mkdir()
    (folder / "etc/alertmanager/alertmanager.yml").write_text(
        "route: {receiver: slack, routes: [{matchers: ['severity=\"critical\"']}]}\n"
        "receivers: [{name: slack}]\n"
    )
    return {f"/etc/{one}": str(folder / "etc" / one) for one in ("plimsoll", "alertmanager")}


def known(url: str) -> dict[str, str]:
    """Ids that are there, for those that pages make up."""
    with httpx.Client(base_url=f"{url}/api/v1", trust_env=False) as asked:
        regression = asked.get("/regressions", params={"state": "open"}).json()["items"][0]
        silence = asked.post("/silences", json={
            "matchers": ['service="elsewhere"'], "for": "1h", "created_by": "ada", "comment": "x",
        }).json()  # fmt: skip
    return {
        "reg_0123456789abcdef": regression["id"],
        "inc_0123456789abcdef": regression["incident_id"],
        "sil_0123456789abcdef": silence["id"],
    }


def checkout(folder: Path, programs: Path) -> None:
    """Make a folder a checkout whose environment is there: the real scripts, our programs."""
    folder.mkdir(exist_ok=True)
    for name in ("scripts", "client", "uv.lock", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").mkdir()
    (folder / ".venv/bin").symlink_to(programs)
    wanted = "cat uv.lock pyproject.toml client/pyproject.toml | cksum"
    stamp = subprocess.run(["sh", "-c", wanted], cwd=folder, capture_output=True, check=True)
    (folder / ".venv/.plimsoll-RUN").write_bytes(stamp.stdout.rstrip(b"\n"))
