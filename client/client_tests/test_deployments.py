"""Reporting a deployment, over real HTTP to a small server."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from plimsoll_client.deployments import (
    Deployment,
    Outcome,
    RefusedError,
    UnreachableError,
    main,
    report,
)

AT = datetime(2026, 3, 4, 5, 6, 7, 891234, tzinfo=timezone(timedelta(hours=2)))


@dataclass
class Server:
    """A server that answers as it is told, and keeps what it got."""

    url: str
    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    hangs_up: bool = False
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    def problem(self, status: int, **details: object) -> None:
        self.status = status
        self.headers = {"content-type": "application/problem+json"}
        self.body = json.dumps({"status": status, **details}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            told.got.append((self.path, headers, json.loads(body)))
            if told.hangs_up:
                self.close_connection = True
                return
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        told = Server(f"http://127.0.0.1:{http.server_address[1]}")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield told
        http.shutdown()
        thread.join()


def test_a_report_says_what_went_live_and_when(server: Server) -> None:
    outcome = report(server.url, "checkout", "2.7.1", AT, token="s3cret")

    assert outcome is Outcome.RECORDED
    ((path, headers, body),) = server.got
    assert path == "/api/v1/deployments"
    assert headers["authorization"] == "Bearer s3cret"
    assert headers["content-type"] == "application/json"
    assert body == {"service": "checkout", "version": "2.7.1", "at": "2026-03-04T03:06:07.891Z"}


def test_everything_else_that_is_known_goes_along(server: Server) -> None:
    report(
        server.url + "/behind/a/proxy/",
        "checkout",
        "2.7.1",
        AT,
        sha="abc",
        environment="production",
        link="https://ci.example/1",
    )

    ((path, headers, body),) = server.got
    assert path == "/behind/a/proxy/api/v1/deployments"
    assert "authorization" not in headers
    assert body["sha"] == "abc"
    assert body["environment"] == "production"
    assert body["url"] == "https://ci.example/1"


def test_without_a_time_it_went_live_now(server: Server) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    report(server.url, "checkout", "2.7.1")
    after = datetime.now(UTC)

    assert before <= datetime.fromisoformat(server.got[0][2]["at"]) <= after


def test_a_report_sent_again_is_the_same_report(server: Server) -> None:
    report(server.url, "checkout", "2.7.1", AT)
    server.status = 200
    outcome = report(server.url, "checkout", "2.7.1", AT.astimezone(UTC))

    assert outcome is Outcome.ALREADY_KNOWN
    assert server.got[0][2] == server.got[1][2]


@pytest.mark.parametrize(
    ("service", "version", "at", "complaint"),
    [
        ("", "1", AT, "needs a service"),
        ("a", " ", AT, "needs a version"),
        ("a", "1", datetime(2026, 3, 4), "no time zone"),  # noqa: DTZ001 - the fault
    ],
)
def test_a_report_that_says_too_little_is_not_sent(
    server: Server, service: str, version: str, at: datetime, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        report(server.url, service, version, at)

    assert server.got == []


def test_the_problem_details_of_the_server_are_shown(server: Server) -> None:
    server.problem(
        422,
        title="the deployment is not valid",
        detail="one field is wrong",
        errors=[{"pointer": "/version", "detail": "longer than 200 characters"}, "and more"],
    )

    with pytest.raises(RefusedError) as refused:
        report(server.url, "checkout", "2.7.1", AT, token="s3cret")

    assert refused.value.status == 422
    assert str(refused.value) == (
        f"{server.url}/api/v1/deployments answered 422 Unprocessable Entity:"
        " the deployment is not valid\n"
        "  one field is wrong\n"
        "  /version: longer than 200 characters\n"
        "  and more"
    )


@pytest.mark.parametrize(
    ("status", "body", "shown"),
    [
        (404, b"<html>\n  no such page </html>", "404 Not Found: <html> no such page </html>"),
        (502, b"", "502 Bad Gateway"),
        (500, b'["a list"]', '500 Internal Server Error: ["a list"]'),
        (204, b"", "204 No Content"),
    ],
)
def test_any_other_answer_is_shown_as_it_is(
    server: Server, status: int, body: bytes, shown: str
) -> None:
    server.status, server.body = status, body

    with pytest.raises(RefusedError) as refused:
        report(server.url, "checkout", "2.7.1", AT)

    assert str(refused.value).endswith(f"answered {shown}")


def test_a_long_answer_is_cut(server: Server) -> None:
    server.status, server.body = 500, b"x" * 10_000

    with pytest.raises(RefusedError) as refused:
        report(server.url, "checkout", "2.7.1", AT)

    assert len(str(refused.value)) < 1000


def test_a_redirect_is_not_followed_and_the_token_stays_here(server: Server) -> None:
    server.status, server.headers = 301, {"location": f"{server.url}/elsewhere"}

    with pytest.raises(RefusedError, match="use that address"):
        report(server.url, "checkout", "2.7.1", AT, token="s3cret")

    assert len(server.got) == 1


def test_no_server_is_said_plainly() -> None:
    with pytest.raises(UnreachableError, match=r"no answer from http://127\.0\.0\.1:9/api"):
        report("http://127.0.0.1:9", "checkout", "2.7.1", AT)


def test_a_server_that_hangs_up_is_said_plainly(server: Server) -> None:
    server.hangs_up = True

    with pytest.raises(UnreachableError, match="no answer from"):
        report(server.url, "checkout", "2.7.1", AT)


@pytest.mark.parametrize("url", ["plimsoll.example", "ftp://plimsoll.example", "http://a:port", ""])
def test_an_address_that_is_none_is_said_plainly(url: str) -> None:
    with pytest.raises(UnreachableError):
        report(url, "checkout", "2.7.1", AT)


def test_the_token_is_in_no_message(server: Server) -> None:
    server.problem(401, title="the token is not valid")

    with pytest.raises(RefusedError) as refused:
        report(server.url, "checkout", "2.7.1", AT, token="s3cret")

    assert "s3cret" not in str(refused.value)


def test_equal_reports_are_equal() -> None:
    one = Deployment(service="a", version="1", at=AT)
    two = Deployment(service="a", version="1", at=AT.astimezone(UTC))

    assert one == two
    assert one.as_json() == two.as_json()


def test_the_command_reports_with_the_token_of_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLIMSOLL_TOKEN", "from the environment")

    assert main([server.url, "checkout", "2.7.1", "--at", "2026-03-04T05:06:07+02:00"]) == 0

    assert capsys.readouterr().out == "recorded: checkout 2.7.1\n"
    assert server.got[0][1]["authorization"] == "Bearer from the environment"
    assert server.got[0][2]["at"] == "2026-03-04T03:06:07.000Z"


def test_the_command_reads_the_token_from_a_file(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from the file\n")

    assert main([server.url, "checkout", "2.7.1", "--token-file", str(file)]) == 0

    assert server.got[0][1]["authorization"] == "Bearer from the file"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["http://127.0.0.1:9", "checkout", "2.7.1"], "no answer from"),
        (["http://127.0.0.1:9", "checkout", "2.7.1", "--at", "2026-03-04"], "no time zone"),
        (["http://127.0.0.1:9", "checkout", "2", "--token-file", "/nowhere"], "No such file"),
    ],
)
def test_the_command_fails_with_one_line(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1

    said = capsys.readouterr().err
    assert said.startswith("not reported: ")
    assert complaint in said
    assert said.count("\n") == 1


def test_without_httpx_the_way_out_is_told() -> None:
    program = (
        "import sys; sys.modules['httpx'] = None\n"
        "import plimsoll_client.middleware, plimsoll_client.cache, plimsoll_client.exposition\n"
        "import plimsoll_client.deployments\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )

    assert ran.returncode == 1
    assert "pip install httpx" in ran.stderr.splitlines()[-1]


def test_the_rest_of_the_client_needs_no_web_framework_and_no_httpx() -> None:
    program = (
        "import sys, plimsoll_client.middleware, plimsoll_client.cache\n"
        "import plimsoll_client.exposition\n"
        "print(sorted({'starlette', 'fastapi', 'httpx', 'anyio', 'pydantic'} & set(sys.modules)))\n"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )

    assert ran.stdout == "[]\n"
