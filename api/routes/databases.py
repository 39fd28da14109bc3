"""`/databases`: what the PostgreSQL collector knows of statements, tables and indexes."""

from enum import StrEnum
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from pydantic import Field

from api.databases import Thing, Usage, targets, things
from api.errors import missing
from api.query_shapes import QueryShape, queries
from api.rooms import Asked, Limited, Rooms, Targets
from api.routes.queries import Sort as QuerySort
from api.routes.router import router
from api.routes.texts import Id, Name
from api.shapes import API, Shape
from api.statements import Span
from collector.run import TargetState

routes = router("databases")

OFFSET_MOST = 20_000


class Reach(StrEnum):
    """How far back use is added up; samples are kept for days, not for months."""

    HOUR = "1h"
    DAY = "24h"
    WEEK = "7d"

    @property
    def span(self) -> Span:
        """The same for sums."""
        return Span(self.value)


class TableSort(StrEnum):
    """What the first of a list of tables has most of."""

    SIZE = "size"
    ROWS = "rows"
    DEAD_ROWS = "dead_rows"
    SEQ_SCANS = "seq_scans"
    CHANGES = "changes"


class IndexSort(StrEnum):
    """What the first of a list of indexes has most of."""

    SIZE = "size"
    SCANS = "scans"


class Paged(Limited):
    """A page of an order that may change; `offset` counts from the first."""

    offset: int = Field(0, ge=0, le=OFFSET_MOST, description="How many are left out at first.")
    datname: Name | None = Field(None, description="Name of a database.")


class QueriesAsked(Paged):
    """Which statements."""

    sort: QuerySort = Field(QuerySort.TOTAL_TIME, description="What the first one has most of.")
    span: Span = Field(Span.DAY, description="How far back executions are added up.")


class Narrowed(Paged):
    """Which of the tables or indexes."""

    schema_: Name | None = Field(None, alias="schema", description="Name of a schema.")
    table: Name | None = Field(None, description="Name of a table.")
    span: Reach = Field(Reach.HOUR, description="How far back use is added up.")


class TablesAsked(Narrowed):
    """Which tables."""

    sort: TableSort = Field(TableSort.SIZE, description="What the first one has most of.")


class IndexesAsked(Narrowed):
    """Which indexes."""

    usage: Usage | None = Field(None, description="`unused` for those that only cost.")
    sort: IndexSort = Field(IndexSort.SIZE, description="What the first one has most of.")


class DatabaseLinks(Shape):
    """Where to go from a server."""

    queries: str
    """Its statements."""
    tables: str
    """Its tables."""
    indexes: str
    """Its indexes."""


class DatabaseSizeShape(Shape):
    """One database of a server."""

    datname: str
    """Its name."""
    size_bytes: float
    """How large it is on disk."""


class ServerShape(Shape):
    """A PostgreSQL server that is collected from."""

    target: str
    """The target's name."""
    state: TargetState
    """`pending` until the first collection, then `up` or `down`."""
    database: str
    """The database whose tables and indexes are read."""
    databases: list[DatabaseSizeShape]
    """The databases whose size the role may know, largest first."""
    links: DatabaseLinks
    """What there is of it."""


class ServersList(Shape):
    """All servers, in the order of the configuration."""

    items: list[ServerShape]
    """The servers."""


class TableShape(Shape):
    """One of the largest tables; `__other__` is all others of a database together."""

    target: str
    """The server."""
    datname: str
    """The database."""
    schema_: str = Field(alias="schema", description="The schema; empty for `__other__`.")
    table: str
    """The table."""
    size_bytes: float | None
    """Its size without indexes, as of the last VACUUM or ANALYZE."""
    rows: float | None
    """Rows in it, as PostgreSQL estimates them."""
    dead_rows: float | None
    """Rows that are dead and not yet vacuumed."""
    dead_ratio: float | None
    """Their share of all rows, 0 to 1."""
    seq_scans: float | None
    """Times it was read from end to end in the span."""
    index_scans: float | None
    """Times one of its indexes was used in the span."""
    inserted_rows: float | None
    """Rows inserted in the span."""
    updated_rows: float | None
    """Rows updated in the span."""
    deleted_rows: float | None
    """Rows deleted in the span."""
    covered_seconds: float
    """How much of the span samples cover."""

    @classmethod
    def of(cls, one: Thing) -> "TableShape":
        """From samples."""
        gauges, grown = one.gauges, one.grown
        rows, dead = gauges.get("live_tuples"), gauges.get("dead_tuples")
        whole = (rows or 0.0) + (dead or 0.0)
        return cls(
            target=one.labels.get("target"),
            datname=one.labels.get("datname"),
            schema=one.labels.get("schema"),
            table=one.labels.get("relation"),
            size_bytes=gauges.get("size_bytes"),
            rows=rows,
            dead_rows=dead,
            dead_ratio=dead / whole if dead is not None and whole else None,
            seq_scans=grown.get("seq_scans_total"),
            index_scans=grown.get("index_scans_total"),
            inserted_rows=grown.get("tuples_inserted_total"),
            updated_rows=grown.get("tuples_updated_total"),
            deleted_rows=grown.get("tuples_deleted_total"),
            covered_seconds=one.covered_seconds,
        )

    def size(self, sort: TableSort) -> float:
        """How much it has of what a list is sorted by."""
        changes = (self.inserted_rows, self.updated_rows, self.deleted_rows)
        match sort:
            case TableSort.SIZE:
                return self.size_bytes or 0.0
            case TableSort.ROWS:
                return self.rows or 0.0
            case TableSort.DEAD_ROWS:
                return self.dead_rows or 0.0
            case TableSort.SEQ_SCANS:
                return self.seq_scans or 0.0
            case TableSort.CHANGES:
                return sum(one or 0.0 for one in changes)


class TablesPage(Shape):
    """Tables, those with most of what is asked for first."""

    items: list[TableShape]
    """The tables."""
    total: int
    """How many there are, those beyond the page counted."""


class IndexShape(Shape):
    """One of the largest indexes."""

    target: str
    """The server."""
    datname: str
    """The database."""
    schema_: str = Field(alias="schema", description="The schema.")
    table: str
    """The table."""
    index: str
    """The index."""
    size_bytes: float | None
    """How large it is."""
    scans: float | None
    """How often it was used in the span."""
    rows_read: float | None
    """Entries read from it in the span."""
    usage: Usage
    """`used` or `unused` in the span, on this server alone; `invalid` was not built to its end."""
    covered_seconds: float
    """How much of the span samples cover: an index that serves a monthly report is not unused."""

    @classmethod
    def of(cls, one: Thing) -> "IndexShape":
        """From samples."""
        return cls(
            target=one.labels.get("target"),
            datname=one.labels.get("datname"),
            schema=one.labels.get("schema"),
            table=one.labels.get("relation"),
            index=one.labels.get("index"),
            size_bytes=one.gauges.get("size_bytes"),
            scans=one.grown.get("scans_total"),
            rows_read=one.grown.get("tuples_read_total"),
            usage=one.usage,
            covered_seconds=one.covered_seconds,
        )

    def size(self, sort: IndexSort) -> float:
        """How much it has of what a list is sorted by."""
        return (self.size_bytes if sort is IndexSort.SIZE else self.scans) or 0.0


class IndexesPage(Shape):
    """Indexes, those with most of what is asked for first."""

    items: list[IndexShape]
    """The indexes."""
    total: int
    """How many there are, those beyond the page counted."""


class StatementsPage(Shape):
    """Statements, those with most of what is asked for first."""

    items: list[QueryShape]
    """The statements."""
    total: int
    """How many there are, those beyond the page counted."""


def known_target(house: Rooms, target: str) -> str:
    """The name of a PostgreSQL target; a 404 problem when there is none."""
    if target not in targets(house):
        raise missing(f"PostgreSQL target {target}")
    return target


def links(target: str) -> DatabaseLinks:
    """Where to go from a server."""
    here = f"{API}/databases/{quote(target, safe='')}"
    return DatabaseLinks(
        queries=f"{here}/queries", tables=f"{here}/tables", indexes=f"{here}/indexes"
    )


@routes.get("/databases", summary="PostgreSQL servers and their databases")
def databases(house: Rooms, known: Targets, asked: Annotated[Asked, Query()]) -> ServersList:
    """How large each database was when sizes were last read, and where there is more."""
    states = {one.name: one.state for one in known}
    sizes: dict[str, list[DatabaseSizeShape]] = {}
    for one in things(house, "pg_database", Span.HOUR):
        shape = DatabaseSizeShape(
            datname=one.labels.get("datname"), size_bytes=one.gauges["size_bytes"]
        )
        sizes.setdefault(one.labels.get("target"), []).append(shape)
    return ServersList(
        items=[
            ServerShape(
                target=target,
                state=states.get(target, TargetState.PENDING),
                database=database,
                databases=sorted(
                    sizes.get(target, []), key=lambda one: (-one.size_bytes, one.datname)
                ),
                links=links(target),
            )
            for target, database in targets(house).items()
        ]
    )


@routes.get("/databases/{target}/queries", summary="What the statements of a server took")
def database_queries(
    house: Rooms, target: Id, asked: Annotated[QueriesAsked, Query()]
) -> StatementsPage:
    """As `/queries`, of one server: the slowest with `sort=mean`. Texts hold no constants."""
    name = known_target(house, target)
    with house.state.reading() as session:
        open_ = list(house.book.open_regressions(session))
    found = [
        one
        for one in queries(house, asked.span, open_)
        if one.target == name and asked.datname in (None, one.datname)
    ]
    found.sort(key=lambda one: (-asked.sort.size(one), one.datname, one.fingerprint))
    return StatementsPage(items=found[asked.offset :][: asked.limit], total=len(found))


@routes.get("/databases/{target}/tables", summary="Sizes, rows and use of the tables of a server")
def database_tables(house: Rooms, target: Id, asked: Annotated[TablesAsked, Query()]) -> TablesPage:
    """Of the largest tables by name, of the others together. Nothing is asked of the server."""
    name = known_target(house, target)
    found = [TableShape.of(one) for one in narrowed(house, "pg_table", name, asked)]
    found.sort(key=lambda one: (-one.size(asked.sort), one.datname, one.schema_, one.table))
    return TablesPage(items=found[asked.offset :][: asked.limit], total=len(found))


@routes.get("/databases/{target}/indexes", summary="Which indexes of a server are used")
def database_indexes(
    house: Rooms, target: Id, asked: Annotated[IndexesAsked, Query()]
) -> IndexesPage:
    """Of the largest indexes. One that is unused here may serve a replica, or a monthly report."""
    name = known_target(house, target)
    found = [IndexShape.of(one) for one in narrowed(house, "pg_index", name, asked)]
    found = [one for one in found if asked.usage in (None, one.usage)]
    found.sort(
        key=lambda one: (-one.size(asked.sort), one.datname, one.schema_, one.table, one.index)
    )
    return IndexesPage(items=found[asked.offset :][: asked.limit], total=len(found))


def narrowed(house: Rooms, family: str, target: str, asked: Narrowed) -> list[Thing]:
    """The tables or indexes that filters leave."""
    wanted = {"datname": asked.datname, "schema": asked.schema_, "relation": asked.table}
    return [
        one
        for one in things(house, family, asked.span.span, target)
        if all(value in (None, one.labels.get(name)) for name, value in wanted.items())
    ]
