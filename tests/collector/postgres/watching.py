"""A PostgreSQL as the collector meets it, and what one run of the collector brings of it."""

import asyncio
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

from collector.addresses import SystemResolver
from collector.config import CollectorConfig
from collector.postgres.config import PostgresTarget
from collector.postgres.noting import Write
from collector.postgres.source import Postgres
from collector.source import Collected, Part
from storage.series import NAME, Labels
from tests.postgres import Postgres as Server

PRELOADED = ("shared_preload_libraries=pg_stat_statements", "track_io_timing=on")
NOON_MS = 1_772_452_800_000
MINUTE_MS = 60_000


def watched(server: Server, database: str, *, extension: bool = True) -> None:
    """A database and the role `watcher`, as `plimsoll setup` has them made."""
    with server.connected() as connection:
        connection.execute(f'CREATE DATABASE "{database}"')
        roles = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'watcher'").fetchall()
        if not roles:
            connection.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    if extension:
        with server.connected(database) as connection:
            connection.execute("CREATE EXTENSION pg_stat_statements")


def source_of(
    server: Server,
    database: str,
    *,
    write: Write | None = None,
    stopwatch: Callable[[], float] = perf_counter,
    **keys: Any,
) -> Postgres:
    """The collector of a database, as the role `watcher` unless told otherwise."""
    config = CollectorConfig()
    data = {"name": "pg", "port": server.port, "user": "watcher", "database": database, **keys}
    target = PostgresTarget.model_validate(data)
    return Postgres(target, config, SystemResolver(), write=write, stopwatch=stopwatch)


def values(collected: Collected) -> dict[Labels, float]:
    """What was brought, by labels."""
    found = {
        labels: float(value)
        for labels, value in zip(collected.samples.series, collected.samples.values, strict=True)
    }
    assert len(found) == len(collected.samples), "a series came twice"
    return found


def metric(collected: Collected, name: str, **labels: str) -> dict[Labels, float]:
    """The series of one metric with these labels."""
    return {
        one.without("__name__", "target"): value
        for one, value in values(collected).items()
        if one.metric == name and all(one.get(key) == text for key, text in labels.items())
    }


def total(collected: Collected, name: str, **labels: str) -> float:
    """The sum over the series of one metric with these labels."""
    return sum(metric(collected, name, **labels).values())


def part(collected: Collected, name: str) -> Part:
    """One part of a run."""
    (found,) = (one for one in collected.parts if one.name == name)
    return found


def runs(
    source: Postgres, *between: Callable[[], object], step_ms: int = MINUTE_MS
) -> list[Collected]:
    """A run, then one after each of these, a minute of injected time apart; closed at the end."""

    async def all_of_them() -> list[Collected]:
        try:
            found = [await source.collect(NOON_MS)]
            for number, happen in enumerate(between, 1):
                await asyncio.to_thread(happen)
                found.append(await source.collect(NOON_MS + number * step_ms))
        finally:
            await source.close()
        return found

    return asyncio.run(all_of_them())


Texts = Mapping[tuple[str, str], str]


class Notes:
    """Takes the texts of statements, as the book would."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def __call__(self, target: str, seen: Texts, at_ms: int) -> None:
        self.texts |= {fingerprint: text for (_, fingerprint), text in seen.items()}

    def of(self, words: str) -> str:
        """The fingerprint of the one statement whose text holds these words."""
        (found,) = (name for name, text in self.texts.items() if words in text)
        return found


def documented() -> dict[str, set[str]]:
    """The metrics of PostgreSQL that the documentation names, with their labels."""
    page = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(pg\w+)` \| (.*?) \|", page, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def undocumented(collected: Collected) -> set[str]:
    """Names of what was brought that is not documented with just these labels, or fewer."""
    names = documented()
    return {
        labels.metric
        for labels in values(collected)
        if not {name for name, _ in labels} - {NAME, "target"} <= names.get(labels.metric, {NAME})
    }
