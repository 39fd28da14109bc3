"""Telling Plimsoll what was deployed: one call at the end of a pipeline.

    report("https://plimsoll.example", "checkout", "2.7.1")

    python -m plimsoll_client.deployments https://plimsoll.example checkout 2.7.1

Needs httpx (the extra `rest`).
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

try:
    import httpx
except ImportError as missing:
    raise ImportError("plimsoll_client.deployments needs httpx: pip install httpx") from missing

PATH = "/api/v1/deployments"
TOKEN_VARIABLE = "PLIMSOLL_TOKEN"
MAX_SHOWN_CHARACTERS = 500


class Outcome(StrEnum):
    """What became of a report."""

    RECORDED = "recorded"
    ALREADY_KNOWN = "already_known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One version of one service that went live at one time.

    These three are its identity: reported twice, it is one deployment. A pipeline that may run a
    step again therefore passes a fixed `at`, such as the time of its start.
    """

    service: str
    version: str
    at: datetime
    sha: str = ""
    environment: str = ""
    link: str = ""

    def __post_init__(self) -> None:
        for name in ("service", "version"):
            if not getattr(self, name).strip():
                raise ValueError(f"a deployment needs a {name}")
        if self.at.tzinfo is None:
            raise ValueError(
                "`at` has no time zone; pass an aware datetime such as datetime.now(UTC)"
            )

    def as_json(self) -> dict[str, str]:
        """The body of the request; what is not known is left out."""
        body = {
            "service": self.service,
            "version": self.version,
            "at": self.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "sha": self.sha,
            "environment": self.environment,
            "url": self.link,
        }
        return {name: value for name, value in body.items() if value}


class ReportError(Exception):
    """The deployment is not known to be recorded; the message says why."""


class UnreachableError(ReportError):
    """No answer came. Sending the same report again is safe."""


class RefusedError(ReportError):
    """The server answered, but did not take the report; `status` is its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def report(
    url: str,
    service: str,
    version: str,
    at: datetime | None = None,
    *,
    sha: str = "",
    environment: str = "",
    link: str = "",
    token: str = "",
    timeout_seconds: float = 10.0,
) -> Outcome:
    """Report that `version` of `service` went live at `at` (default: now) to the Plimsoll at `url`.

    Raises `UnreachableError` or `RefusedError`. The keywords say what else a pipeline may know.
    """
    deployment = Deployment(
        service=service,
        version=version,
        at=at or datetime.now(UTC),
        sha=sha,
        environment=environment,
        link=link,
    )
    with httpx.Client(timeout=timeout_seconds) as client:
        return post(client, url, deployment, token)


def post(client: httpx.Client, url: str, deployment: Deployment, token: str = "") -> Outcome:
    """Post one deployment over `client`."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    address = url.rstrip("/") + PATH
    try:
        answer = client.post(address, json=deployment.as_json(), headers=headers)
    except httpx.InvalidURL as error:
        raise UnreachableError(f"{url!r} is not an address: {error}") from error
    except httpx.HTTPError as error:
        raise UnreachableError(f"no answer from {address}: {said(error)}") from error
    if answer.status_code == httpx.codes.CREATED:
        return Outcome.RECORDED
    if answer.status_code == httpx.codes.OK:
        return Outcome.ALREADY_KNOWN
    raise RefusedError(answer.status_code, f"{address} answered {complaint(answer)}")


def said(error: Exception) -> str:
    """The message of an error, or its name when it has none (time-outs)."""
    return str(error) or type(error).__name__


def complaint(answer: httpx.Response) -> str:
    """What the server has to say: its problem details (RFC 9457), else the start of its answer."""
    lines = [f"{answer.status_code} {answer.reason_phrase}".strip()]
    if answer.is_redirect:
        return f"{lines[0]}: redirected to {answer.headers.get('location', '?')}; use that address"
    try:
        problem = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, Mapping):
        text = " ".join(answer.text.split())[:MAX_SHOWN_CHARACTERS]
        return f"{lines[0]}: {text}" if text else lines[0]
    lines += [str(problem[key]) for key in ("title", "detail") if problem.get(key)]
    errors = problem.get("errors")
    if isinstance(errors, Sequence) and not isinstance(errors, str):
        lines += [fault(error) for error in errors]
    return ": ".join(lines[:2]) + "".join(f"\n  {line}" for line in lines[2:])


def fault(error: object) -> str:
    """One entry of `errors` in problem details: where, and what."""
    if not isinstance(error, Mapping):
        return str(error)
    where = next((error[key] for key in ("pointer", "field", "key") if error.get(key)), "")
    what = next((error[key] for key in ("detail", "message", "reason") if error.get(key)), error)
    return f"{where}: {what}" if where else str(what)


def main(arguments: Sequence[str] | None = None) -> int:
    """Report one deployment from the command line; 0 when it is recorded, else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m plimsoll_client.deployments",
        description="Tell Plimsoll that a version of a service went live.",
        epilog="Example: %(prog)s http://127.0.0.1:8750 checkout 2.7.1",
    )
    parser.add_argument("url", help="address of Plimsoll")
    parser.add_argument("service")
    parser.add_argument("version")
    parser.add_argument(
        "--at", type=datetime.fromisoformat, help="ISO 8601 time with offset (default: now)"
    )
    parser.add_argument("--sha", default="", help="commit that was deployed")
    parser.add_argument("--environment", default="", help="such as production")
    parser.add_argument("--link", default="", help="page that tells more about the deployment")
    parser.add_argument(
        "--token-file",
        type=Path,
        help=f"file with the token; otherwise the variable {TOKEN_VARIABLE} (never an argument:"
        " arguments are visible to every process)",
    )
    given = parser.parse_args(arguments)
    try:
        token = os.environ.get(TOKEN_VARIABLE, "")
        if given.token_file is not None:
            token = given.token_file.read_text(encoding="utf-8").strip()
        outcome = report(
            given.url,
            given.service,
            given.version,
            given.at,
            sha=given.sha,
            environment=given.environment,
            link=given.link,
            token=token,
        )
    except (ReportError, ValueError, OSError) as error:
        sys.stderr.write(f"not reported: {error}\n")
        return 1
    sys.stdout.write(f"{outcome.value.replace('_', ' ')}: {given.service} {given.version}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
