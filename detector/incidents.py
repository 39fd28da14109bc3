"""Incidents on disk: which regressions they hold, where they began, what they correlate with.

Every method takes the session of the caller's unit of work. What a method decides is told by the
pure modules (`group`, `origin`, `deployments`); here it is read, written, and kept as a step.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from prometheus_client import CollectorRegistry
from sqlalchemy import ColumnElement, or_
from sqlmodel import Session, col, select

from detector.deployments import BEFORE_MS, correlations
from detector.finding import Finding
from detector.findings import Looking, changes, differs
from detector.group import Bond, Group, Joined, Link, arrange, is_news, shared
from detector.identity import identity
from detector.incident_tables import FindingRow, IncidentStep, IncidentStepRow, Step, finding_of
from detector.lifecycle import DETECTOR
from detector.meters import IncidentMeters
from detector.regression import Deployment, Phase, Regression
from detector.regression import Step as Taken
from detector.tables import (
    BRIEF,
    DeploymentRow,
    IncidentRow,
    RegressionRow,
    columns,
    read_only,
    regressions_of,
)

# How long after an incident opened its deployments are looked at again, as windows come in.
TESTED_FOR_MS = 2 * 3_600_000
TESTED_EVERY_MS = 5 * 60_000
IDS_AT_ONCE = 500  # SQLite took 999 values in one statement for long
# What a person who was told of the incident should hear of, or see in the message.
NEWS = frozenset(
    {
        Taken.ESCALATED,
        Taken.REOPENED,
        Taken.ACKNOWLEDGED,
        Taken.ACCEPTED,
        Taken.MUTED,
        Taken.UNMUTED,
        Taken.FALSE_POSITIVE,
    }
)


class Depth(StrEnum):
    """How much of the regressions of an incident is read."""

    WHOLE = "whole"
    BRIEF = "brief"
    """Without evidence: enough to show what became of them, not to store them."""
    ALONE = "alone"
    """None of them."""

    @property
    def columns(self) -> tuple[str, ...]:
        """What is read of each."""
        return {self.WHOLE: (*BRIEF, "evidence"), self.BRIEF: BRIEF}[self]


def unread() -> IncidentMeters:
    """Meters that nobody reads."""
    return IncidentMeters(CollectorRegistry())


@dataclass(slots=True)
class Incidents:
    """Groups regressions, and keeps of each incident where it began and what it correlates with."""

    looking: Looking = field(default_factory=Looking)
    meters: IncidentMeters = field(default_factory=unread)

    def place(self, session: Session, fresh: Sequence[Regression], now_ms: int) -> dict[str, str]:
        """The incident (id) of each new regression (id); incidents are made, and made one, for it.

        The regressions themselves are stored by the caller, who calls `conclude` afterwards.
        """
        if not fresh:
            return {}
        standing = self.standing(session)
        everyone = [*fresh, *(one for group in standing for one in group.members)]
        arrangement = arrange(fresh, standing, self.looking.ties(everyone, now_ms))
        for limit in arrangement.limits:
            self.meters.limited.labels(str(limit)).inc()
        homes: dict[str, str] = {}
        for joined in arrangement.joined:
            id_ = self.home(session, joined, now_ms)
            homes |= {one.id: id_ for one in joined.newcomers}
        session.flush()
        return homes

    def standing(self, session: Session) -> list[Group]:
        """The open incidents with their regressions, read at once."""
        rows = session.exec(
            select(IncidentRow, RegressionRow)
            .join(RegressionRow, col(RegressionRow.incident_id) == IncidentRow.id)
            .where(IncidentRow.phase == Phase.OPEN)
            .order_by(col(IncidentRow.opened_ms), IncidentRow.id, RegressionRow.id)
        ).all()
        members: dict[str, list[Regression]] = {}
        opened = {incident.id: incident.opened_ms for incident, _ in rows}
        for incident, regression in rows:
            members.setdefault(incident.id, []).append(regression.domain())
        return [Group(id_, opened[id_], tuple(of_it)) for id_, of_it in members.items()]

    def home(self, session: Session, joined: Joined, now_ms: int) -> str:
        """The stored incident that newcomers go into; what it takes over is moved there."""
        first = joined.newcomers[0]
        id_ = joined.incident_id or identity("inc", first.id)
        if not joined.incident_id:
            session.add(
                IncidentRow(
                    id=id_,
                    labels=shared(joined.newcomers).as_dict(),
                    phase=Phase.OPEN,
                    severity=max((r.severity for r in joined.newcomers), key=lambda s: s.rank),
                    opened_ms=first.held_since_ms or first.opened_ms,
                    resolved_ms=None,
                    version=1,
                )
            )
            session.flush()
            self.note(session, id_, now_ms, Step.OPENED, "a regression began it", first.id)
        links = {link.regression_id: link for link in joined.links}
        for one in joined.newcomers:
            link = links.get(one.id)
            if link is not None:
                self.meters.joined.labels(str(link.bond)).inc()
                self.joins(session, id_, now_ms, link)
        for other in joined.absorbed:
            self.take_over(session, id_, other, now_ms)
        return id_

    def joins(self, session: Session, incident_id: str, now_ms: int, link: Link) -> None:
        """The step of a regression that joins, with the tie as its evidence."""
        evidence: dict[str, object] = {
            "regression": link.regression_id,
            "with": link.other_id,
            "bond": str(link.bond),
        }
        if link.bond is Bond.SHAPE:
            evidence |= {"agreement": link.agreement.share, "steps": link.agreement.steps}
        self.step(session, incident_id, now_ms, Step.JOINED, str(link.bond), evidence)

    def take_over(self, session: Session, winner: str, loser: str, now_ms: int) -> None:
        """Two incidents have proved to be one: its regressions move, the younger ends."""
        row = session.get_one(IncidentRow, loser)
        moved = session.exec(select(RegressionRow).where(RegressionRow.incident_id == loser)).all()
        for one in moved:
            one.incident_id = winner
            session.add(one)
        row.phase, row.resolved_ms, row.version = Phase.RESOLVED, now_ms, row.version + 1
        session.add(row)
        home = session.get_one(IncidentRow, winner)
        home.version += 1
        session.add(home)
        known = session.get(FindingRow, loser)
        gone = replace(known.domain() if known else Finding(), merged_into=winner)
        if known:
            known.keep(now_ms, gone)
        session.add(known or FindingRow.of(loser, now_ms, gone))
        ids = sorted(one.id for one in moved)
        told = {"incident": loser, "regressions": ids}
        self.step(session, winner, now_ms, Step.TOOK_OVER, "they are one", told)
        told = {"incident": winner, "regressions": ids}
        self.step(session, loser, now_ms, Step.MERGED, "they are one", told)
        self.meters.merged.inc()
        session.flush()

    def conclude(
        self, session: Session, incident_id: str, now_ms: int, fresh: Collection[str] = ()
    ) -> None:
        """Look at an incident anew: labels, severity, origin, deployments; what is news is told.

        `fresh` are the regressions that joined it in this tick; where they are all there are, it is
        new and has its first version already.
        """
        row = session.get_one(IncidentRow, incident_id)
        members = self.members(session, incident_id)
        old = [one for one in members if one.id not in fresh]
        known = session.get(FindingRow, incident_id) if old else None
        before = known.domain() if known else None
        near = self.deployments(session, members)
        after = self.looking.look(members, near, before, now_ms)
        row.labels = shared(members).as_dict()
        row.severity = max((one.severity for one in members), key=lambda s: s.rank)
        linked = link(row, after)
        for one in changes(before, after):
            self.step(session, incident_id, now_ms, one.step, one.reason, one.evidence)
        self.meters.storms.inc(after.storm and not (before and before.storm))
        if known:
            known.keep(now_ms, after)
        session.add(known or FindingRow.of(incident_id, now_ms, after))
        if old:
            standing = row.domain(tuple(old), None)
            pools = self.looking.pools
            news = any(is_news(one, standing, pools) for one in members if one.id in fresh)
            row.version += news or linked or differs(before or Finding(), after)
        session.add(row)
        session.flush()

    def renew(
        self, session: Session, regression: Regression, taken: Collection[Taken], by_severity: bool
    ) -> None:
        """After steps of one regression of it: severity, over or open again, and what is news.

        A severity that the incident has already is none, and nothing that was muted gets worse.
        """
        row = session.get_one(IncidentRow, regression.incident_id)
        members, told = self.members(session, row.id), NEWS & set(taken)
        severity = max((one.severity for one in members), key=lambda s: s.rank)
        if by_severity or regression.phase is Phase.MUTED:
            told = told - {Taken.ESCALATED}
        if severity != row.severity:
            row.severity = severity
            if regression.phase is not Phase.MUTED:
                told = told | {Taken.ESCALATED}
        holding = any(one.phase.holds for one in members)
        version = row.version
        if row.phase == Phase.RESOLVED and holding:
            self.reopen(session, row, regression)
            told = told | {Taken.REOPENED}
        if row.phase == Phase.OPEN and not holding:
            row.phase = Phase.RESOLVED
            row.resolved_ms = max(one.resolved_ms or 0 for one in members)
            told = told | {Taken.RESOLVED}
        row.version = version + 1 if told else row.version
        session.add(row)

    def reopen(self, session: Session, row: IncidentRow, regression: Regression) -> None:
        """A regression of it came back: it is open again, and a deployment may fit this time."""
        row.phase, row.resolved_ms = Phase.OPEN, None
        near = self.deployments(session, [regression])
        known = self.looking.kinds, self.looking.dependencies
        fitting = correlations(near, [regression], *known)
        row.deployment_id = fitting[0].deployment_id if fitting else row.deployment_id
        at_ms = regression.updated_ms
        self.note(session, row.id, at_ms, Step.REOPENED, "a regression came back", regression.id)
        self.conclude(session, row.id, at_ms)

    def deployments(self, session: Session, members: Sequence[Regression]) -> list[Deployment]:
        """The deployments that fit any of these regressions in time."""
        lo_ms = min(one.began_lo_ms for one in members) - BEFORE_MS
        hi_ms = max(one.began_hi_ms for one in members)
        rows = session.exec(
            select(DeploymentRow)
            .where(col(DeploymentRow.at_ms) >= lo_ms, col(DeploymentRow.at_ms) <= hi_ms)
            .order_by(col(DeploymentRow.at_ms), DeploymentRow.id)
        )
        return [row.domain() for row in rows]

    def review(self, session: Session, now_ms: int) -> None:
        """Test the deployments of young incidents again, now that more windows are there."""
        if now_ms % TESTED_EVERY_MS:
            return
        since_ms = now_ms - TESTED_FOR_MS
        back = select(RegressionRow.incident_id).where(
            col(RegressionRow.open_key).is_not(None),  # the index of what is not over
            RegressionRow.phase == Phase.REOPENED,
            col(RegressionRow.held_since_ms) > since_ms,
        )
        rows = session.exec(
            select(FindingRow)
            .join(IncidentRow, col(IncidentRow.id) == FindingRow.incident_id)
            .where(
                IncidentRow.phase == Phase.OPEN,
                or_(col(IncidentRow.opened_ms) > since_ms, col(IncidentRow.id).in_(back)),
                col(FindingRow.at_ms) < now_ms,
            )
            .order_by(FindingRow.incident_id)
        ).all()
        for row in rows:
            if row.correlations:
                self.conclude(session, row.incident_id, now_ms)

    def deployed(self, session: Session, deployment: Deployment) -> None:
        """A deployment was told late: open incidents that began about then are looked at anew."""
        for group in self.standing(session):
            if correlations([deployment], group.members, {}, self.looking.dependencies):
                # The last tick is the time of the state that is looked at.
                now_ms = max(deployment.at_ms, *(one.updated_ms for one in group.members))
                self.conclude(session, group.id, now_ms)

    def members(self, session: Session, incident_id: str) -> list[Regression]:
        """The regressions of one incident, oldest first."""
        rows = session.exec(
            select(RegressionRow)
            .where(RegressionRow.incident_id == incident_id)
            .order_by(col(RegressionRow.opened_ms), RegressionRow.id)
        )
        return [row.domain() for row in rows]

    def all_members(
        self, session: Session, ids: Collection[str], depth: Depth
    ) -> dict[str, list[Regression]]:
        """The regressions of each of these incidents, oldest first."""
        found: dict[str, list[Regression]] = {id_: [] for id_ in ids}
        for some in batched(ids):
            for one in of_depth(session, columns(RegressionRow).incident_id.in_(some), depth):
                found[one.incident_id].append(one)
        for members in found.values():
            members.sort(key=lambda one: (one.opened_ms, one.id))
        return found

    def findings(self, session: Session, ids: Collection[str]) -> dict[str, Finding]:
        """What is found out about these incidents."""
        found: dict[str, Finding] = {}
        for some in batched(ids):
            rows = read_only(session, FindingRow, columns(FindingRow).incident_id.in_(some))
            found |= {row.incident_id: finding_of(row) for row in rows}
        return found

    def steps(self, session: Session, incident_id: str) -> list[IncidentStep]:
        """The steps of one incident, oldest first."""
        rows = session.exec(
            select(IncidentStepRow)
            .where(IncidentStepRow.incident_id == incident_id)
            .order_by(col(IncidentStepRow.id))
        )
        return [row.domain() for row in rows]

    def note(
        self,
        session: Session,
        incident_id: str,
        at_ms: int,
        step: Step,
        reason: str,
        about: str = "",
    ) -> None:
        """A step about one regression, or about none."""
        evidence = {"regression": about} if about else {}
        self.step(session, incident_id, at_ms, step, reason, evidence)

    def step(
        self,
        session: Session,
        incident_id: str,
        at_ms: int,
        step: Step,
        reason: str,
        evidence: Mapping[str, object],
    ) -> None:
        """Keep a step, taken by the detector."""
        session.add(
            IncidentStepRow.of(
                IncidentStep(
                    incident_id=incident_id,
                    at_ms=at_ms,
                    actor=DETECTOR,
                    step=step,
                    reason=reason,
                    evidence=evidence,
                )
            )
        )


def link(row: IncidentRow, finding: Finding) -> bool:
    """Name the deployment that fits best; one that is named stays until a closer one is known.

    Gives whether that is another one than before.
    """
    if not finding.correlations:
        return False
    best, named = finding.correlations[0], row.deployment_id
    known = next((one for one in finding.correlations if one.deployment_id == named), None)
    if named is not None and (known is None or known.match.rank >= best.match.rank):
        return False
    row.deployment_id = best.deployment_id
    return True


def batched(ids: Collection[str]) -> Iterator[list[str]]:
    """The same ids, no more at once than a statement takes."""
    known = list(ids)
    for start in range(0, len(known), IDS_AT_ONCE):
        yield known[start : start + IDS_AT_ONCE]


def of_depth(
    session: Session, condition: ColumnElement[bool], depth: Depth
) -> Iterator[Regression]:
    """Regressions that meet a condition, so much of each."""
    if depth is Depth.ALONE:
        return iter(())
    return regressions_of(session, condition, depth.columns)
