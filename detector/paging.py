"""Pages of the history of regressions: any filters, one bounded look into one index.

A page is looked for in the index of the rarest filter that is given, newest first, and no further
than `LOOK` entries; the other filters are tested on the entries themselves, which hold all that a
filter can ask for. So a page costs the same over a thousand regressions and over a million, also
for filters that hardly anything meets. A page that ends before it is full says where to go on.
"""

import base64
import binascii
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, and_, func, or_
from sqlmodel import Session, col, select

from detector.regression import Kind, Phase, Regression, Severity
from detector.tables import ENTRY, RegressionRow, regressions_of

LOOK = 20_000
"""Entries of an index that one page looks at: some 10 ms."""

NEAR = 2_000
"""Entries that are looked at first: most pages are full by then, and cost less than 1 ms."""

PROBE = 2_000
"""Entries that are counted to learn which of several filters is the rarest."""

WRITTEN = re.compile(r"(\d{1,15})\.([\w-]{1,100})", re.ASCII)
Condition = ColumnElement[bool]


class BadCursorError(ValueError):
    """A cursor that this API did not hand out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which regressions: each given condition narrows the answer. Newest opened come first."""

    phases: Collection[Phase] | None = None
    kind: Kind | None = None
    severity: Severity | None = None
    signal: str | None = None
    rule: str | None = None
    target: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class Page:
    """One page of regressions, and the cursor of the next one; None when there is none.

    With a cursor a page can hold fewer than were asked for, even none.
    """

    regressions: tuple[Regression, ...]
    next_cursor: str | None


def page(session: Session, query: Query) -> Page:
    """One page of history, newest first; stays right when rows are added meanwhile.

    `BadCursorError` for a cursor of another place.
    """
    within = span(query)
    within += entrance(session, query, within)
    row = RegressionRow
    newest_first = col(row.opened_ms).desc(), col(row.id).desc()
    found = look(session, query, within, min(NEAR, LOOK))
    if len(found) <= query.limit:
        found = look(session, query, within, LOOK)
    shown = found[: query.limit]
    if len(found) > query.limit:
        end: tuple[int, str] | None = shown[-1]
    else:
        last = select(row.opened_ms, row.id).where(*within).order_by(*newest_first)
        end = session.exec(last.offset(LOOK - 1).limit(1)).first()
    regressions = sorted(
        regressions_of(session, col(row.id).in_([id_ for _, id_ in shown])),
        key=lambda one: (one.opened_ms, one.id),
        reverse=True,
    )
    return Page(tuple(regressions), written(*end) if end else None)


def look(
    session: Session, query: Query, within: list[Condition], most: int
) -> list[tuple[int, str]]:
    """Times and ids of what meets a query among so many entries, one more than a page holds."""
    row = RegressionRow
    newest_first = col(row.opened_ms).desc(), col(row.id).desc()
    entry = [getattr(row, name) for name in ENTRY]
    looked = sqlalchemy.select(*entry).where(*within).order_by(*newest_first).limit(most).subquery()
    found = session.exec(
        select(looked.c.opened_ms, looked.c.id)
        .where(*tests(query, looked.c))
        .order_by(looked.c.opened_ms.desc(), looked.c.id.desc())
        .limit(query.limit + 1)
    )
    return [(at_ms, id_) for at_ms, id_ in found]


def span(query: Query) -> list[Condition]:
    """The part of the order that is asked for."""
    row, found = RegressionRow, []
    if query.since_ms is not None:
        found.append(col(row.opened_ms) >= query.since_ms)
    if query.until_ms is not None:
        found.append(col(row.opened_ms) <= query.until_ms)
    if query.cursor is not None:
        at_ms, id_ = read(query.cursor)
        # The bound on the time alone is what an index is entered at.
        found.append(col(row.opened_ms) <= at_ms)
        found.append(or_(col(row.opened_ms) < at_ms, col(row.id) < id_))
    return found


def entrance(session: Session, query: Query, within: list[Condition]) -> list[Condition]:
    """The condition whose index is looked into: the rarest that is given; none for all pages."""
    row = RegressionRow
    if query.phases is not None and not any(phase.is_over for phase in query.phases):
        # What is not over is little; its index holds nothing else.
        return [col(row.open_key).is_not(None)]
    given = [
        column == value
        for column, value in (
            (col(row.target), query.target),
            (col(row.rule), query.rule),
            (col(row.signal), query.signal),
        )
        if value is not None
    ]
    if len(given) < 2:
        return given

    def known(condition: Condition) -> int:
        some = select(row.id).where(and_(condition, *within)).limit(PROBE).subquery()
        return session.exec(select(func.count()).select_from(some)).one()

    return [min(given, key=known)]


def tests(query: Query, entry: Any) -> list[Condition]:
    """What an entry of an index must meet."""
    found = []
    for name in ("kind", "severity", "signal", "rule", "target"):
        value = getattr(query, name)
        if value is not None:
            found.append(getattr(entry, name) == value)
    if query.phases is not None:
        found.append(entry.phase.in_(query.phases))
    return found


def written(opened_ms: int, id_: str) -> str:
    """A cursor: where a page ended. Opaque to callers."""
    return base64.urlsafe_b64encode(f"{opened_ms}.{id_}".encode()).decode().rstrip("=")


def read(cursor: str) -> tuple[int, str]:
    """Where a page ended; `BadCursorError` for what we did not write."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        text = ""
    found = WRITTEN.fullmatch(text)
    if found is None:
        raise BadCursorError("this cursor was not handed out by this API")
    return int(found[1]), found[2]
