"""Everything between a decoded beacon and the counts: one receiver, one `_Site` for each app.

All methods belong to the event loop's thread. The order of a beacon: key, origin, rate of the app,
robots, its view; when the view is over: order of its paints, names, share of its network, counts.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from collector.rum.beacon import Beacon
from collector.rum.cells import TALLY_LABELS, Cell, Cut, Histograms, Hour, Tally, hour_end
from collector.rum.config import RumApp, RumConfig
from collector.rum.guards import Pulls, Shares, in_order
from collector.rum.names import OTHER, Names, Templates, clean_text
from collector.rum.rate import Rate
from collector.rum.refusal import Exclusion, Lost, Refusal
from collector.rum.views import Sender, Value, View, Views
from collector.rum.vitals import CONNECTIONS, NAVIGATE, RESTORED, SOFT, UNKNOWN, VITALS
from storage.series import Labels

LEAST_RATE = 0.001
"""A sampling rate below this counts as this: a forged one must not weigh as a million views."""
NO_RELEASE = ""
CLOSED_WITH_EACH = 2
"""Views that are counted beside each beacon, so that no turn finds many of them at once."""
MOST_HOURS_WAITING = 48
MOST_PLACES = 20_000
CUTS_OF_EACH = 3

Place = tuple[Cell, tuple[list[int], ...]]
"""The lifetime histogram of some labels, and the counts of the running hour."""


class Site:
    """One app: its open views, its names, its counts."""

    def __init__(self, app: RumApp, config: RumConfig) -> None:
        self.app = app
        self.origins = frozenset(one.encode("ascii") for one in app.origins)
        self.views = Views(round(config.settle * 1000), config.metric_ids)
        self.histograms = Histograms(app.name)
        self.templates = Templates(app.routes)
        earned = config.admit_views, config.admit_prefixes
        self.routes = Names(app.routes, config.routes, *earned)
        self.releases = Names((), config.releases, *earned)
        self.shares = Shares(config.prefix_share, config.prefix_views)
        self.pulls = Pulls(config.prefix_pull)
        self.hour = Hour(app.name, 0)
        self._places: dict[tuple[tuple[str, ...], str], Place] = {}
        self.ended: deque[Hour] = deque(maxlen=MOST_HOURS_WAITING)
        self.excluded = dict.fromkeys(Exclusion, 0)
        self.beacons = self.lost = self.errors = 0
        self.seen: Counter[str] = Counter()
        self.unfinalised: Counter[str] = Counter()
        self.loads: dict[str, float] = {}
        self.overflow = 0
        self.views_lost = dict.fromkeys(Lost, 0)

    def count(self, view: View, now_ms: int) -> None:
        """Count a view that is over: its loss, and of its values those that are believed."""
        end_ms = hour_end(now_ms)
        if end_ms != self.hour.end_ms:
            self._turn(end_ms)
        self._count_losses(view)
        values = self._consistent(list(view.values.values()))
        if not values:
            return
        release = NO_RELEASE
        if view.release:
            release = self.releases.label(clean_text(view.release), view.sender.network, now_ms)
        labels: dict[str, tuple[str, int | None]] = {}
        for one in values:
            if one.route not in labels:
                labels[one.route] = self._believed(one.route, view, now_ms)
            route, seen = labels[one.route]
            if seen is None:
                self.excluded[Exclusion.PREFIX_SHARE] += 1
            else:
                self._add(one, route, view, release, seen, now_ms)

    def _count_losses(self, view: View) -> None:
        lost, browser = view.lost, view.sender.browser
        self.lost += lost
        self.errors += view.errors
        self.hour.tally(Tally.LOST, (), lost, lost + view.sequences.bit_count())
        if not view.resumed:
            unfinalised = view.unfinalised
            self.seen[browser] += 1
            self.unfinalised[browser] += unfinalised
            self.hour.tally(Tally.UNFINALISED, (browser,), unfinalised, 1)

    def _believed(self, sent: str, view: View, now_ms: int) -> tuple[str, int | None]:
        """The label of a route, and how often this network came; None where it gave enough."""
        sender = view.sender
        route = self.routes.label(self.templates.route(sent), sender.network, now_ms)
        seen = self.shares.admit(hash((route, view.device)), sender.network, now_ms)
        return route, seen

    def _consistent(self, values: list[Value]) -> list[Value]:
        """The values without those of a page load whose paints are in no possible order."""
        first = {
            one.name: one.value
            for one in values
            if one.navigation == NAVIGATE and one.name in ("TTFB", "FCP", "LCP")
        }
        if in_order(first.get("TTFB"), first.get("FCP"), first.get("LCP")):
            return values
        kept = [one for one in values if not (one.navigation == NAVIGATE and one.name in first)]
        self.excluded[Exclusion.INCONSISTENT] += len(values) - len(kept)
        return kept

    def _add(
        self, one: Value, route: str, view: View, release: str, seen: int, now_ms: int
    ) -> None:
        name = one.name
        key = name, route, one.navigation, view.device, view.connection, release
        place = self._places.get((key, view.sender.country)) or self._place(
            key, view.sender.country
        )
        cell, hourly = place
        bucket = VITALS[name].bucket(one.value)
        if not self.pulls.admit(cell.pivot, view.sender.network, bucket, seen, now_ms):
            self.excluded[Exclusion.PREFIX_PULL] += 1
            return
        cell.counts[bucket] += 1
        cell.total += one.value
        for counts in hourly:
            counts[bucket] += 1
        if len(hourly) < CUTS_OF_EACH:
            self.hour.overflow += 1
        if one.element:
            element = clean_text(one.element)
            self.hour.count_element(name, route, release, element, bucket)
        if name == "TTFB" and one.navigation not in (SOFT, RESTORED):
            weight = 1 / max(view.rate, LEAST_RATE)
            self.loads[route] = self.loads.get(route, 0.0) + weight
            self.hour.tally(Tally.LOADS, (route,), weight, weight)

    def _place(self, key: tuple[str, str, str, str, str, str], country: str) -> Place:
        """Where a value with these labels is counted; looked up once an hour, not each time."""
        name, route, navigation, device, sent, release = key
        connection = sent if sent in CONNECTIONS else UNKNOWN
        buckets = len(VITALS[name].edges) + 1
        cells = (
            self.hour.counts(cut, labels, buckets)
            for cut, labels in (
                (Cut.MIX, (name, route, device, connection, navigation)),
                (Cut.RELEASE, (name, route, device, release)),
                (Cut.COUNTRY, (name, route, device, country)),
            )
        )
        found = tuple(one for one in cells if one is not None)
        place = self.histograms.cell(name, route, device), found
        if len(self._places) < MOST_PLACES:
            self._places[key, country] = place
        return place

    def resume(self, end_ms: int, cut: Cut, labels: Labels, counts: Sequence[float]) -> None:
        """Add what was stored of an hour before this process began."""
        if self._goes_on(end_ms):
            self.hour.add(cut, labels, counts)

    def resume_tally(
        self, end_ms: int, tally: Tally, labels: Labels, value: float, n: float
    ) -> None:
        """Add what was stored of an hour's shares before this process began."""
        if self._goes_on(end_ms):
            key = tuple(labels.get(name) for name in TALLY_LABELS[tally])
            self.hour.tally(tally, key, n if tally is Tally.LOADS else value * n, n)

    def _goes_on(self, end_ms: int) -> bool:
        """Whether this is the hour that runs; the first one is begun by it."""
        if not self.hour.end_ms:
            self.hour.end_ms = end_ms
        return self.hour.end_ms == end_ms

    def _turn(self, end_ms: int) -> None:
        """An hour begins: the one before waits to be written, and unused routes are forgotten."""
        self.overflow += self.hour.overflow
        if self.hour.end_ms:
            self.ended.append(self.hour)
        self.hour = Hour(self.app.name, end_ms)
        self._places.clear()
        known = self.routes.admitted | self.routes.given | {OTHER}
        self.histograms.forget(frozenset(known))
        self.loads = {route: n for route, n in self.loads.items() if route in known}


class Receiver:
    """All apps, and who may send how often."""

    def __init__(self, config: RumConfig) -> None:
        self.config = config
        self.sites = {app.key: Site(app, config) for app in config.apps}
        self.refused = dict.fromkeys(Refusal, 0)
        self._per_app = Rate(config.app_per_second, config.app_burst, len(config.apps) + 1)
        self._per_prefix = Rate(config.prefix_per_second, config.prefix_burst, config.prefixes)

    def admits(self, network: int, now_ms: int) -> bool:
        """Whether a network may send one more request now."""
        return self._per_prefix.take(network, now_ms)

    def take(
        self, beacon: Beacon, origin: bytes, sender: Sender, now_ms: int, *, robot: bool
    ) -> Refusal | None:
        """Take a beacon, or say why not. An empty `origin` is a missing one."""
        site = self.sites.get(beacon.key)
        if site is None:
            return Refusal.KEY
        app = site.app
        if not (origin in site.origins if origin else app.allow_missing_origin):
            return Refusal.ORIGIN
        if not self._per_app.take(hash(app.name), now_ms):
            return Refusal.APP_RATE
        if (robot or beacon.driven) and not app.automation:
            return Refusal.BOT
        refusal = site.views.take(beacon, sender, now_ms)
        if refusal is None:
            site.beacons += 1
            overlong = site.views.overlong(beacon.view, now_ms)
            if overlong is not None:
                site.count(overlong, now_ms)
        for _ in range(CLOSED_WITH_EACH):
            over = site.views.over(now_ms)
            if over is None:
                break
            site.count(over, now_ms)
        return refusal

    def settle(self, now_ms: int, most: int) -> int:
        """Count at most `most` views that are over; how many there were."""
        done = 0
        for site in self.sites.values():
            while done < most and (view := site.views.over(now_ms)) is not None:
                site.count(view, now_ms)
                done += 1
        return done

    def hours(self) -> list[Hour]:
        """The hours that are over and not written yet, then those that run."""
        return [hour for site in self.sites.values() for hour in (*site.ended, site.hour)]

    def counters(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """What is counted beside the histograms: by name, then by the values of its labels.

        Copies are taken before anything is walked through: pages are written in another thread.
        """
        sites = self.sites.values()
        return {
            "rum_beacons_total": {(one.app.name,): one.beacons for one in sites},
            "rum_beacons_lost_total": {(one.app.name,): one.lost for one in sites},
            "rum_page_errors_total": {(one.app.name,): one.errors for one in sites},
            "rum_views_total": {
                (one.app.name, browser): n for one in sites for browser, n in list(one.seen.items())
            },
            "rum_views_unfinalised_total": {
                (one.app.name, browser): one.unfinalised[browser]
                for one in sites
                for browser in list(one.seen)
            },
            "rum_views_lost_total": {
                (one.app.name, reason.value): n
                for one in sites
                for reason, n in one.views_lost.items()
            },
            "rum_page_loads_total": {
                (one.app.name, route): n for one in sites for route, n in list(one.loads.items())
            },
        }


COUNTER_LABELS: Mapping[str, tuple[str, ...]] = {
    "rum_beacons_total": ("app",),
    "rum_beacons_lost_total": ("app",),
    "rum_page_errors_total": ("app",),
    "rum_views_total": ("app", "browser"),
    "rum_views_unfinalised_total": ("app", "browser"),
    "rum_views_lost_total": ("app", "reason"),
    "rum_page_loads_total": ("app", "route"),
}
COUNTER_HELP: Mapping[str, str] = {
    "rum_beacons_total": "Beacons that were taken.",
    "rum_beacons_lost_total": "Beacons that page views sent and that did not come, by their gaps.",
    "rum_page_errors_total": "Errors of pages that beacons told of.",
    "rum_views_total": "Page views that are over, by family of browsers.",
    "rum_views_unfinalised_total": "Page views whose end was never told: no CLS came.",
    "rum_views_lost_total": "Page views that were open when a process ended, by reason.",
    "rum_page_loads_total": "Page loads with a first byte, weighted by the sampling rate.",
}
