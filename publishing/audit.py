"""Compares the locks with the vulnerabilities that are known: Python by uv, the beacon by npm.

    scripts/audit           ends with 1 for a known vulnerability, or an exception that is none
    scripts/audit --strict  ends with 1 as well where a service did not answer; before a release

Nothing is asked but what stands in `uv.lock` and `beacon/package-lock.json`. Where a service does
not answer, that is said and is no failure: an outage of somebody else is no fault of ours. A tool
that is not there is one.
`publishing/exceptions.yaml` lists what is known and accepted, each with a reason and a last day.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

ROOT = Path(__file__).parents[1]
EXCEPTIONS = ROOT / "publishing" / "exceptions.yaml"
SECONDS = 120.0
# What uv and npm say when the other side does not answer, or does not know the question.
OUTAGE = re.compile(
    "error sending request|request failed after|audit endpoint returned an error|no answer within|"
    "ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN",
    re.IGNORECASE,
)
LONGEST_DAYS = 180  # an exception that lasts longer is a decision, and has to be taken again


class Outcome(StrEnum):
    """How asking about one lock ended."""

    CLEAN = "clean"
    FOUND = "found"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


class Fault(StrEnum):
    """Why an exception does not hold."""

    EXPIRED = "expired"
    TOO_LONG = "too_long"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class Finding:
    """One vulnerability of one package; `ids` are all the names that it has."""

    package: str
    version: str
    ids: tuple[str, ...]
    summary: str
    fixed_in: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known of one lock; `detail` says why a service did not answer."""

    lock: str
    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    detail: str = ""


class Accepted(BaseModel):
    """A vulnerability that is known and accepted for a while."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=5)
    reason: str = Field(min_length=20)
    until: date


@dataclass(frozen=True, slots=True)
class Verdict:
    """What has to be mended, what is accepted, and what could not be asked."""

    open: tuple[Finding, ...] = ()
    accepted: tuple[tuple[Finding, Accepted], ...] = ()
    faults: tuple[tuple[Accepted, Fault], ...] = ()
    unreachable: tuple[Audit, ...] = ()
    broken: tuple[Audit, ...] = ()

    def status(self, *, strict: bool) -> int:
        """The exit status: 1 when something has to be mended, or when strict and not asked."""
        wrong = self.open or self.faults or self.broken
        return 1 if wrong or (strict and self.unreachable) else 0


def read_uv(printed: str) -> tuple[Finding, ...]:
    """What `uv audit --output-format json` found; raises `ValueError` for what is not that."""
    read = json.loads(printed)
    if not isinstance(read, dict) or "vulnerabilities" not in read:
        raise ValueError("uv printed no report")
    found = [
        Finding(
            one["dependency"]["name"],
            one["dependency"]["version"],
            (one["id"], *one.get("aliases", ())),
            one.get("summary") or one.get("description") or "",
            ", ".join(one.get("fix_versions") or ()),
        )
        for one in read["vulnerabilities"]
    ]
    found += [
        Finding(json.dumps(one), "", ("adverse-status",), "the index warns of this version")
        for one in read.get("adverse_statuses") or ()
    ]
    return tuple(found)


def read_npm(printed: str) -> tuple[Finding, ...]:
    """What `npm audit --json` found; raises `ValueError` for what is not that.

    A package that is only hurt by another one names it in `via`; the other one is in the list too.
    """
    read = json.loads(printed)
    if not isinstance(read, dict) or read.get("auditReportVersion") != 2:
        raise ValueError("npm printed no report")
    return tuple(
        Finding(
            name,
            via["range"],
            (via["url"].rpartition("/")[2], str(via["source"])),
            via["title"],
            "a newer version" if one.get("fixAvailable") else "",
        )
        for name, one in read["vulnerabilities"].items()
        for via in one["via"]
        if isinstance(via, Mapping)
    )


def judged(lock: str, status: int, printed: str, said: str, read: Any) -> Audit:
    """What one tool's answer means: 0 and 1 with a report are answers, all else is none.

    Without one it is an outage only where the tool says that nobody answered. Anything else, such
    as a tool that is not there or does not know an option any more, is for us to mend.
    """
    try:
        found = read(printed) if status in (0, 1) else None
    except (KeyError, TypeError, ValueError):
        found = None
    if found is None:
        lines = [line for line in (said or printed).splitlines() if line.strip()]
        causes = [line for line in lines if not line.lstrip().startswith(("warning", "npm warn"))]
        outcome = Outcome.UNREACHABLE if OUTAGE.search(said) else Outcome.BROKEN
        return Audit(lock, outcome, detail=" ".join(one.strip() for one in causes[:4])[:400])
    return Audit(lock, Outcome.FOUND if found else Outcome.CLEAN, found)


def decide(audits: Sequence[Audit], accepted: Sequence[Accepted], today: date) -> Verdict:
    """Weigh what was found against what is accepted.

    An exception whose day is over, that lasts too long, or that fits nothing any more is a fault of
    its own; the last only when every lock could be asked.
    """
    unreachable = tuple(one for one in audits if one.outcome is Outcome.UNREACHABLE)
    broken = tuple(one for one in audits if one.outcome is Outcome.BROKEN)
    faults: list[tuple[Accepted, Fault]] = []
    holding: dict[str, Accepted] = {}
    known = {id for audit in audits for one in audit.findings for id in one.ids}
    for one in accepted:
        if one.until < today:
            faults.append((one, Fault.EXPIRED))
        elif (one.until - today).days > LONGEST_DAYS:
            faults.append((one, Fault.TOO_LONG))
        elif one.id not in known and not (unreachable or broken):
            faults.append((one, Fault.NOT_FOUND))
        else:
            holding[one.id] = one
    still, held = [], []
    for finding in (one for audit in audits for one in audit.findings):
        exception = next((holding[id] for id in finding.ids if id in holding), None)
        if exception is None:
            still.append(finding)
        else:
            held.append((finding, exception))
    return Verdict(tuple(still), tuple(held), tuple(faults), unreachable, broken)


def told(audits: Sequence[Audit], verdict: Verdict) -> list[str]:
    """All of it in lines for people."""
    silent = (*verdict.unreachable, *verdict.broken)
    lines = [f"{one.lock}: {one.outcome}" for one in audits if one not in silent]
    for one in verdict.unreachable:
        lines.append(f"{one.lock}: NOT AUDITED, the service did not answer: {one.detail}")
    for one in verdict.broken:
        lines.append(f"error: {one.lock}: could not be audited: {one.detail}")
    for found in verdict.open:
        fixed = f"; fixed in {found.fixed_in}" if found.fixed_in else "; no fix is known"
        ids = ", ".join(found.ids)
        lines.append(f"error: {found.package} {found.version}: {ids}: {found.summary}{fixed}")
    for found, exception in verdict.accepted:
        lines.append(
            f"accepted until {exception.until}: {found.package}: {exception.id}: {exception.reason}"
        )
    words = {
        Fault.EXPIRED: "is over",
        Fault.TOO_LONG: f"lasts longer than {LONGEST_DAYS} days",
        Fault.NOT_FOUND: "fits nothing any more: remove it",
    }
    for exception, fault in verdict.faults:
        lines.append(f"error: the exception {exception.id} until {exception.until} {words[fault]}")
    return lines


def exceptions(file: Path) -> list[Accepted]:
    """What is accepted; raises pydantic's error for an entry without a reason or a day."""
    return [Accepted.model_validate(one) for one in yaml.safe_load(file.read_text()) or ()]


def asked(command: Sequence[str], folder: Path) -> tuple[int, str, str]:
    """Run a tool: its status, and what it wrote; 127 when it is not there or takes too long."""
    try:
        ran = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=SECONDS
        )
    except FileNotFoundError:
        return 127, "", f"{command[0]} is not installed"
    except subprocess.TimeoutExpired:
        return 127, "", f"no answer within {SECONDS:g} s"
    return ran.returncode, ran.stdout, ran.stderr


def audits(uv: str, root: Path = ROOT, *, services: Mapping[str, str] | None = None) -> list[Audit]:
    """Ask for both locks; `services` are other addresses to ask, by `osv` and `npm`."""
    services = services or {}
    python = [uv, "audit", "--frozen", "--output-format", "json"]
    python += ["--preview-features", "audit-command,json-output"]
    python += ["--service-url", services["osv"]] if "osv" in services else []
    beacon = ["npm", "audit", "--package-lock-only", "--json"]
    beacon += ["--registry", services["npm"]] if "npm" in services else []
    return [
        judged("uv.lock", *asked(python, root), read_uv),
        judged("beacon/package-lock.json", *asked(beacon, root / "beacon"), read_npm),
    ]


def main(arguments: Sequence[str] | None = None, *, now: datetime | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="scripts/audit", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--strict", action="store_true", help="an unanswered service is a failure")
    given = parser.parse_args(arguments)
    today = (now or datetime.now(UTC)).date()
    found = audits(os.environ.get("UV", "uv"))
    verdict = decide(found, exceptions(EXCEPTIONS), today)
    sys.stdout.write("\n".join(told(found, verdict)) + "\n")
    return verdict.status(strict=given.strict)


if __name__ == "__main__":
    sys.exit(main())
