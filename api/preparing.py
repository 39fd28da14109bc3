"""`plimsoll setup postgres`: the SQL a server needs before it can be watched, and its check."""

import asyncio
import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from api.settings import FILE, load
from collector.addresses import SystemResolver
from collector.failure import CollectFailure
from collector.postgres.config import PostgresTarget

out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
COLOURS = {"ok": "green", "missing": "bold red", "advice": "yellow"}


def postgres(
    name: Annotated[str, typer.Argument(help="The target, as in `collector.postgres`.")],
    check: Annotated[
        bool, typer.Option("--verify", help="Check instead, and name what is missing.")
    ] = False,
    server_version: Annotated[
        int | None,
        typer.Option(min=12, max=99, help="Major version, where the server lets nobody in yet."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
    ] = None,
) -> None:
    """Print the SQL for the least rights a target needs, or check them with --verify.

    Nothing is changed on the server. With --verify it ends with 1 when something is missing.
    """
    # Every command is loaded at every start, and the driver takes 9 MiB.
    from collector.postgres.setup import NEWEST, statements, version_of

    target = known(name, config)
    if check:
        report(target)
        return
    version = server_version * 10000 if server_version else 0
    if not version:
        try:
            version = asyncio.run(version_of(target, SystemResolver()))
        except CollectFailure as failure:
            version = NEWEST
            told = f"{failure.detail}; this is for PostgreSQL {NEWEST // 10000}"
            err.print(f"[yellow]not asked:[/] {escape(told)}, --server-version names another")
    for line in statements(target, version):
        typer.echo(line)
    err.print(f"then: plimsoll setup postgres {escape(name)} --verify")


def known(name: str, config: Path | None) -> PostgresTarget:
    """The target of that name, or the end with what is meant perhaps."""
    targets = {one.name: one for one in load(config).collector.postgres}
    if name in targets:
        return targets[name]
    near = difflib.get_close_matches(name, targets, 1)
    hint = f"did you mean {near[0]}?" if near else "name one under `collector.postgres`"
    err.print(f"[bold red]error:[/] there is no PostgreSQL target {escape(repr(name))}: {hint}")
    raise typer.Exit(1)


def report(target: PostgresTarget) -> None:
    """Every check a line; ends with 1 when something is missing."""
    from collector.postgres.setup import Outcome, verify

    checks = asyncio.run(verify(target, SystemResolver()))
    for one in checks:
        colour = COLOURS[one.outcome.value]
        out.print(f"[{colour}]{one.outcome.value:>7}[/] {escape(one.what)}")
        if one.outcome is not Outcome.OK and one.mend:
            out.print(f"        [dim]{escape(one.mend)}[/]")
    if any(one.outcome is Outcome.MISSING for one in checks):
        raise typer.Exit(1)
