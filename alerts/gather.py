"""A storm becomes one message: new messages that wait are gathered into the pages of a digest.

Written in the caller's unit of work, before anything is claimed. What is gathered is told by its
page, and by nothing else; the pages go through the outbox like any message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import or_, update
from sqlalchemy.orm import aliased, load_only
from sqlmodel import Session, col, exists, func, select

from alerts.alert import Action, Reason, Receiver
from alerts.digest import LINES_OF_A_PAGE, Line, Page, render
from alerts.giving_way import coalesce
from alerts.outbox_tables import Kind, OutboxRow, outstanding, replaceable
from alerts.payload import digest, written
from alerts.retry import State
from detector.regression import Phase, Severity

# New incidents join a digest that is younger than this; later ones are worth a message.
STORM_MS = 10 * 60_000


@dataclass(slots=True)
class Storm:
    """A digest that is being filled: its head, its pages in order, and the lines on the last."""

    head: str
    pages: int = 0
    lines_on_last: int = LINES_OF_A_PAGE

    def page_for_one_more(self) -> str:
        """The page of the next incident; a new one when the last is full."""
        if self.lines_on_last >= LINES_OF_A_PAGE:
            self.pages, self.lines_on_last = self.pages + 1, 0
        self.lines_on_last += 1
        return page_id(self.head, self.pages - 1)


def page_id(head: str, number: int) -> str:
    """The name of a page: that of the head, and its number behind it."""
    return head if number == 0 else f"{head}.{number}"


def number_of(page: str) -> int:
    """The number of a page, from its name."""
    return int(page.partition(".")[2] or 0)


def head_of(page: str) -> str:
    """The name of the first page of the same digest."""
    return page.partition(".")[0]


def gather(session: Session, receiver: Receiver, now_ms: int) -> int:
    """Gather what waits for one receiver, if it is a storm; how many incidents were taken in."""
    if not receiver.manner.digest_from:
        return 0
    touched = [page for row in later_versions(session, receiver) for page in rejoin(session, row)]
    fresh = new_messages(session, receiver.name)
    storm = running(session, receiver, now_ms) if fresh else None
    if storm is None and len(fresh) >= receiver.manner.digest_from:
        storm = Storm(head=f"digest-{fresh[0].id}")
    if storm is not None:
        for row in fresh:
            page = storm.page_for_one_more()
            take_in(session, row, page)
            touched.append(page)
    for head in dict.fromkeys(head_of(page) for page in touched):
        everything = members(session, receiver, head)
        # The head counts what all pages hold, so it changes with any of them.
        for page in dict.fromkeys([head, *(one for one in touched if head_of(one) == head)]):
            write(session, receiver, page, everything, now_ms)
    return len(touched)


def new_messages(session: Session, receiver: str) -> Sequence[OutboxRow]:
    """What is to be posted and surely was not, the oldest first."""
    return session.exec(
        select(OutboxRow)
        .where(
            OutboxRow.receiver == receiver,
            OutboxRow.kind == Kind.MESSAGE,
            OutboxRow.action == Action.POST,
            OutboxRow.state == State.PENDING,
            OutboxRow.attempts == 0,
            outstanding(),
        )
        .order_by(col(OutboxRow.id))
    ).all()


def later_versions(session: Session, receiver: Receiver) -> Sequence[OutboxRow]:
    """Newer versions of what a page tells; where pages cannot be edited they go their own way."""
    if not receiver.edits:
        return ()
    before = aliased(OutboxRow)
    return session.exec(
        select(OutboxRow)
        .where(
            OutboxRow.receiver == receiver.name,
            OutboxRow.kind == Kind.MESSAGE,
            OutboxRow.state == State.PENDING,
            OutboxRow.attempts == 0,
            outstanding(),
            exists().where(
                col(before.incident_id) == OutboxRow.incident_id,
                col(before.receiver) == receiver.name,
                col(before.gathered) != "",
            ),
        )
        .order_by(col(OutboxRow.id))
    ).all()


def rejoin(session: Session, row: OutboxRow) -> Iterable[str]:
    """Let the page that tells an incident tell its newer version."""
    page = session.exec(
        select(OutboxRow.gathered)
        .where(
            OutboxRow.incident_id == row.incident_id,
            OutboxRow.receiver == row.receiver,
            OutboxRow.gathered != "",
        )
        .order_by(col(OutboxRow.id).desc())
        .limit(1)
    ).one()
    take_in(session, row, page)
    yield page


def running(session: Session, receiver: Receiver, now_ms: int) -> Storm | None:
    """The digest that new incidents still join: young, and able to grow."""
    last = session.exec(
        select(OutboxRow)
        .where(
            OutboxRow.receiver == receiver.name,
            OutboxRow.kind == Kind.DIGEST,
            OutboxRow.action == Action.POST,
            col(OutboxRow.created_ms) > now_ms - STORM_MS,
        )
        .order_by(col(OutboxRow.id).desc())
        .limit(1)
    ).first()
    if last is None or not (receiver.edits or replaceable(last)):
        return None
    head = head_of(last.incident_id)
    pages = set(session.exec(select(OutboxRow.incident_id).where(*of_digest(receiver, head))).all())
    newest = max(pages, key=number_of)
    lines = session.exec(
        select(func.count(func.distinct(OutboxRow.incident_id))).where(
            OutboxRow.receiver == receiver.name, OutboxRow.gathered == newest
        )
    ).one()
    return Storm(head=head, pages=number_of(newest) + 1, lines_on_last=lines)


def of_digest(receiver: Receiver, head: str) -> tuple[Any, ...]:
    """The rows of all pages of a digest."""
    return (
        OutboxRow.receiver == receiver.name,
        OutboxRow.kind == Kind.DIGEST,
        or_(col(OutboxRow.incident_id) == head, col(OutboxRow.incident_id).startswith(f"{head}.")),
    )


def take_in(session: Session, row: OutboxRow, page: str) -> None:
    """Let a page tell a row; what waits for its thread goes into that of the digest."""
    row.state, row.next_attempt_ms, row.gathered = State.GATHERED, None, page
    row.outcome, row.error = "", ""
    session.add(row)
    session.exec(
        update(OutboxRow)
        .where(
            outstanding(),
            col(OutboxRow.incident_id) == row.incident_id,
            col(OutboxRow.receiver) == row.receiver,
            col(OutboxRow.kind) == Kind.REPLY,
        )
        .values(thread_of=head_of(page))
        .execution_options(synchronize_session=False)
    )
    session.exec(
        update(OutboxRow)
        .where(
            outstanding(),
            col(OutboxRow.incident_id) == row.incident_id,
            col(OutboxRow.receiver) == row.receiver,
            col(OutboxRow.kind) == Kind.CHART,
        )
        .values(state=State.SUPERSEDED, next_attempt_ms=None, error=Reason.DIGEST)
        .execution_options(synchronize_session=False)
    )
    session.flush()


@dataclass(frozen=True, slots=True)
class Member:
    """One incident of a digest: on which page it stands, and what that says of it now."""

    page: str
    line: Line


def write(
    session: Session, receiver: Receiver, page: str, everything: Sequence[Member], now_ms: int
) -> None:
    """Put the page as it is now into the outbox; one that waits gives way to it."""
    head, number = head_of(page), number_of(page)
    newest = session.exec(
        select(func.max(OutboxRow.version)).where(
            OutboxRow.incident_id == page, OutboxRow.receiver == receiver.name
        )
    ).one()
    version = (newest or 0) + 1
    lines = tuple(one.line for one in everything if one.page == page)
    over = sum(one.line.phase is Phase.RESOLVED for one in everything)
    payload = render(Page(page, number, version, lines, len(everything), over))
    open_ = [one for one in lines if one.phase is not Phase.RESOLVED]
    worst = max((one.severity for one in open_ or lines), key=lambda severity: severity.rank)
    session.add(
        OutboxRow(
            key=f"{receiver.name}:{page}:{version}",
            incident_id=page,
            receiver=receiver.name,
            version=version,
            action=Action.POST if version == 1 else Action.UPDATE,
            reason=Reason.DIGEST,
            phase=Phase.OPEN if open_ else Phase.RESOLVED,
            severity=worst,
            payload=written(payload),
            digest=digest(payload),
            state=State.PENDING,
            created_ms=now_ms,
            next_attempt_ms=now_ms,
            kind=Kind.DIGEST,
            thread_of=head if number and receiver.manner.threads else "",
        )
    )
    session.flush()
    coalesce(session, page, receiver.name)


def members(session: Session, receiver: Receiver, head: str) -> list[Member]:
    """Each incident of a digest as it is now, in the order in which they came."""
    row = OutboxRow
    shown: tuple[Any, ...] = (row.incident_id, row.gathered, row.line, row.phase, row.severity)
    rows = session.exec(
        select(row)
        .options(load_only(*shown))  # the payloads would be most of it
        .where(
            row.receiver == receiver.name,
            or_(col(row.gathered) == head, col(row.gathered).startswith(f"{head}.")),
        )
        .order_by(col(row.id))
    ).all()
    newest: dict[str, Member] = {}  # the first version of an incident gives it its place
    for one in rows:
        told = Line(one.line, Phase(one.phase), Severity(one.severity))
        newest[one.incident_id] = Member(one.gathered, told)
    return list(newest.values())
