"""`plimsoll databases`: statements, tables and indexes of PostgreSQL servers, over REST."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from api.acting import Config, Json, Url, out, run, safe, say
from api.columns import Column, Item, measured, plain, rest, said, table
from detector.units import Unit, text

commands = typer.Typer(
    help="PostgreSQL servers: slow queries, sizes and rows of tables, use of indexes.",
    no_args_is_help=True,
)
Target = Annotated[str, typer.Argument(help="The server, as `plimsoll databases list` has it.")]
Limit = Annotated[int, typer.Option(min=1, max=200, help="At most so many.")]
Offset = Annotated[int, typer.Option(min=0, max=20_000, help="How many are left out at first.")]
Database = Annotated[str, typer.Option("--database", help="Only of this database.")]
Schema = Annotated[str, typer.Option(help="Only of this schema.")]
Table = Annotated[str, typer.Option(help="Only of this table.")]
Use = Annotated[str, typer.Option("--span", help="How far back use is added up: 1h, 24h or 7d.")]


def named(one: Item) -> str:
    """A table with its schema."""
    return said(f"{one['schema']}.{one['table']}" if one["schema"] else one["table"])


def changed(one: Item) -> str:
    """Rows that were written in the span."""
    written = [one[f"{what}_rows"] for what in ("inserted", "updated", "deleted")]
    known = [value for value in written if value is not None]
    return text(sum(known) if known else None, Unit.COUNT)


def sizes(one: Item) -> str:
    """Every database with its size."""
    each = (f"{at['datname']} {text(at['size_bytes'], Unit.BYTES)}" for at in one["databases"])
    return said(", ".join(each))


SERVERS: Sequence[Column] = (plain("target"), plain("state"), ("databases", sizes))
QUERIES: Sequence[Column] = (
    measured("calls", Unit.COUNT),
    plain("total_text"),
    plain("mean_text"),
    measured("share", Unit.RATIO),
    plain("change"),
    ("open", lambda one: str(len(one["open"])) if one["open"] else "-"),
    ("database", lambda one: said(one["datname"])),
    plain("fingerprint"),
    ("statement", lambda one: said(one["text"])),
)
TABLES: Sequence[Column] = (
    ("table", named),
    ("database", lambda one: said(one["datname"])),
    measured("size_bytes", Unit.BYTES, "size"),
    measured("rows", Unit.COUNT),
    measured("dead_ratio", Unit.RATIO, "dead"),
    measured("seq_scans", Unit.COUNT),
    measured("index_scans", Unit.COUNT),
    ("rows written", changed),
    measured("covered_seconds", Unit.SECONDS, "covered"),
)
INDEXES: Sequence[Column] = (
    plain("index"),
    ("table", named),
    ("database", lambda one: said(one["datname"])),
    measured("size_bytes", Unit.BYTES, "size"),
    plain("usage"),
    measured("scans", Unit.COUNT),
    measured("rows_read", Unit.COUNT),
    measured("covered_seconds", Unit.SECONDS, "covered"),
)


@commands.command("list", epilog="Example: [bold]plimsoll databases list[/]")
def list_(config: Config = None, url: Url = None, json: Json = False) -> None:
    """The servers that are collected from, and how large their databases are."""
    show(run(config, url, "GET", "/databases"), SERVERS, json, "no PostgreSQL is collected from")


@commands.command(epilog="Example: [bold]plimsoll databases queries main --sort mean[/]")
def queries(
    target: Target,
    sort: Annotated[
        str, typer.Option(help="First what has most of it: total_time, mean or calls.")
    ] = "total_time",
    span: Annotated[str, typer.Option(help="How far back: 1h, 24h, 7d or 30d.")] = "24h",
    database: Database = "",
    limit: Limit = 20,
    offset: Offset = 0,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """What the statements of a server took, without their constants."""
    asked = {"sort": sort, "span": span, "datname": database, "limit": limit, "offset": offset}
    body = below(config, url, target, "queries", asked)
    show(body, QUERIES, json, "no statement ran in the span")


@commands.command(epilog="Example: [bold]plimsoll databases tables main --sort dead_rows[/]")
def tables(
    target: Target,
    sort: Annotated[
        str,
        typer.Option(
            help="First what has most of it: size, rows, dead_rows, seq_scans or changes."
        ),
    ] = "size",
    span: Use = "1h",
    database: Database = "",
    schema: Schema = "",
    table: Table = "",
    limit: Limit = 20,
    offset: Offset = 0,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Sizes, rows and use of the tables of a server."""
    asked = {"sort": sort, "span": span, "datname": database, "schema": schema, "table": table}
    body = below(config, url, target, "tables", {**asked, "limit": limit, "offset": offset})
    show(body, TABLES, json, "no such table is known")


@commands.command(
    epilog="Example: [bold]plimsoll databases indexes main --usage unused --span 7d[/]"
)
def indexes(
    target: Target,
    usage: Annotated[str, typer.Option(help="Only used, unused, invalid or unknown ones.")] = "",
    sort: Annotated[str, typer.Option(help="First what has most of it: size or scans.")] = "size",
    span: Use = "1h",
    database: Database = "",
    schema: Schema = "",
    table: Table = "",
    limit: Limit = 20,
    offset: Offset = 0,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Which indexes are used. One that is unused here may serve a replica, or a monthly report."""
    asked = {"usage": usage, "sort": sort, "span": span, "datname": database, "schema": schema}
    more = {"table": table, "limit": limit, "offset": offset}
    body = below(config, url, target, "indexes", {**asked, **more})
    show(body, INDEXES, json, "no such index is known")


def below(
    config: Path | None, url: str | None, target: str, what: str, asked: dict[str, Any]
) -> Any:
    """One list of a server; options that are empty are not sent."""
    given = {name: value for name, value in asked.items() if value != ""}
    return run(config, url, "GET", f"/databases/{safe(target)}/{what}", params=given)


def show(body: Any, columns: Sequence[Column], json: bool, nothing: str) -> None:
    """A list as JSON, or as columns."""
    if json:
        out.print_json(data=body)
        return
    say(table(columns, body["items"]) if body["items"] else [nothing])
    say(rest(body))
