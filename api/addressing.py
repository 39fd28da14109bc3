"""`plimsoll routes`: the tree of routes, and where an alert would go; read from the configuration.

The output is that of `amtool config routes`, so that scripts around it go on working.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from alerts.matchers import MatcherError, matches
from alerts.route import Route
from alerts.routing_config import RoutingConfig, load
from api.addressed import label_set
from api.settings import FILE
from api.settings import load as load_settings

commands = typer.Typer(
    help="Who is told of what: the tree of routes, and tests of it.", no_args_is_help=True
)
out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)

Config = Annotated[
    Path | None,
    typer.Option("--config", "-c", help=f"Configuration; {FILE} is read when it is there."),
]
Theirs = Annotated[
    Path | None,
    typer.Option("--alertmanager-file", help="Read this alertmanager.yml in place of ours."),
]
EDGE = "│\u00a0\u00a0 "  # blanks that no terminal breaks, as amtool draws it


def fail(message: str) -> typer.Exit:
    """One message on standard error, and the end."""
    err.print(f"[bold red]error:[/] {escape(message)}")
    return typer.Exit(1)


def root_of(config: Path | None, theirs: Path | None) -> Route:
    """The root of the tree in force."""
    found: RoutingConfig | None
    try:
        found = load(theirs) if theirs else load_settings(config).alerts.routes()
    except ValueError as error:
        raise fail(str(error)) from None
    if found is None:
        raise fail("there are no routes: every receiver is told everything; see alerts.routing")
    return found.routing().root


@commands.command(epilog="Example: [bold]plimsoll routes show[/]")
def show(config: Config = None, alertmanager_file: Theirs = None) -> None:
    """Print the tree of routes with its receivers."""
    root = root_of(config, alertmanager_file)
    for line in ("Routing tree:", *drawn(whole(root)), ""):
        out.print(escape(line))


@commands.command(
    "test",
    epilog="Example: [bold]plimsoll routes test service=shop severity=critical --expect pager[/]",
)
def try_labels(
    labels: Annotated[list[str], typer.Argument(help="Labels of an alert: name=value.")],
    expect: Annotated[
        str, typer.Option(help="End with 1 unless these receivers are told, in this order: a,b.")
    ] = "",
    tree: Annotated[bool, typer.Option("--tree", help="Print the routes that match.")] = False,
    config: Config = None,
    alertmanager_file: Theirs = None,
) -> None:
    """Print the receivers that an alert with these labels would go to, in the order of the tree."""
    root = root_of(config, alertmanager_file)
    try:
        found = label_set(labels)
    except MatcherError as error:
        raise fail(str(error)) from None
    if tree:
        for line in ("Matching routes:", *drawn(matching(root, found)), "", ""):
            out.print(escape(line))
    receivers = ",".join(one.receiver for one in root.match(found))
    out.print(escape(receivers))
    if expect and expect != receivers:
        raise fail(f"expected {expect}")


@dataclass(frozen=True, slots=True)
class Branch:
    """A line of a drawn tree, and those below it."""

    text: str
    below: tuple["Branch", ...] = ()


def whole(route: Route) -> Branch:
    """The tree of routes, with everything that is said of a node."""
    more = "  continue: true" if route.continues else ""
    text = f"{route.told}{more}  receiver: {route.receiver}"
    return Branch(text, tuple(whole(one) for one in route.routes))


def matching(route: Route, labels: Mapping[str, str]) -> Branch:
    """The part of the tree that an alert walks through, with a receiver where it ends."""
    below = []
    for child in route.routes:
        if matches(child.matchers, labels):
            below.append(matching(child, labels))
            if not child.continues:
                break
    receiver = "" if below else f"  receiver: {route.receiver}"
    return Branch(f"{route.told}{receiver}", tuple(below))


def drawn(root: Branch) -> Iterator[str]:
    """A tree as lines, below a dot."""
    yield "."
    yield from below((root,), "")


def below(branches: tuple[Branch, ...], indent: str) -> Iterator[str]:
    """Siblings with what is below each of them."""
    for one in branches:
        last = one is branches[-1]
        yield f"{indent}{'└── ' if last else '├── '}{one.text}"
        yield from below(one.below, f"{indent}{'    ' if last else EDGE}")
