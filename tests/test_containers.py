"""What the page on containers shows, checked without an engine: by what the program takes."""

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from hatchling.builders.wheel import WheelBuilder

from api.app import create_app
from api.main import app as commands
from publishing.release import version
from tests.api.asking import Client
from tests.api.shop import close, empty_house

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/containers.md").read_text(encoding="utf-8")
IMAGE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SHOWN: dict[str, Any] = {
    name: yaml.safe_load(text)
    for name, text in re.findall(r"^```yml\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
}
POD: dict[str, Any] = SHOWN["plimsoll-deployment.yaml"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
COMPOSED: dict[str, Any] = SHOWN["compose.yaml"]["services"]["plimsoll"]
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
TOKEN = "docker compose run --rm plimsoll "


def parses(arguments: list[str]) -> None:
    """The program takes these arguments."""
    command: Any = typer.main.get_command(commands)
    while hasattr(command, "commands"):
        command, arguments = command.commands[arguments[0]], arguments[1:]
    command.make_context("plimsoll", arguments)


@pytest.mark.parametrize("arguments", [CONTAINER["args"], COMPOSED["command"]], ids=str)
def test_the_program_takes_what_a_container_starts_it_with(arguments: list[str]) -> None:
    parses(arguments)


def test_the_token_is_made_by_a_command_that_exists() -> None:
    (found,) = re.findall(rf"`{TOKEN}([^`]+)`", PAGE)

    parses(shlex.split(found))
    assert shlex.split(found)[-1] == COMPOSED["command"][-1]


@pytest.mark.parametrize("probe", PROBES)
def test_a_running_plimsoll_answers_every_probe(probe: str, tmp_path: Path) -> None:
    asked = CONTAINER[probe]["httpGet"]
    headers = {one["name"]: one["value"] for one in asked["httpHeaders"]}
    house = empty_house(tmp_path)
    try:
        client = Client(create_app(house))
        answer = client.get(asked["path"], headers=headers)
        named = client.get(asked["path"], headers={"Host": "10.1.2.3:8750"})
    finally:
        close(house)

    assert answer.status_code in ((200, 503) if asked["path"] == "/readyz" else (200,))
    assert named.status_code == 421, "without the header a kubelet would be turned away"
    assert asked["port"] in [one["name"] for one in CONTAINER["ports"]]


def test_the_health_check_asks_what_the_probes_ask_where_the_port_is() -> None:
    _, *command = COMPOSED["healthcheck"]["test"]
    (port,) = [one["containerPort"] for one in CONTAINER["ports"]]

    compile(command[-1], "health check", "exec")
    assert command[:2] == ["python", "-c"]
    path = CONTAINER["livenessProbe"]["httpGet"]["path"]
    assert f"http://127.0.0.1:{port}{path}" in command[-1]


def test_every_room_is_compiled_in_the_image() -> None:
    """Nothing can be written beside the modules there: each start would compile them again."""
    (compiled,) = re.findall(r"-m compileall -q ([a-z ]+)$", IMAGE, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    rooms = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

    assert sorted(compiled.split()) == sorted([*rooms, "client"])
    assert "--compile-bytecode" in IMAGE


def test_the_user_and_the_folder_are_those_of_the_image() -> None:
    user = POD["securityContext"]["runAsUser"]

    assert f"--uid {user} " in IMAGE
    assert f"--gid {POD['securityContext']['fsGroup']} " in IMAGE
    assert f"USER {user}:{POD['securityContext']['fsGroup']}\n" in IMAGE
    home = re.findall(r"^WORKDIR (/var\S+)$", IMAGE, re.MULTILINE)
    assert home == re.findall(r"^VOLUME (\S+)$", IMAGE, re.MULTILINE)
    assert home[0] in [one["mountPath"] for one in CONTAINER["volumeMounts"]]
    assert f"data:{home[0]}" in COMPOSED["volumes"]


def test_every_mount_of_the_manifest_has_a_volume_and_is_used() -> None:
    mounted = {one["name"] for one in CONTAINER["volumeMounts"]}

    assert mounted == {one["name"] for one in POD["volumes"]}
    assert CONTAINER["args"][-1].startswith("/etc/plimsoll/")


def test_two_never_run_on_one_history() -> None:
    spec = SHOWN["plimsoll-deployment.yaml"]["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


def test_the_image_that_is_named_is_this_version() -> None:
    assert CONTAINER["image"].endswith(f":{version(ROOT)}")


def test_what_is_sent_for_an_image_can_be_installed(tmp_path: Path) -> None:
    """As `uv sync` does it in the image: a build of what .dockerignore lets through."""
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if line.startswith("!"):
            source, target = ROOT / line[1:], tmp_path / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)

    for project in (tmp_path, tmp_path / "client"):
        (built,) = WheelBuilder(str(project)).build(
            directory=str(tmp_path / "dist"), versions=["standard"]
        )
        assert Path(built).is_file()
    assert (tmp_path / "docs/runbooks/cpu_high.md").is_file(), "the pages read them from there"


def test_the_image_is_made_from_the_lock_as_the_scripts_make_it() -> None:
    (pinned,) = re.findall(r"^ARG UV_VERSION=(\S+)$", IMAGE, re.MULTILINE)
    scripts = (ROOT / "scripts/environment").read_text(encoding="utf-8")

    assert f"UV_VERSION={pinned}\n" in scripts
    assert "uv sync --frozen --no-dev" in IMAGE
    # By number: a kubelet refuses `runAsNonRoot` for a user that it only knows by name.
    (created,) = re.findall(r"useradd --uid (\d+) .* plimsoll ", IMAGE)
    assert re.findall(r"^USER (\d+):\d+$", IMAGE, re.MULTILINE) == [created]
    assert int(created) > 0
