"""`plimsoll setup`: the least rights that a collector needs on a server, printed and verified."""

import asyncio
import difflib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.preparing import postgres
from api.settings import FILE, load
from collector.addresses import SystemResolver
from collector.config import RedisTarget
from collector.failure import CollectFailure, Failure
from collector.redis.acl import Finding, Right, acl, verified
from collector.redis.link import Door

commands = typer.Typer(
    help="The least rights that a collector needs on a server: print them, verify them.",
    no_args_is_help=True,
)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
SECONDS = 10.0
MOST_BYTES = 1024 * 1024
IN_WORDS = {
    Right.GRANTED: "granted",
    Right.MISSING: "[bold red]missing[/]",
    Right.UNKNOWN_COMMAND: "not known to this server, and not needed there",
    Right.WITHHELD: "withheld",
    Right.TOO_MUCH: "[yellow]allowed, and not needed[/]",
}

Name = Annotated[str, typer.Argument(help="The target, as in the configuration.")]
Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]


commands.command("postgres", epilog="Example: [bold]plimsoll setup postgres main > grants.sql[/]")(
    postgres
)


@commands.command("redis", epilog="Example: [bold]plimsoll setup redis sessions --verify[/]")
def redis(
    name: Name,
    config: Config = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Try each right with the configured user instead.")
    ] = False,
    before_7: Annotated[
        bool, typer.Option("--before-7", help="For Redis 6, which knows fewer rights.")
    ] = False,
) -> None:
    """Print the ACL of a Redis target's user, or verify it; ends with 1 when a right is missing."""
    targets = {one.name: one for one in load(config).collector.redis}
    target = targets.get(name)
    if target is None:
        near = difflib.get_close_matches(name, targets, 1)
        hint = f"did you mean {near[0]}?" if near else "collector.redis lists them"
        err.print(f"[bold red]error:[/] there is no Redis target {escape(name)!r}: {hint}")
        raise typer.Exit(1)
    if not verify:
        for line in printed(target, before_7=before_7):
            out.print(escape(line))
        return
    try:
        found = asyncio.run(tried(target))
    except CollectFailure as failure:
        err.print(f"[bold red]error:[/] {escape(name)}: {escape(failure.detail)}")
        raise typer.Exit(1) from None
    told(found)
    if any(one.right is Right.MISSING for one in found):
        err.print(f"[bold red]missing:[/] plimsoll setup redis {escape(name)} prints what to grant")
        raise typer.Exit(1)


def printed(target: RedisTarget, *, before_7: bool) -> list[str]:
    """What an administrator runs on the server."""
    words = acl(target, before_7=before_7)
    return [
        "# In redis-cli, as an administrator; choose the password, and put it into the",
        f"# password_file of the target {target.name!r} with username: {words[2]}.",
        " ".join(words),
        "# To keep it: ACL SAVE where the server has an aclfile, CONFIG REWRITE elsewhere.",
        *(
            [
                "# For misses and expiries by key group (costs the server next to nothing):",
                "CONFIG SET notify-keyspace-events Eexm",
            ]
            if target.events
            else []
        ),
    ]


async def tried(target: RedisTarget) -> list[Finding]:
    """What the configured user may do; CollectFailure when it cannot even log in."""
    door = Door(target, SECONDS, MOST_BYTES, SystemResolver())
    try:
        async with asyncio.timeout(SECONDS):
            link = await door.open()
            try:
                return await verified(target, link)
            finally:
                link.close()
    except TimeoutError:
        raise CollectFailure(Failure.TIMEOUT, f"no answer within {SECONDS:g} s") from None


def told(found: list[Finding]) -> None:
    """The findings as a table."""
    table = Table("command", "for", "right", box=None, pad_edge=False)
    for one in found:
        table.add_row(escape(one.command), one.purpose, IN_WORDS[one.right])
    out.print(table)
