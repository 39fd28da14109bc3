"""The command line, as a person meets it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.main import app
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
COMMANDS = ["run", "check", "backup", "restore", "demo", "dashboards", "deployments", "signals"]


def plimsoll(*arguments: str, directory: Path) -> subprocess.Popen[str]:
    """A process of its own, in a directory of its own."""
    program = "from api.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", program, *arguments],
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "200", "PYTHONUNBUFFERED": "1"},
    )


def answer(port: int, path: str, child: subprocess.Popen[str]) -> bytes:
    """What the running process answers, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert child.poll() is None, child.communicate()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as got:
                body: bytes = got.read()
                return body
        except OSError:
            time.sleep(0.05)
    raise AssertionError("no answer")


def configuration(directory: Path, port: int) -> Path:
    path = directory / "plimsoll.yaml"
    path.write_text(f"server: {{port: {port}}}\n")
    return path


def test_the_version_is_told_without_a_command() -> None:
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.output) == (0, f"plimsoll {version('plimsoll')}\n")


@pytest.mark.parametrize("command", [[], *([one] for one in COMMANDS)])
def test_every_command_has_help(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_what_runs_plimsoll_stands_first_in_the_list_and_the_rest_in_parts() -> None:
    told = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "120"}).output
    places = [
        told.index(one)
        for one in (
            "│ run ",
            "│ demo ",
            "Look at a running",
            "│ summary ",
            "│ explain ",
            "Who is told",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rnu", "run"),
        ("regresions list", "regressions"),
        ("regressions lst", "list"),
        ("signals explian api_p95", "explain"),
        ("token craete ada", "create"),
        ("run --confg other.yaml", "--config"),
        ("deployments report shop 1.0 --enviroment x", "--environment"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_was_meant(typed: str, meant: str) -> None:
    result = CliRunner().invoke(app, typed.split())

    assert result.exit_code == 2
    nearest = rf"Did you mean '{meant}'|Possible options: {meant}"
    assert re.search(nearest, " ".join(result.output.split())), result.output


def test_check_names_every_fault_and_fails(tmp_path: Path) -> None:
    path = tmp_path / "plimsoll.yaml"
    path.write_text("server: {port: 0}\nrules: {cpu_high: {enabeld: false}}\n")
    child = plimsoll("check", "-c", str(path), directory=tmp_path)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "2 faults" in err
    assert "line 1: server.port" in err
    assert "Did you mean enabled?" in err
    assert not out


def test_check_says_what_is_configured(tmp_path: Path) -> None:
    path = configuration(tmp_path, 9000)
    result = CliRunner().invoke(app, ["check", "-c", str(path)])
    assert result.exit_code == 0
    assert result.output.rstrip().endswith("nobody is told")
    mails = "{name: mails, webhook: {url: 'https://pager.example/x'}}"
    path.write_text(f"alerts: {{receivers: [{mails}]}}\n")
    result = CliRunner().invoke(app, ["check", "-c", str(path)])
    assert result.output.rstrip().endswith("told: mails")


def test_a_file_that_is_not_there_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    child = plimsoll("check", "-c", "mine.yaml", directory=tmp_path)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert f"No such file or directory (looked for as {tmp_path / 'mine.yaml'})" in err


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        ((), "run"),
        (("--verbose",), "run --verbose"),
        (("demo",), "demo"),
        (("--help",), "--help"),
        (("-h",), "-h"),
        (("--version",), "--version"),
    ],
)
def test_the_script_runs_what_is_named_and_the_program_tells_of_itself(
    tmp_path: Path, asked: tuple[str, ...], done: str
) -> None:
    for name in ("run", "environment"):
        target = tmp_path / "scripts" / name
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / "scripts" / name, target)
    (tmp_path / "scripts" / "environment").write_text("make_environment() { :; }\n")
    program = tmp_path / ".venv" / "bin" / "plimsoll"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    ran = subprocess.run(
        [tmp_path / "scripts" / "run", *asked], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == done


def test_run_serves_live_host_data_and_stops_cleanly_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    configuration(tmp_path, port)
    child = plimsoll("run", directory=tmp_path)
    page = answer(port, "/", child).decode()
    assert "<h1" in page
    deadline = time.monotonic() + 30
    values = {}
    while "host_memory_usage" not in values and time.monotonic() < deadline:
        items = json.loads(answer(port, "/api/v1/signals", child))["items"]
        values = {one["name"]: one["series"] for one in items if one["series"]}
        time.sleep(0.1)
    assert 0 < values["host_memory_usage"][0]["value"] < 1
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 0, err
    assert f"Open http://127.0.0.1:{port}" in out
    assert f"({tmp_path / 'plimsoll.yaml'}), data in {tmp_path / 'plimsoll-data'}/" in out
    assert out.rstrip().endswith("stopped")
    assert "Traceback" not in err
    assert "leaked" not in err, err
    assert (tmp_path / "plimsoll-data" / "history.duckdb").exists()


def test_a_port_in_use_is_told_with_a_way_out(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configuration(tmp_path, taken.getsockname()[1])
        child = plimsoll("run", directory=tmp_path)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "cannot listen on 127.0.0.1" in err
    assert "server.port" in err
    assert "Traceback" not in err


def test_a_second_process_on_the_same_data_is_refused(tmp_path: Path) -> None:
    first_port = free_port()
    configuration(tmp_path, first_port)
    first = plimsoll("run", directory=tmp_path)
    answer(first_port, "/healthz", first)
    other = tmp_path / "other.yaml"
    other.write_text(f"server: {{port: {free_port()}}}\n")
    second = plimsoll("run", "-c", str(other), directory=tmp_path)
    _, err = second.communicate(timeout=60)
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=20)
    assert second.returncode == 1
    assert "in use by another" in err
    assert first.returncode == 0


def test_dashboards_are_written_and_left_alone_when_nothing_changed(tmp_path: Path) -> None:
    first = CliRunner().invoke(app, ["dashboards", "write", str(tmp_path)])
    again = CliRunner().invoke(app, ["dashboards", "write", str(tmp_path)])
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert (tmp_path / "dashboards" / "plimsoll-overview.json").exists()


def test_a_deployment_to_nobody_is_told_plainly() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = CliRunner().invoke(app, ["deployments", "report", "shop", "1.0", "--url", url])
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)


def test_a_deployment_reaches_a_running_plimsoll(tmp_path: Path) -> None:
    port = free_port()
    configuration(tmp_path, port)
    child = plimsoll("run", directory=tmp_path)
    answer(port, "/healthz", child)
    url = f"http://127.0.0.1:{port}"
    for expected in ("recorded", "recorded"):
        report = plimsoll("deployments", "report", "shop", "1.0", "--url", url, directory=tmp_path)
        out, err = report.communicate(timeout=60)
        assert report.returncode == 0, err
        assert expected in out
    listed = json.loads(answer(port, "/api/v1/deployments", child))["items"]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=20)
    assert [one["service"] for one in listed] == ["shop", "shop"]
