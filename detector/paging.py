"""Pages of the history of regressions: any filters, one bounded look into one index.

A page is looked for in the index of the rarest filter that is given, newest first, and no further
than `LOOK` entries; the other filters are tested on the entries themselves, which hold all that a
filter can ask for. So a page costs the same over a thousand regressions and over a million, also
for filters that hardly anything meets. A page that ends before it is full says where to go on.
"""

import base64
import binascii
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, cast

import sqlalchemy
from sqlalchemy import ColumnElement, Integer, Select, and_, bindparam, func, or_
from sqlmodel import Session

from detector.regression import Kind, Phase, Regression, Severity
from detector.tables import ENTRY, RegressionRow, columns, regressions_of

LOOK = 20_000
"""Entries of an index that one page looks at: some 10 ms."""

NEAR = (300, 2_000)
"""Entries that are looked at before: most pages are full by then, and cost a tenth of that."""

PROBE = 2_000
"""Entries that are counted to learn which of several filters is the rarest."""

MOST_STATEMENTS = 512
WRITTEN = re.compile(r"(\d{1,15})\.([\w-]{1,100})", re.ASCII)
Condition = ColumnElement[bool]

ROW = columns(RegressionRow)
NEWEST_FIRST = ROW.opened_ms.desc(), ROW.id.desc()
LIVE = "open_key"
LEADING = ("target", "rule", "signal")
"""Columns with an index of their own; of equally rare ones the first."""
TESTS = ("phases", "kind", "severity", "signal", "rule", "target")
ENTRANCES: dict[str, Condition] = {
    LIVE: ROW.open_key.is_not(None),
    **{name: ROW[name] == bindparam(name) for name in LEADING},
}
BOUNDS: dict[str, Condition] = {
    "since_ms": ROW.opened_ms >= bindparam("since_ms"),
    "until_ms": ROW.opened_ms <= bindparam("until_ms"),
    # The bound on the time alone is what an index is entered at.
    "cursor": and_(
        ROW.opened_ms <= bindparam("cursor"),
        or_(
            ROW.opened_ms < bindparam("cursor"),
            ROW.id < bindparam("cursor_id"),
        ),
    ),
}


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
    given = values(query)
    bounds = tuple(name for name in BOUNDS if name in given)
    entered = entrance(session, query, bounds, given)
    asked = Asked(entered, bounds, tuple(name for name in TESTS if name in given))
    found: list[tuple[int, str]] = []
    for most in (*(one for one in NEAR if one < LOOK), LOOK):
        found = look(session, asked, {**given, "most": most})
        if len(found) > query.limit:
            break
    shown = found[: query.limit]
    if len(found) > query.limit:
        end: tuple[int, str] | None = shown[-1]
    else:
        last = session.execute(last_looked_at(entered, bounds), {**given, "most": LOOK - 1}).first()
        end = (last[0], last[1]) if last else None
    regressions = sorted(
        regressions_of(session, ROW.id.in_([id_ for _, id_ in shown])),
        key=lambda one: (one.opened_ms, one.id),
        reverse=True,
    )
    return Page(tuple(regressions), written(*end) if end else None)


class Asked(NamedTuple):
    """What a look is made of; of each there is one statement, that is made once.

    `entered` is what the index that is looked into is entered by, a column or `LIVE`; None for all.
    `bounds` and `tests` are the names of values that are given.
    """

    entered: str | None
    bounds: tuple[str, ...]
    tests: tuple[str, ...]


def values(query: Query) -> dict[str, Any]:
    """What is given of a query, and how many rows one look gives: one more than a page holds."""
    given = {name: getattr(query, name) for name in (*TESTS[1:], "since_ms", "until_ms")}
    given = {name: value for name, value in given.items() if value is not None}
    if query.phases is not None:
        given["phases"] = [str(one) for one in query.phases]
    if query.cursor is not None:
        given["cursor"], given["cursor_id"] = read(query.cursor)
    return {**given, "rows": query.limit + 1}


def look(session: Session, asked: Asked, given: Mapping[str, Any]) -> list[tuple[int, str]]:
    """Times and ids of what meets a query among so many entries, one more than a page holds."""
    return [(at_ms, id_) for at_ms, id_ in session.execute(looking(asked), given)]


@lru_cache(maxsize=MOST_STATEMENTS)
def looking(asked: Asked) -> Select[Any]:
    """The statement of a look: entries in their order, and those of them that pass all tests."""
    entry = [ROW[name] for name in ENTRY]
    entries = sqlalchemy.select(*entry).where(*within(asked.entered, asked.bounds))
    looked = entries.order_by(*NEWEST_FIRST).limit(bindparam("most", type_=Integer)).subquery()
    chosen: Select[Any] = sqlalchemy.select(looked.c.opened_ms, looked.c.id)
    return (
        chosen.where(*(test(looked.c, name) for name in asked.tests))
        .order_by(looked.c.opened_ms.desc(), looked.c.id.desc())
        .limit(bindparam("rows", type_=Integer))
    )


@lru_cache(maxsize=MOST_STATEMENTS)
def last_looked_at(entered: str | None, bounds: tuple[str, ...]) -> Select[Any]:
    """The statement of the last entry that a whole look comes to."""
    chosen = sqlalchemy.select(ROW.opened_ms, ROW.id)
    of_them = chosen.where(*within(entered, bounds)).order_by(*NEWEST_FIRST)
    return of_them.offset(bindparam("most", type_=Integer)).limit(1)


def within(entered: str | None, bounds: tuple[str, ...]) -> list[Condition]:
    """The part of the order that is looked at."""
    return [*(BOUNDS[name] for name in bounds), *([ENTRANCES[entered]] if entered else [])]


def test(entry: Any, name: str) -> Condition:
    """What an entry of an index must meet."""
    if name == "phases":
        return cast(Condition, entry.phase.in_(bindparam("phases", expanding=True)))
    return cast(Condition, getattr(entry, name) == bindparam(name))


def entrance(
    session: Session, query: Query, bounds: tuple[str, ...], given: Mapping[str, Any]
) -> str | None:
    """What the index is entered by: the rarest condition that is given; None for all pages."""
    if query.phases is not None and not any(phase.is_over for phase in query.phases):
        # What is not over is little; its index holds nothing else.
        return LIVE
    leading = [name for name in LEADING if name in given]
    if len(leading) < 2:
        return leading[0] if leading else None
    counts = {name: session.execute(counted(name, bounds), given).scalar_one() for name in leading}
    return min(leading, key=lambda name: int(counts[name]))


@lru_cache(maxsize=MOST_STATEMENTS)
def counted(entered: str, bounds: tuple[str, ...]) -> Select[Any]:
    """The statement that counts entries, no more than tell what is rare."""
    some = sqlalchemy.select(ROW.id).where(*within(entered, bounds))
    return sqlalchemy.select(func.count()).select_from(some.limit(PROBE).subquery())


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
