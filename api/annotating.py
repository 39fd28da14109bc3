"""Deployments and regressions as annotations of a Grafana, kept right while Plimsoll runs.

Nothing is remembered between rounds but what needs no request: each round reads the state, asks
Grafana what it has, and writes the difference. So a process that is killed between a write and its
answer finds its own annotation in the next round, by the id it carries; replicas that write at the
same moment leave two, of which the newer one is taken away.
"""

import logging
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, Counter, Gauge

from api.house import House
from api.moments import milliseconds
from api.shapes import DeploymentShape, RegressionShape
from api.told import told
from dashboards.config import GrafanaConfig
from dashboards.grafana import Grafana, GrafanaError, Refusal
from dashboards.marks import Mark, of_deployment, of_regression, push_marks
from dashboards.push import Fate
from detector.paging import Query
from detector.regression import HOLDING, Kind, Phase

log = logging.getLogger(__name__)

ROUND_SECONDS = 30.0
LONGEST_PAUSE_SECONDS = 600.0
LOOK_AGAIN = timedelta(hours=1)
"""When nothing changes here, somebody may still have changed it in Grafana."""
REACH = timedelta(days=7)
MOST = 1000
"""Regressions at most, the newest; a Grafana is not the place for more of them."""
CONFIRMED = frozenset(one for one in Phase if one is not Phase.SUSPECTED)


class AnnotationMeters:
    """How the annotations are doing, registered once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.annotations = Counter(
            "plimsoll_grafana_annotations",
            "Annotations written to Grafana, by what became of them.",
            ["fate"],
            registry=registry,
        )
        self.failures = Counter(
            "plimsoll_grafana_failures",
            "Rounds or annotations that Grafana did not take, by reason.",
            ["reason"],
            registry=registry,
        )
        self.done = Gauge(
            "plimsoll_grafana_done_timestamp_seconds",
            "Time of the last round after which Grafana had all annotations; 0 before the first.",
            registry=registry,
        )
        for fate in (Fate.CREATED, Fate.CHANGED, Fate.REMOVED):
            self.annotations.labels(str(fate))
        for reason in Refusal:
            self.failures.labels(str(reason))


class Annotator:
    """Keeps the annotations of one Grafana right; `stop` ends a round that is under way."""

    def __init__(self, house: House, config: GrafanaConfig, meters: AnnotationMeters) -> None:
        self.house = house
        self.config = config
        self.meters = meters
        self._stopping = threading.Event()
        self._settled: tuple[Mark, ...] | None = None
        self._looked: datetime | None = None
        self._failed = 0

    def stop(self) -> None:
        """Wait for nothing any more, and begin no further write."""
        self._stopping.set()

    def wait(self, seconds: float) -> None:
        """Pause before the next attempt, no longer than until `stop`."""
        self._stopping.wait(seconds)

    def round(self, now: datetime) -> float:
        """Make Grafana have what is known; gives the seconds until the next round.

        A Grafana that does not take it is asked again later and later, up to ten minutes.
        """
        marks = tuple(self.marks(now))
        recent = self._looked is not None and now - self._looked < LOOK_AGAIN
        if marks == self._settled and recent:
            return ROUND_SECONDS
        try:
            refused = self.push(marks)
        except GrafanaError as error:
            self.meters.failures.labels(str(error.refusal)).inc()
            log.log(
                logging.DEBUG if self._failed else logging.WARNING,
                "annotations are not in Grafana, and are tried again: %s",
                error,
            )
            refused = True
        if refused:
            self._failed += 1
            return float(min(ROUND_SECONDS * 2 ** min(self._failed - 1, 10), LONGEST_PAUSE_SECONDS))
        self._failed, self._settled, self._looked = 0, marks, now
        if not self._stopping.is_set():
            self.meters.done.set(now.timestamp())
        return ROUND_SECONDS

    def push(self, marks: Sequence[Mark]) -> bool:
        """Write what differs, and count it; whether an annotation was refused."""
        refused = False
        with Grafana(self.config, self.wait) as grafana:
            for one in push_marks(grafana, marks, going=lambda: not self._stopping.is_set()):
                if one.fate is Fate.REFUSED and one.refusal is not None:
                    refused = True
                    self.meters.failures.labels(str(one.refusal)).inc()
                elif one.fate is not Fate.UNCHANGED:
                    self.meters.annotations.labels(str(one.fate)).inc()
        return refused

    def marks(self, now: datetime) -> list[Mark]:
        """What Grafana should have: deployments and confirmed regressions of seven days.

        Those that are still open are there however old they are.
        """
        house, now_ms = self.house, milliseconds(now)
        since_ms = milliseconds(now - REACH)
        with house.state.reading() as session:
            deployments = house.book.deployments(session, since_ms, now_ms)
            lately = Query(phases=CONFIRMED, kind=Kind.REGRESSION, since_ms=since_ms, limit=MOST)
            standing = Query(phases=HOLDING, kind=Kind.REGRESSION, limit=MOST)
            found = {
                one.id: one
                for wanted in (standing, lately)
                for one in house.book.page(session, wanted).regressions
            }
            regressions = [RegressionShape.of(one) for one in told(house, session, found.values())]
        shapes = [DeploymentShape.of(one).model_dump(mode="json") for one in deployments]
        return [
            *map(of_deployment, shapes),
            *(of_regression(one.model_dump(mode="json"), now_ms) for one in regressions),
        ]
