"""Everything that runs, built once and handed to those who need it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client import CollectorRegistry

from alerts.run import Alerts
from api.fitness import Fitness
from api.settings import Settings
from collector.postgres.book import StatementBook
from collector.rum.receiver import Receiver
from collector.run import Collector
from detector.backfill import Backfills
from detector.book import Book
from detector.ledger import Ledger
from detector.refill import Refill
from detector.run import Detector
from detector.source import Source
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The rooms of one running Plimsoll. `now` is the clock, given by `api.loops`.

    `source` is the Prometheus-compatible engine that is read beside the collector, if there is one.
    """

    settings: Settings
    file: DuckFile
    history: DuckHistory
    state: State
    book: Book
    ledger: Ledger
    detector: Detector
    refill: Refill
    backfills: Backfills
    collector: Collector
    rum: Receiver
    alerts: Alerts
    statements: StatementBook
    registry: CollectorRegistry
    now: Callable[[], datetime]
    fitness: Fitness = field(default_factory=Fitness)
    source: Source | None = None
