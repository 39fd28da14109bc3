"""Tokens on the command line, and a process that beyond loopback or over https asks for them."""

import json
import subprocess
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from api.access import book
from api.main import app
from api.settings import load
from storage.state import State
from tests.api.test_main import plimsoll
from tests.front import authority
from tests.servers import free_port


def invoke(*arguments: str, directory: Path) -> str:
    config = directory / "plimsoll.yaml"
    if not config.exists():
        config.write_text(f"storage: {{directory: {directory / 'data'}}}\n")
    result = CliRunner().invoke(app, ["token", *arguments, "-c", str(config)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_token_is_printed_once_listed_and_revoked(tmp_path: Path) -> None:
    assert invoke("list", directory=tmp_path) == ""
    made = invoke("create", "ci", "-s", "ingest", "--expires", "90d", directory=tmp_path).strip()
    _, id_, secret = made.split("_")
    listed = invoke("list", directory=tmp_path)
    assert id_ in listed
    assert "ingest" in listed
    assert "until " in listed
    assert secret not in listed
    invoke("revoke", id_, directory=tmp_path)
    assert "revoked" in invoke("list", directory=tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", " "], "printable characters"),
        (["create", "a", "--expires", "soon"], "is no span"),
        (["revoke", "0123456789ab"], "there is no token"),
    ],
)
def test_what_makes_no_sense_is_told(tmp_path: Path, arguments: list[str], told: str) -> None:
    invoke("list", directory=tmp_path)
    config = str(tmp_path / "plimsoll.yaml")
    result = CliRunner().invoke(app, ["token", *arguments, "-c", config])
    assert result.exit_code == 1
    assert told in result.stderr


def test_beyond_loopback_it_does_not_start_without_a_token(tmp_path: Path) -> None:
    (tmp_path / "plimsoll.yaml").write_text(f"server: {{host: 0.0.0.0, port: {free_port()}}}\n")
    child = plimsoll("run", directory=tmp_path)
    _, told = child.communicate(timeout=60)
    assert child.returncode == 1
    assert "there is no token" in told
    assert "plimsoll token create" in told


def test_over_https_pages_want_a_token_and_commands_have_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, port = authority(tmp_path), free_port()
    config = tmp_path / "plimsoll.yaml"
    config.write_text(
        f"server:\n  port: {port}\n"
        f"  tls: {{certificate: {made.file('server.pem')}, key: {made.file('server.key')}}}\n"
        f"storage: {{directory: {tmp_path / 'data'}}}\n"
    )
    text = invoke("create", "ops", "-s", "admin", directory=tmp_path).strip()
    child = plimsoll("run", directory=tmp_path)
    try:
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=False) as client:

            def healthy() -> bool:
                assert child.poll() is None, child.communicate()
                try:
                    return client.get("/healthz").status_code == 200
                except httpx.TransportError:
                    return False

            deadline = time.monotonic() + 60
            while not healthy():
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert client.get("/api/v1/rules").status_code == 401
        monkeypatch.setenv("PLIMSOLL_TOKEN", text)
        asked = CliRunner().invoke(app, ["regressions", "list", "--json", "-c", str(config)])
        assert asked.exit_code == 0, asked.output
        assert json.loads(asked.stdout)["items"] == []
        why = CliRunner().invoke(app, ["explain", "host_cpu_usge", "-c", str(config)])
        assert "there is no signal 'host_cpu_usge'; nearest:" in why.stderr, why.stderr
        monkeypatch.setenv("PLIMSOLL_TOKEN", "")
        refused = CliRunner().invoke(app, ["regressions", "list", "-c", str(config)])
        assert refused.exit_code == 1
        assert "Send a token" in refused.stderr
        assert "PLIMSOLL_TOKEN, or the file that PLIMSOLL_TOKEN_FILE names" in refused.stderr
    finally:
        child.terminate()
        try:
            child.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
    state = State(load(config).storage.url())
    with state.reading() as session:
        (change,) = book.changes(session, None, 10)
    state.close()
    assert (change.actor, change.method) == ("command line", "POST")
