import socket
import sys
from pathlib import Path

import httpx
import pytest

from tests.servers import PortTakenError, ServerError, free_port, missing, program, running


def test_what_is_missing_fails_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install nothing-like-it"):
        program("nothing-like-it", package="nothing-like-it")


def test_what_is_missing_skips_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not there"):
        missing("not there")


def test_a_server_answers_while_it_runs_and_is_gone_afterwards(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    server = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with running([*server, "--directory", str(tmp_path)], ready=url, log=tmp_path / "log"):
        assert httpx.get(url, trust_env=False).status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no configuration')"]
    with (
        pytest.raises(ServerError, match="no configuration"),
        running(command, ready=f"http://127.0.0.1:{free_port()}/", log=tmp_path / "log"),
    ):
        raise AssertionError("it never was ready")


def test_a_port_that_somebody_took_is_told_apart(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        program = (
            "import socket, sys\n"
            f"try: socket.socket().bind(('127.0.0.1', {taken.getsockname()[1]}))\n"
            "except OSError as error: sys.exit(str(error).lower())\n"
        )
        with (
            pytest.raises(PortTakenError),
            running(
                [sys.executable, "-c", program],
                ready=f"http://127.0.0.1:{free_port()}/",
                log=tmp_path / "log",
            ),
        ):
            raise AssertionError("it never was ready")
