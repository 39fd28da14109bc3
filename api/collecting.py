"""`plimsoll collect`: what a collector sees, how long its parts take, what to do about failures."""

import asyncio
import difflib
import json
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any

import typer
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from api.loops import clock
from api.routes.targets import part_text, state_text
from api.settings import Settings, load
from api.setup import Config
from collector.failure import Failure
from collector.meters import CollectorMeters
from collector.run import PART_UP, UP, Collector, TargetState, TargetStatus
from collector.source import Source
from collector.sources import sources
from detector import units
from storage.history import Samples
from storage.series import NAME, Labels

out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
FEW = 5
ADVICE = {
    Failure.DNS: "check the name, and the name server of this machine",
    Failure.REFUSED: "check that it runs, and listens on this address and port for others",
    Failure.TIMEOUT: "check firewalls between here and there; a longer `timeout` may help",
    Failure.AUTH: "check username, password_file or token_file of the target",
    Failure.PERMISSION: "grant what is missing; `plimsoll setup` prints the rights",
    Failure.NOT_INSTALLED: "install what is named, or leave that part out",
    Failure.TLS: "give its authority as `ca_file`, and the name that is in its certificate",
    Failure.PARSE: "check that this is the right address; a page of metrics is text",
    Failure.TOO_LARGE: "raise `collector.limits.body_bytes`, or let it tell less",
    Failure.PROTOCOL: "check that this is the right port, and whether it speaks TLS",
    Failure.INTERNAL: "this is a fault of Plimsoll: please report it with the line above",
    Failure.DENIED: "link-local, metadata and multicast addresses are never connected to",
    Failure.HTTP_STATUS: "ask for the same address with curl from this machine",
}
"""What to do for each reason; a test has all of them."""

Rows = list[tuple[Labels, float]]


def command(
    name: Annotated[str, typer.Argument(help="The target, as in the configuration, or host.")],
    config: Config = None,
    once: Annotated[
        bool, typer.Option("--once", help="Once, not again at every interval.")
    ] = False,
    whole: Annotated[
        bool, typer.Option("--all", help="Every sample, not the first few of each metric.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object for each collection, for scripts.")
    ] = False,
) -> None:
    """Collect from one target and print what came; nothing is stored. Ends with 1 when it is down.

    Counts of what happens between two collections (events, differences) begin with the first.
    """
    settings = load(config)
    chosen = source_of(name, settings)
    try:
        up = asyncio.run(collected(chosen, once=once, whole=whole, as_json=as_json))
    except KeyboardInterrupt:
        return
    if not up:
        raise typer.Exit(1)


def source_of(name: str, settings: Settings) -> Source:
    """The source of that name, or the end of the command with a hint."""
    known = {one.name: one for one in sources(settings.collector)}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        err.print(f"[bold red]error:[/] there is no target {escape(name)!r}: {escape(hint)}")
        raise typer.Exit(1)
    return known[name]


async def collected(source: Source, *, once: bool, whole: bool, as_json: bool) -> bool:
    """Collect as `plimsoll run` does, with the same limits; whether it was up the last time."""
    rows: Rows = []

    def take(*batches: Samples) -> None:
        for batch in batches:
            rows.extend(
                (batch.series[i], float(value))
                for i, value in zip(batch.index, batch.values, strict=True)
                if batch.series[i].metric not in (UP, PART_UP)
            )

    collector = Collector([source], take, CollectorMeters(CollectorRegistry()), immediate=True)
    try:
        while True:
            now = clock()
            await asyncio.gather(*collector.start_due(now))
            collector.flush()
            (status,) = collector.status()
            show(now, status, rows, whole=whole, as_json=as_json)
            rows.clear()
            if once:
                return status.state is TargetState.UP
            due = collector.next_due()
            await asyncio.sleep(max(0.0, (due - clock()).total_seconds()) if due else 1.0)
    finally:
        await collector.stop()


def show(now: datetime, status: TargetStatus, rows: Rows, *, whole: bool, as_json: bool) -> None:
    """One collection, for people or for scripts."""
    if as_json:
        out.print(json.dumps(as_object(now, status, rows)), markup=False)
        return
    colour = "green" if status.state is TargetState.UP else "bold red"
    took = units.text(status.duration_seconds or 0.0, units.Unit.SECONDS)
    out.print(
        f"[bold]{escape(status.name)}[/] ({status.kind}) at {now:%Y-%m-%d %H:%M:%S} UTC: "
        f"[{colour}]{escape(state_text(status))}[/], {status.samples} samples in {took}"
        + (f", {status.dropped} left out" if status.dropped else "")
    )
    if status.reason is not None:
        out.print(f"  {ADVICE[status.reason]}")
    if status.parts:
        out.print(parts_table(status))
    if rows:
        out.print(samples_table(rows, whole=whole))


def parts_table(status: TargetStatus) -> Table:
    """How each part went."""
    table = Table("part", "took", "samples", "result", box=None, pad_edge=False)
    for part in status.parts:
        result = escape(part_text(part))
        if part.reason is not None:
            result = f"[bold red]{result}[/]; {ADVICE[part.reason]}"
        took = units.text(part.duration_seconds, units.Unit.SECONDS)
        table.add_row(part.name, took, str(part.samples), result)
    return table


def samples_table(rows: Rows, *, whole: bool) -> Table:
    """The samples by metric; of a metric with many series only the first few."""
    table = Table(box=None, pad_edge=False)
    for head in ("metric", "labels", "value"):
        table.add_column(head, overflow="fold")
    ordered = sorted(rows, key=lambda row: row[0].pairs)
    by_metric = sorted(ordered, key=lambda row: row[0].metric)
    for metric, members in groupby(by_metric, key=lambda row: row[0].metric):
        found = list(members)
        shown = found if whole else found[:FEW]
        for labels, value in shown:
            table.add_row(metric, escape(labels_text(labels)), f"{value:.10g}")
        if len(found) > len(shown):
            table.add_row(metric, f"and {len(found) - len(shown)} more; --all shows them", "")
    return table


def labels_text(labels: Labels) -> str:
    """The labels but for the name and the target."""
    return ", ".join(f"{name}={value}" for name, value in labels.without(NAME, "target").pairs)


def as_object(now: datetime, status: TargetStatus, rows: Sequence[Any]) -> dict[str, Any]:
    """One collection as JSON."""
    return {
        "at": now.isoformat(),
        "target": status.name,
        "collector": status.kind,
        "state": status.state,
        "text": state_text(status),
        "reason": status.reason,
        "advice": ADVICE[status.reason] if status.reason is not None else None,
        "duration_seconds": status.duration_seconds,
        "dropped": status.dropped,
        "parts": [
            {
                "name": part.name,
                "duration_seconds": part.duration_seconds,
                "samples": part.samples,
                "reason": part.reason,
                "text": part_text(part),
                "advice": ADVICE[part.reason] if part.reason is not None else None,
            }
            for part in status.parts
        ],
        "samples": [
            {"metric": labels.metric, "labels": labels.without(NAME).as_dict(), "value": value}
            for labels, value in rows
        ],
    }
