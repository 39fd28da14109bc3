"""Tables and indexes of the connected database: how they are used, and how large they are.

Sizes are `relpages`, as the last VACUUM or ANALYZE wrote them: the functions that know better wait
behind an ACCESS EXCLUSIVE lock.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from collector.postgres.config import Group
from collector.postgres.counting import Growth, Readings, Row, Totals
from collector.postgres.reading import OTHER, Ask, Read, Reading
from collector.postgres.versions import Server

MOST_READ = 20_000
"""Tables or indexes that are read at most, the largest ones."""

Name = tuple[str, ...]
COUNTED = (
    "seq_scans",
    "seq_tuples_read",
    "index_scans",
    "index_tuples_fetched",
    "tuples_inserted",
    "tuples_updated",
    "tuples_hot_updated",
    "tuples_deleted",
)
GAUGES = ("size_bytes", "live_tuples", "dead_tuples", "modified_since_analyze_tuples")
MOMENTS = ("last_vacuum_timestamp_seconds", "last_analyze_timestamp_seconds",
           "last_autovacuum_timestamp_seconds")  # fmt: skip

TABLES = f"""SELECT s.relid, current_database(), s.schemaname, s.relname,
  s.seq_scan, s.seq_tup_read, coalesce(s.idx_scan, 0), coalesce(s.idx_tup_fetch, 0),
  s.n_tup_ins, s.n_tup_upd, s.n_tup_hot_upd, s.n_tup_del,
  c.relpages::float8 * current_setting('block_size')::int, s.n_live_tup, s.n_dead_tup,
  s.n_mod_since_analyze,
  extract(epoch FROM greatest(s.last_vacuum, s.last_autovacuum))::float8,
  extract(epoch FROM greatest(s.last_analyze, s.last_autoanalyze))::float8,
  extract(epoch FROM s.last_autovacuum)::float8
FROM pg_catalog.pg_stat_user_tables s JOIN pg_catalog.pg_class c ON c.oid = s.relid
ORDER BY c.relpages DESC, s.relid LIMIT {MOST_READ}"""

INDEXES = f"""SELECT s.indexrelid, current_database(), s.schemaname, s.relname, s.indexrelname,
  s.idx_scan, s.idx_tup_read, s.idx_tup_fetch,
  c.relpages::float8 * current_setting('block_size')::int, (NOT i.indisvalid)::int::float8
FROM pg_catalog.pg_stat_user_indexes s JOIN pg_catalog.pg_class c ON c.oid = s.indexrelid
JOIN pg_catalog.pg_index i ON i.indexrelid = s.indexrelid
ORDER BY c.relpages DESC, s.indexrelid LIMIT {MOST_READ}"""

INDEX_COUNTED = ("scans", "tuples_read", "tuples_fetched")


@dataclass(frozen=True, slots=True)
class Largest:
    """Which things have series of their own: the largest; whoever has them keeps them for long.

    What stands near the end of the list would otherwise come and go with every reading.
    """

    most: int

    def chosen(self, ordered: Sequence[int], before: Mapping[int, Name]) -> list[int]:
        """Of ids, largest first: those that have a name, within twice as many, and the largest."""
        near = ordered[: 2 * self.most]
        kept = [one for one in near if one in before][: self.most]
        room = self.most - len(kept)
        known = set(kept)
        return kept + [one for one in ordered[: self.most] if one not in known][:room]


class Tables:
    """Scans, changes and dead rows of the largest tables; the rest is added up."""

    group = Group.TABLES

    def __init__(self, interval_seconds: float, most: int) -> None:
        self.interval_seconds = interval_seconds
        self._largest = Largest(most)
        self._last: Readings[int] = Readings()
        self._totals: Totals[Name] = Totals()
        self._shown: dict[int, Name] = {}

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """Partitions are tables of their own; system tables are left out."""
        counted: dict[int, Row] = {}
        names: dict[int, Name] = {}
        rest: dict[int, Sequence[float | None]] = {}
        width = len(COUNTED)
        for oid, datname, schema, relation, *values in await ask(TABLES):
            names[oid] = (datname, schema, relation)
            counted[oid] = tuple(map(float, values[:width]))
            rest[oid] = values[width:]
        whole = len(counted) < MOST_READ
        growth = self._last.compare(counted, at_ms, server.started_seconds, whole=whole)
        ordered = list(counted)
        self._shown = {one: names[one] for one in self._largest.chosen(ordered, self._shown)}
        add_up(self._totals, growth, names, self._shown, width)
        readings: list[Reading] = [
            (f"pg_table_{column}_total", labels(name), value)
            for name, row in self._totals.items()
            for column, value in zip(COUNTED, row, strict=True)
        ]
        others: dict[str, list[float]] = {}
        for oid, figures in rest.items():
            if oid not in self._shown:
                total = others.setdefault(names[oid][0], [0.0] * len(GAUGES))
                for position, figure in enumerate(figures[: len(GAUGES)]):
                    total[position] += figure or 0.0
                continue
            named = labels(names[oid])
            for column, figure in zip((*GAUGES, *MOMENTS), figures, strict=True):
                if figure is not None:
                    readings.append((f"pg_table_{column}", named, float(figure)))
        for datname, sums in others.items():
            named = labels((datname, "", OTHER))
            readings += [
                (f"pg_table_{column}", named, value)
                for column, value in zip(GAUGES, sums, strict=True)
            ]
        return Read(readings)


class Indexes:
    """How often the largest indexes are used; the rest is added up."""

    group = Group.INDEXES

    def __init__(self, interval_seconds: float, most: int) -> None:
        self.interval_seconds = interval_seconds
        self._largest = Largest(most)
        self._last: Readings[int] = Readings()
        self._totals: Totals[Name] = Totals()
        self._shown: dict[int, Name] = {}

    async def read(self, ask: Ask, server: Server, at_ms: int) -> Read:
        """An index that could not be built to its end is invalid: it costs and serves nobody."""
        counted: dict[int, Row] = {}
        names: dict[int, Name] = {}
        sizes: dict[int, tuple[float, float]] = {}
        for oid, datname, schema, relation, index, *values in await ask(INDEXES):
            names[oid] = (datname, schema, relation, index)
            counted[oid] = tuple(map(float, values[:3]))
            sizes[oid] = (float(values[3]), float(values[4]))
        whole = len(counted) < MOST_READ
        growth = self._last.compare(counted, at_ms, server.started_seconds, whole=whole)
        self._shown = {one: names[one] for one in self._largest.chosen(list(counted), self._shown)}
        add_up(self._totals, growth, names, self._shown, len(INDEX_COUNTED))
        readings: list[Reading] = [
            (f"pg_index_{column}_total", labels(name), value)
            for name, row in self._totals.items()
            for column, value in zip(INDEX_COUNTED, row, strict=True)
        ]
        for oid in self._shown:
            named, (size, invalid) = labels(names[oid]), sizes[oid]
            readings.append(("pg_index_size_bytes", named, size))
            readings.append(("pg_index_invalid", named, invalid))
        return Read(readings)


def add_up(
    totals: Totals[Name],
    growth: Growth[int],
    names: Mapping[int, Name],
    shown: Mapping[int, Name],
    width: int,
) -> None:
    """Carry what grew into the totals: of what is shown to its name, of the rest to `__other__`."""
    if not growth.compared:
        totals.clear()
    nothing = (0.0,) * width
    for oid, name in names.items():
        if oid in shown:
            totals.add(name, growth.rows.get(oid, nothing))
        else:
            totals.add(remainder(name), growth.rows.get(oid, nothing))
    totals.keep(
        [*shown.values(), *(remainder(name) for oid, name in names.items() if oid not in shown)]
    )


def remainder(name: Name) -> Name:
    """The name under which the rest of a database is added up."""
    return (name[0], "", OTHER, *("" for _ in name[3:]))


def labels(name: Name) -> dict[str, str]:
    """The labels of a table or an index; an empty one is none."""
    return dict(zip(("datname", "schema", "relation", "index"), name, strict=False))
