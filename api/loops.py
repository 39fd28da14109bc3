"""The loops that keep everything going, and the only place that reads the clock.

`collect` starts what is due, `judge` writes what came and runs the ticks, `backfill` reads the past
from a source, `deliver` sends messages, `draw` their charts, `listen` takes presses of buttons,
`watch` looks at the others, `annotate` tells a Grafana, `retain` forgets what is old. A loop
survives a failed round: it is logged, counted, and the next round finds everything as it was.
"""

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from api.access import book as access
from api.annotating import AnnotationMeters, Annotator
from api.house import House
from api.watching import Watcher
from collector.run import TargetStatus
from detector.run import milliseconds
from storage.duckfile import trouble

log = logging.getLogger(__name__)

PULSE_SECONDS = 2.0
DELIVER_SECONDS = 5.0
SOONEST_SECONDS = 0.05
LISTEN_SECONDS = 15.0
BACKFILL_SECONDS = 10.0
WATCH_SECONDS = 10.0
RETAIN_SECONDS = 3600.0
KEEP_MESSAGES = timedelta(days=400)
SETTLE_AFTER = timedelta(hours=1)
"""A day that ended so long ago is rewritten in the order of its series; late samples are in it."""


def clock() -> datetime:
    """What time it is."""
    return datetime.now(UTC)


class LoopMeters:
    """How the loops are doing, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.failures = Counter(
            "plimsoll_loop_failures",
            "Rounds of a loop that failed.",
            ["loop"],
            registry=registry,
        )
        self.seconds = Histogram(
            "plimsoll_loop_round_seconds",
            "Time of one round of a loop.",
            ["loop"],
            buckets=(0.001, 0.01, 0.1, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self.last = Gauge(
            "plimsoll_loop_last_round_timestamp_seconds",
            "When the last round of a loop ended.",
            ["loop"],
            registry=registry,
        )
        self.annotations = AnnotationMeters(registry)


class Loops:
    """Runs the loops of a house until it is told to stop."""

    def __init__(self, house: House, meters: LoopMeters) -> None:
        self.house = house
        self.meters = meters
        self.watcher = Watcher(house, platform.node())
        grafana = house.settings.dashboards.grafana
        self.annotator: Annotator | None = None
        if grafana is not None and grafana.annotations:
            self.annotator = Annotator(house, grafana, meters.annotations)
        self.stopping = asyncio.Event()
        self.news = asyncio.Event()

    async def run(self) -> None:
        """Run all loops; returns once `stop` was called and what came is written."""
        house = self.house
        await asyncio.to_thread(house.alerts.recover, house.now())
        async with asyncio.TaskGroup() as group:
            group.create_task(self.repeat("collect", self.collect))
            group.create_task(self.repeat("judge", self.judge))
            if house.source is not None:
                group.create_task(self.repeat("backfill", self.backfill))
            group.create_task(self.repeat("deliver", self.deliver))
            group.create_task(self.repeat("watch", self.watch))
            group.create_task(self.repeat("draw", self.draw))
            if house.alerts.listens:
                group.create_task(self.repeat("listen", self.listen))
            if self.annotator is not None:
                group.create_task(self.repeat("annotate", self.annotate))
            group.create_task(self.repeat("retain", self.retain))
        await asyncio.to_thread(house.alerts.close)
        await house.collector.stop()

    def stop(self) -> None:
        """End after the round that is under way."""
        self.stopping.set()
        self.news.set()
        if self.house.source is not None:
            self.house.source.stop()
        if self.annotator is not None:
            self.annotator.stop()

    async def repeat(self, name: str, round_: Callable[[], Awaitable[float]]) -> None:
        """One loop: a round gives the seconds to the next one."""
        while not self.stopping.is_set():
            began = perf_counter()
            try:
                seconds = await round_()
            except Exception as error:
                told = trouble(self.house.file.path, error)
                if told is None:
                    log.exception("a round of the loop %r failed; the next one follows", name)
                else:  # something for a person to mend; where in the code it shows tells nothing
                    log.error("a round of the loop %r failed: %s", name, told)
                self.meters.failures.labels(name).inc()
                seconds = PULSE_SECONDS
            self.meters.seconds.labels(name).observe(perf_counter() - began)
            self.meters.last.labels(name).set(self.house.now().timestamp())
            waiting = self.news if name == "deliver" else self.stopping
            try:
                await asyncio.wait_for(waiting.wait(), seconds)
            except TimeoutError:
                continue

    async def collect(self) -> float:
        """Start the collections that are due."""
        now = self.house.now()
        self.house.collector.start_due(now)
        due = self.house.collector.next_due()
        wait = (due - now).total_seconds() if due else PULSE_SECONDS
        return min(max(wait, 0.05), PULSE_SECONDS)

    async def judge(self) -> float:
        """Write what came, run the ticks whose windows have ended, decide whom to tell.

        While a past is left to evaluate, a piece of it follows each round without a pause.
        """
        if await asyncio.to_thread(self.judge_due, self.house.now()):
            self.news.set()
        return 0.0 if self.house.refill.waiting else PULSE_SECONDS

    def judge_due(self, now: datetime) -> bool:
        """One round of `judge`, in a thread of its own; whether there is news to deliver."""
        house = self.house
        house.collector.flush()
        settled_ms = milliseconds(now - timedelta(seconds=house.settings.delay))
        # Before the first window is stored, which would mix two definitions.
        house.refill.begin(settled_ms)
        if house.source is not None:
            house.source.catch_up(milliseconds(now))
            if house.source.past_changed.is_set():
                house.source.past_changed.clear()
                house.detector.forget_baselines()
        for tick_ms in house.detector.due_ticks(settled_ms):
            if self.stopping.is_set():
                return False
            house.detector.tick(tick_ms)
        house.detector.preview(milliseconds(now))
        house.refill.step()
        return bool(house.alerts.announce(now))

    async def backfill(self) -> float:
        """Read the past from the source, as long as some of it is missing."""
        source = self.house.source
        # What is read before changed definitions are found would be dropped with the old windows.
        if source is None or not self.house.refill.begun:
            return PULSE_SECONDS
        more = await asyncio.to_thread(source.backfill, milliseconds(self.house.now()))
        return 0.0 if more else BACKFILL_SECONDS

    async def deliver(self) -> float:
        """Send what is due."""
        self.news.clear()
        alerts, now = self.house.alerts, self.house.now
        sent = await asyncio.to_thread(alerts.deliver, now())
        due = await asyncio.to_thread(alerts.due_in, now())
        if due is None:
            return DELIVER_SECONDS
        # What is due and does not go waits for something else: no reason to ask all the time.
        return min(max(due, SOONEST_SECONDS if sent else PULSE_SECONDS), DELIVER_SECONDS)

    async def draw(self) -> float:
        """Draw and upload a chart that is due; text never waits for it."""
        drawn = await asyncio.to_thread(self.house.alerts.illustrate, self.house.now())
        return SOONEST_SECONDS if drawn else DELIVER_SECONDS

    async def listen(self) -> float:
        """See to it that presses of buttons arrive."""
        await asyncio.to_thread(self.house.alerts.keep_listening, self.house.now)
        return LISTEN_SECONDS

    async def watch(self) -> float:
        """Look for what is wrong with Plimsoll itself; also while `judge` hangs, news are told."""
        targets = self.house.collector.status()
        if await asyncio.to_thread(self.watch_over, targets, self.house.now()):
            self.news.set()
        return WATCH_SECONDS

    def watch_over(self, targets: Sequence[TargetStatus], now: datetime) -> bool:
        """One round of `watch`, in a thread of its own; whether there is news to deliver."""
        alerts = self.house.alerts
        alerts.watch(self.watcher.symptoms(targets), now, self.watcher.reporter)
        return bool(alerts.announce(now))

    async def annotate(self) -> float:
        """Keep the annotations of a Grafana right."""
        if self.annotator is None:
            return RETAIN_SECONDS
        return await asyncio.to_thread(self.annotator.round, self.house.now())

    async def retain(self) -> float:
        """Forget what is older than the configuration keeps."""
        await asyncio.to_thread(self.forget, self.house.now())
        return RETAIN_SECONDS

    def forget(self, now: datetime) -> None:
        """One round of `retain`, in a thread of its own."""
        house, storage = self.house, self.house.settings.storage
        house.history.retain(
            milliseconds(now - timedelta(seconds=storage.keep_samples)),
            milliseconds(now - timedelta(seconds=storage.keep_windows)),
            milliseconds(now - timedelta(seconds=storage.keep_hourly_windows)),
        )
        house.history.settle(milliseconds(now - SETTLE_AFTER))
        house.detector.retain_fine(
            milliseconds(now - timedelta(seconds=storage.keep_fine_windows)), milliseconds(now)
        )
        house.ledger.retain(milliseconds(now - timedelta(seconds=storage.keep_judgements)))
        house.statements.retain(milliseconds(now - timedelta(seconds=storage.keep_hourly_windows)))
        house.alerts.retain(now - KEEP_MESSAGES)
        with house.state.unit() as session:
            access.retain(session, milliseconds(now - KEEP_MESSAGES))
