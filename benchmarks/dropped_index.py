"""Dropped index: from a real drop under a real load to the regression, on the real clock.

pgbench asks a real PostgreSQL for accounts by an index, once a second, and for something else as
often. After some quiet minutes the index is dropped, and what counts is the time until the
regression of that statement is open, and that nothing else is. The eight days before are the growth
of some real minutes, drawn anew, since nobody waits eight days for a benchmark. Plimsoll runs as it
ships: 15 s between readings, a minute between those of statements. It takes up to an hour.
"""

import asyncio
import platform
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

from prometheus_client import CollectorRegistry

from api.document import Document
from api.house import House
from api.loops import LoopMeters, Loops
from api.serve import build
from api.settings import build as settings_of
from collector.postgres.scrub import fingerprint
from detector.regression import Regression
from detector.run import milliseconds
from tests.collector.postgres.load import LOOKUP, Load, past, shop

QUIET = timedelta(minutes=7)
PATIENCE = timedelta(minutes=55)
GOAL_MINUTES = 40.0
RATE = 2
LOOK_SECONDS = 1.0


def measure() -> dict[str, object]:
    """Minutes from the drop to the open regression; infinite where it never came."""
    with tempfile.TemporaryDirectory(prefix="plimsoll-dropped-index-") as folder:
        Path(folder).chmod(0o755)
        with shop(Path(folder)) as load, house_of(Path(folder), load) as house:
            dropped, told, found = asyncio.run(live(house, load))
    rules = sorted({one.rule for one in found})
    statements = [one for one in found if one.rule == "db_statement_regression"]
    right = [one.labels.get("fingerprint") for one in statements] == [fingerprint(LOOKUP)]
    minutes = (told - dropped).total_seconds() / 60 if statements else float("inf")
    return {
        "name": "dropped_index",
        "ours": round(minutes, 1),
        "peer": None,
        "ratio": None,
        "goal": f"<= {GOAL_MINUTES:g} min, and only the statement that used the index",
        "met": right and minutes <= GOAL_MINUTES,
        "unit": "minutes from the drop to the open regression",
        "right_statement": right,
        "rules": rules,
        "change": [one.change for one in statements],
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("plimsoll", "psycopg")},
        },
    }


def now() -> datetime:
    """What time it is."""
    return datetime.now(UTC)


@contextmanager
def house_of(folder: Path, load: Load) -> Iterator[House]:
    """Plimsoll as it ships, on that server, with eight days behind it."""
    target = {"name": "main", "port": load.server.port, "user": "watcher", "database": "shop"}
    data = {
        "storage": {"directory": str(folder / "data")},
        "collector": {"host": False, "postgres": [target]},
    }
    minute_ms = 60_000
    until_ms = milliseconds(now()) // minute_ms * minute_ms
    behind = past(load, until_ms)
    house = build(settings_of(Document(data=data)), now=now)
    with closing(house.file), closing(house.state):
        house.history.append(*behind)
        house.refill.begin(until_ms)
        while house.refill.step():
            pass
        yield house


async def live(house: House, load: Load) -> tuple[datetime, datetime, list[Regression]]:
    """When the index was dropped, when a regression was open, and all that were open then."""
    loops = Loops(house, LoopMeters(CollectorRegistry()))
    seconds = round((QUIET + PATIENCE).total_seconds())
    traffic = subprocess.Popen(
        load.command("-R", str(RATE), "-T", str(seconds)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = asyncio.create_task(loops.run())
    try:
        await asyncio.sleep(QUIET.total_seconds())
        await asyncio.to_thread(load.drop_index)
        dropped = now()
        while now() < dropped + PATIENCE:
            await asyncio.sleep(LOOK_SECONDS)
            with house.state.reading() as session:
                open_ = list(house.book.open_regressions(session))
            if any(one.rule == "db_statement_regression" for one in open_):
                return dropped, now(), open_
        return dropped, now(), []
    finally:
        loops.stop()
        traffic.terminate()
        traffic.wait()
        await running
