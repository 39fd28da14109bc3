"""Statements: what pg_stat_statements counts, by differences, under a fingerprint of ours.

An entry belongs to a database, a role, an id and whether it ran by itself or inside a function. The
id is another one on every server and after every migration, so entries are added up by the
fingerprint of their text. Texts are read for new entries only, and rarely: the server reads its
whole file of texts for one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from collector.failure import CollectFailure, Failure
from collector.postgres.config import Group, Statements
from collector.postgres.counting import Growth, Readings, Row, Totals
from collector.postgres.ranking import Ranking, Statement
from collector.postgres.reading import OTHER, Ask, Read, Reading
from collector.postgres.scrub import fingerprint, is_own, scrubbed
from collector.postgres.versions import (
    COLUMNS,
    EXEC_SECONDS,
    Extension,
    Server,
    statement_info,
    statement_numbers,
    statement_texts,
)
from collector.sidethread import SideThread

Key = tuple[int, int, int, bool]
"""Database, role, id, whether at top level."""

OWN = "own"
TEXTS_AGAIN_MS = 600_000
NOTE_AGAIN_MS = 3_600_000
HEAVY = 0.05
"""New entries with this share of all time are worth reading the texts for at once."""

MOST_IDS = 1000
LONGEST_READ = 20_000
"""Characters of a text that are read at all, for its fingerprint."""

NO_EXTENSION = "pg_stat_statements is not installed here: CREATE EXTENSION pg_stat_statements"
NOT_TRACKING = "pg_stat_statements.track is none: nothing is counted"
OF_OTHERS = "statements of other roles are hidden: GRANT pg_monitor"

Note = Callable[[Mapping[Statement, str], int], None]
"""Takes statements that are shown from now on, with their texts, and the time."""


class StatementReader:
    """The counters of pg_stat_statements, summed up under fingerprints."""

    group = Group.STATEMENTS

    def __init__(self, interval_seconds: float, config: Statements, note: Note) -> None:
        self.interval_seconds = interval_seconds
        self._text_chars = config.text_chars
        self._note = note
        self._last: Readings[Key] = Readings(interval_seconds)
        self._ranking = Ranking(config.shown)
        self._totals: Totals[Statement] = Totals()
        self._server_totals: Totals[str] = Totals()
        self._server_last: Readings[str] = Readings()
        self._names: dict[Key, str] = {}  # "" where the text may not be kept
        self._texts: dict[str, str] = {}
        self._texts_ms: int | None = None
        self._texts_came = False
        self._noted_ms: int | None = None
        self._thread = SideThread("plimsoll-statement-texts")

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """The totals of what is shown, and of the rest as `__other__`."""
        extension = server.statements
        if extension is None:
            raise CollectFailure(Failure.NOT_INSTALLED, NO_EXTENSION)
        rows, datnames, since, hidden = entries(await ask(statement_numbers(extension)))
        info = statement_info(extension)
        dealloc, reset = (await ask(info))[0] if info else (0, None)
        epoch = (server.started_seconds, reset, extension)
        growth = self._last.compare(rows, at_ms, epoch, since)
        failure = None
        try:
            await self._name(ask, extension, rows, growth, at_ms)
        except CollectFailure as unnamed:
            failure = unnamed  # new entries are counted without a name of their own
        self._count(growth, datnames, at_ms)
        readings = [
            *self._readings(),
            *self._of_the_server(server, len(rows), dealloc, growth, at_ms),
        ]
        if server.tracked == "none":
            failure = CollectFailure(Failure.NOT_INSTALLED, NOT_TRACKING)
        elif hidden:
            failure = CollectFailure(Failure.PERMISSION, OF_OTHERS)
        return Read(readings, failure)

    async def _name(
        self,
        ask: Ask,
        extension: Extension,
        rows: Mapping[Key, Row],
        growth: Growth[Key],
        at_ms: int,
    ) -> None:
        """Give fingerprints to new entries, when it is time to read texts."""
        gone = [key for key in self._names if key not in rows]
        for key in gone:
            del self._names[key]
        unknown = [key for key in rows if key not in self._names]
        if not unknown or not self._is_time(unknown, growth, at_ms):
            return
        self._texts_ms, self._texts_came = at_ms, False
        ids = tuple(sorted({key[2] for key in unknown})) if len(unknown) <= MOST_IDS else ()
        found = await ask(statement_texts(extension, LONGEST_READ, ids))
        self._texts_came = True
        wanted = set(unknown)
        # In a thread: thousands of texts are a second of work.
        for key, name, text in await self._thread.run(lambda: named(found, wanted)):
            self._names[key] = name
            if text:
                self._texts[name] = text[: self._text_chars]
        used = set(self._names.values())
        self._texts = {name: text for name, text in self._texts.items() if name in used}

    def _is_time(self, unknown: Sequence[Key], growth: Growth[Key], at_ms: int) -> bool:
        if self._texts_ms is None or at_ms - self._texts_ms >= TEXTS_AGAIN_MS:
            return True
        if not self._texts_came:
            return False
        everything = sum(row[EXEC_SECONDS] for row in growth.rows.values())
        new = sum(growth.rows[key][EXEC_SECONDS] for key in unknown if key in growth.rows)
        return new > HEAVY * everything

    def _count(self, growth: Growth[Key], datnames: Mapping[Key, str], at_ms: int) -> None:
        """Add up what grew, and decide who is shown."""
        if not growth.compared:
            self._totals.clear()
        grown: dict[Statement, list[float]] = {}
        for key, row in growth.rows.items():
            name = self._names.get(key, "")
            if name == OWN:
                continue
            known = grown.get((datnames[key], name))
            if known is None:
                grown[datnames[key], name] = list(row)
            else:
                for position, value in enumerate(row):
                    known[position] += value
        seconds = {one: row[EXEC_SECONDS] for one, row in grown.items() if one[1]}
        new = self._ranking.note(seconds, at_ms)
        if self._noted_ms is None or at_ms - self._noted_ms >= NOTE_AGAIN_MS:
            self._noted_ms = at_ms
            new = self._ranking.active()
        if new:
            self._note({one: self._texts.get(one[1], "") for one in new}, at_ms)
        shown = self._ranking.shown
        nothing = (0.0,) * len(COLUMNS)
        for datname in set(datnames.values()):
            self._totals.add((datname, OTHER), nothing)
        for statement, added in grown.items():
            self._totals.add(statement if statement in shown else (statement[0], OTHER), added)
        for statement in shown:
            self._totals.add(statement, nothing)
        self._totals.keep([*shown, *((datname, OTHER) for datname in set(datnames.values()))])

    def _readings(self) -> list[Reading]:
        readings: list[Reading] = []
        for (datname, name), row in self._totals.items():
            labels = {"datname": datname, "fingerprint": name}
            readings += [
                (f"pg_statement_{column}_total", labels, value)
                for column, value in zip(COLUMNS, row, strict=True)
            ]
        return readings

    def _of_the_server(
        self, server: Server, entries_: int, dealloc: float, growth: Growth[Key], at_ms: int
    ) -> list[Reading]:
        """How full the table is; evictions, and the intervals that are not whole for them."""
        evicted = self._server_last.compare(
            {"dealloc": (float(dealloc),)}, at_ms, server.started_seconds
        )
        if not evicted.compared:
            self._server_totals.clear()
        (deallocs,) = evicted.rows.get("dealloc", (0.0,))
        partial = float(growth.compared and bool(growth.restarted or deallocs))
        self._server_totals.add("dealloc", (deallocs,))
        self._server_totals.add("partial", (partial,))
        totals = {name: row[0] for name, row in self._server_totals.items()}
        readings: list[Reading] = [
            ("pg_stat_statements_entries", {}, float(entries_)),
            ("pg_stat_statements_dealloc_total", {}, totals["dealloc"]),
            ("pg_stat_statements_partial_intervals_total", {}, totals["partial"]),
        ]
        if server.most_statements is not None:
            readings.append(("pg_stat_statements_max_entries", {}, server.most_statements))
        return readings


def entries(
    found: Sequence[tuple[Any, ...]],
) -> tuple[dict[Key, Row], dict[Key, str], dict[Key, float | None], int]:
    """Counters, database names and births by key; and how many entries the role may not see."""
    rows: dict[Key, Row] = {}
    datnames: dict[Key, str] = {}
    since: dict[Key, float | None] = {}
    hidden = 0
    for dbid, userid, queryid, toplevel, datname, born, *values in found:
        if queryid is None:
            hidden += 1
            continue
        key = (dbid, userid, queryid, toplevel)
        rows[key] = tuple([0.0 if one is None else float(one) for one in values])
        datnames[key], since[key] = datname, born
    return rows, datnames, since, hidden


def named(found: Sequence[tuple[Any, ...]], wanted: set[Key]) -> list[tuple[Key, str, str | None]]:
    """The fingerprint and the scrubbed text of each entry; no name where nothing may be kept."""
    named_: list[tuple[Key, str, str | None]] = []
    for dbid, userid, queryid, toplevel, text in found:
        key = (dbid, userid, queryid, toplevel)
        if queryid is None or key not in wanted:
            continue
        if text is not None and is_own(text):
            named_.append((key, OWN, None))
            continue
        clean = None if text is None else scrubbed(text)
        named_.append((key, "" if clean is None else fingerprint(clean), clean))
    return named_
