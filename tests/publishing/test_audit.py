"""The audit: what fails, what is accepted and for how long, and what an outage is.

The recorded answers are those of uv 0.13.9 and npm 10, given by services of our own.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from publishing import audit
from publishing.audit import (
    LONGEST_DAYS,
    Accepted,
    Audit,
    Fault,
    Finding,
    Outcome,
    decide,
    judged,
    read_npm,
    read_uv,
    told,
)
from tests.publishing.tools import uv
from tests.servers import program

RECORDED = Path(__file__).parent / "recorded"
UV = (RECORDED / "uv-audit.json").read_text()
NPM = (RECORDED / "npm-audit.json").read_text()
TODAY = date(2026, 3, 2)
REASON = "Only a server of ours renders templates, and none comes from outside."


def lock(*findings: Finding) -> Audit:
    return Audit("uv.lock", Outcome.FOUND if findings else Outcome.CLEAN, findings)


def finding() -> Finding:
    (found,) = read_uv(UV)
    return found


def accepted(id: str = "CVE-2099-0001", days: int = 30) -> Accepted:
    return Accepted(id=id, reason=REASON, until=TODAY + timedelta(days=days))


DOWN = Audit("uv.lock", Outcome.UNREACHABLE, detail="no route")


def test_the_answer_of_uv_is_read() -> None:
    assert finding() == Finding(
        "jinja2", "3.1.6", ("PYSEC-2099-1", "CVE-2099-0001", "GHSA-aaaa-bbbb-cccc"),
        "Made up", "99.0",
    )  # fmt: skip


def test_the_answer_of_npm_is_read() -> None:
    assert read_npm(NPM) == (
        Finding("esbuild", "<=99.0.0", ("GHSA-aaaa-bbbb-cccc", "1234567"), "Made up"),
    )


def test_a_package_that_another_one_hurts_is_told_once() -> None:
    read = json.loads(NPM)
    read["vulnerabilities"]["bundler"] = {"via": ["esbuild"], "fixAvailable": True}

    assert [one.package for one in read_npm(json.dumps(read))] == ["esbuild"]


def test_a_version_that_the_index_warns_of_is_found() -> None:
    read = json.loads(UV) | {"vulnerabilities": [], "adverse_statuses": [{"name": "jinja2"}]}

    (found,) = read_uv(json.dumps(read))
    assert "jinja2" in found.package


@pytest.mark.parametrize(
    ("status", "printed", "outcome"),
    [
        (0, json.dumps(json.loads(UV) | {"vulnerabilities": []}), Outcome.CLEAN),
        (1, UV, Outcome.FOUND),
        (2, "", Outcome.BROKEN),
        (1, "", Outcome.BROKEN),
        (0, "{}", Outcome.BROKEN),
        (0, "[]", Outcome.BROKEN),
        (1, '{"vulnerabilities": [{}]}', Outcome.BROKEN),
        (127, UV, Outcome.BROKEN),
    ],
)
def test_what_is_no_report_is_no_clean_bill(status: int, printed: str, outcome: Outcome) -> None:
    assert judged("uv.lock", status, printed, "", read_uv).outcome is outcome


def test_an_outage_is_told_with_its_cause() -> None:
    said = "warning: experimental\nerror: Request failed after 3 retries\n  cause: dns error\n"

    found = judged("uv.lock", 2, "", said, read_uv)

    assert found.detail == "error: Request failed after 3 retries cause: dns error"
    verdict = decide([found], [], TODAY)
    assert told([found], verdict)[0].startswith("uv.lock: NOT AUDITED, the service did not answer")
    assert verdict.status(strict=False) == 0
    assert verdict.status(strict=True) == 1


def test_a_refusal_of_the_registry_of_npm_is_an_outage() -> None:
    printed = json.dumps({"message": "405 Method Not Allowed", "statusCode": 405})

    assert judged("beacon", 1, printed, "npm error audit endpoint returned an error", read_npm) == (
        Audit("beacon", Outcome.UNREACHABLE, detail="npm error audit endpoint returned an error")
    )


def test_nothing_found_is_well() -> None:
    verdict = decide([lock()], [], TODAY)

    assert verdict.status(strict=True) == 0
    assert told([lock()], verdict) == ["uv.lock: clean"]


def test_a_known_vulnerability_fails() -> None:
    verdict = decide([lock(finding())], [], TODAY)

    assert verdict.open == (finding(),)
    assert verdict.status(strict=False) == 1
    assert "error: jinja2 3.1.6: PYSEC-2099-1, CVE-2099-0001" in told([lock()], verdict)[1]


@pytest.mark.parametrize("id", ["PYSEC-2099-1", "CVE-2099-0001", "GHSA-aaaa-bbbb-cccc"])
def test_an_exception_holds_under_each_name_of_a_vulnerability(id: str) -> None:
    verdict = decide([lock(finding())], [accepted(id)], TODAY)

    assert verdict.open == ()
    assert [held.id for _, held in verdict.accepted] == [id]
    assert verdict.status(strict=True) == 0


def test_an_exception_of_another_vulnerability_helps_nothing() -> None:
    verdict = decide([lock(finding())], [accepted("CVE-2099-0002")], TODAY)

    assert verdict.open == (finding(),)


@pytest.mark.parametrize(("days", "holds"), [(0, True), (-1, False)])
def test_an_exception_ends(days: int, holds: bool) -> None:
    verdict = decide([lock(finding())], [accepted(days=days)], TODAY)

    assert (verdict.status(strict=False) == 0) is holds
    assert [fault for _, fault in verdict.faults] == ([] if holds else [Fault.EXPIRED])
    assert (verdict.open == ()) is holds


@pytest.mark.parametrize(("days", "holds"), [(LONGEST_DAYS, True), (LONGEST_DAYS + 1, False)])
def test_no_exception_is_for_ever(days: int, holds: bool) -> None:
    verdict = decide([lock(finding())], [accepted(days=days)], TODAY)

    assert [fault for _, fault in verdict.faults] == ([] if holds else [Fault.TOO_LONG])


def test_an_exception_that_fits_nothing_is_to_be_removed() -> None:
    assert decide([lock()], [accepted()], TODAY).faults == ((accepted(), Fault.NOT_FOUND),)


def test_while_a_service_is_down_nobody_knows_what_an_exception_fits() -> None:
    assert decide([DOWN], [accepted()], TODAY).status(strict=False) == 0


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "CVE-2099-0001", "until": "2026-03-09"},
        {"id": "CVE-2099-0001", "reason": "no", "until": "2026-03-09"},
        {"id": "CVE-2099-0001", "reason": REASON},
        {"id": "CVE-2099-0001", "reason": REASON, "until": "2026-03-09", "by": "ada"},
    ],
)
def test_an_exception_needs_a_reason_and_a_day(entry: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "exceptions.yaml"
    file.write_text(json.dumps([entry]))

    with pytest.raises(ValidationError):
        audit.exceptions(file)


def test_the_exceptions_of_this_checkout_are_read() -> None:
    assert [one for one in audit.exceptions(audit.EXCEPTIONS) if len(one.reason) < 20] == []


def test_a_tool_that_does_not_know_our_question_is_no_outage() -> None:
    said = "error: unexpected argument '--everything' found"

    found = judged("uv.lock", 2, "", said, read_uv)

    assert found == Audit("uv.lock", Outcome.BROKEN, detail=said)
    verdict = decide([found], [accepted()], TODAY)
    assert verdict.status(strict=False) == 1
    assert told([found], verdict) == [f"error: uv.lock: could not be audited: {said}"]


def test_a_tool_that_is_not_there_is_no_outage(tmp_path: Path) -> None:
    assert judged("uv.lock", 127, "", "uv is not installed", read_uv).outcome is Outcome.BROKEN
    assert audit.asked(["no-such-tool-anywhere"], tmp_path) == (
        127, "", "no-such-tool-anywhere is not installed",
    )  # fmt: skip


def test_the_command_ends_with_the_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for answers, ended in (([lock(finding())], 1), ([lock()], 0), ([DOWN], 0)):
        monkeypatch.setattr(audit, "audits", lambda _uv, found=answers: found)
        assert audit.main([], now=now) == ended
    assert audit.main(["--strict"], now=now) == 1
    assert "NOT AUDITED" in capsys.readouterr().out


# --- the real tools, and services that know of one vulnerability each -----------------------------

OSV = {
    "id": "PYSEC-2099-1",
    "aliases": ["CVE-2099-0001"],
    "summary": "Made up",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "affected": [],
    "references": [],
}
ADVISORY = {
    "id": 1234567,
    "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
    "title": "Made up",
    "severity": "moderate",
    "vulnerable_versions": "<=99.0.0",
    "cwe": [],
    "cvss": {"score": 5.3, "vectorString": None},
}


@contextmanager
def services() -> Iterator[tuple[dict[str, str], list[Any]]]:
    """Both services, and what they were asked."""
    questions: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/osv/v1/querybatch":
                asked = json.loads(body)["queries"]
                questions.append({one["package"]["name"] for one in asked})
                hit = {"vulns": [{"id": OSV["id"], "modified": OSV["modified"]}]}
                packages = [one["package"]["name"] for one in asked]
                self.answer({"results": [hit if one == "jinja2" else {} for one in packages]})
            else:
                self.answer({"esbuild": [ADVISORY]})

        def do_GET(self) -> None:
            if self.path.startswith("/osv/"):
                self.answer(OSV)
            else:
                versions = {"0.28.2": {"name": "esbuild", "version": "0.28.2"}}
                self.answer({"name": "esbuild", "versions": versions, "dist-tags": {}})

        def answer(self, content: object) -> None:
            body = json.dumps(content).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        yield {"osv": f"{address}/osv/", "npm": f"{address}/npm/"}, questions
        server.shutdown()


def test_the_locks_are_asked_for_by_the_real_tools() -> None:
    program("npm", package="npm")
    with services() as (addresses, questions):
        python, beacon = audit.audits(uv(), services=addresses)

    assert [(one.package, one.ids) for one in python.findings] == [
        ("jinja2", ("PYSEC-2099-1", "CVE-2099-0001"))
    ], python
    assert [one.package for one in beacon.findings] == ["esbuild"], beacon
    assert {"fastapi", "duckdb", "pytest", "sphinx"} <= set().union(*questions)


def test_services_that_are_down_are_an_outage_to_the_real_tools() -> None:
    program("npm", package="npm")
    nobody = "http://127.0.0.1:1/"

    found = audit.audits(uv(), services={"osv": nobody, "npm": nobody})

    assert [one.outcome for one in found] == [Outcome.UNREACHABLE] * 2, found
