"""Panels on what browsers sent, before anything is judged: Plimsoll's page `/metrics/rum`.

Shares and percentiles come from the buckets of the receiver, whose edges are the ends of "good" and
"needs improvement": the shares are exact. A view counts some ten minutes after its end.
"""

from collections.abc import Iterable

from collector.rum.vitals import SECONDS, SHIFT, VITALS, Vital
from dashboards.grid import Section, shelves
from dashboards.panels import PLIMSOLL, About, Link, Viz, curves, override, query
from dashboards.quiet import or_none
from dashboards.signals import Threshold
from detector.regression import Severity

RARE = "1m"  # the counts are written once a minute
MOST_ROUTES = 10
GOOD, FAIR, POOR = "good", "needs improvement", "poor"
COLOURS = {GOOD: "green", FAIR: "orange", POOR: "red"}
PAGE = Link("Open web vitals", f"{PLIMSOLL}/web-vitals")
#: Labels of the receiver by the variables that choose them; an app is the service of its signals.
LABELS = {"service": "app", "app": "app", "route": "route", "device": "device"}


class Chosen:
    """The matchers for what the variables of a dashboard choose, as far as it has them."""

    def __init__(self, variables: Iterable[str]) -> None:
        self._of = {LABELS[one]: one for one in variables if one in LABELS}

    def on(self, *labels: str) -> str:
        """Matchers for these labels."""
        return ",".join(f'{one}=~"${self._of[one]}"' for one in labels if one in self._of)

    def rate(self, counter: str, *labels: str) -> str:
        """A counter of the receiver by the second, as far as these labels are chosen."""
        return f"rate({counter}{{{self.on(*labels)}}}[$__rate_interval])"

    def of(self, vital: Vital) -> tuple[str, str]:
        """The histogram of a vital: its name, and the matchers that find it there."""
        chosen = self.on("app", "route", "device")
        if not vital.is_time:
            return SHIFT, chosen
        return SECONDS, ",".join(filter(None, (f'metric="{vital.name}"', chosen)))


def from_browsers(variables: Iterable[str]) -> list[Section]:
    """What visitors had: shares and percentiles of each vital, and what is behind the numbers."""
    vitals, chosen = list(VITALS.values()), Chosen(variables)
    return [
        Section(
            "Good, in need of improvement, poor: all views, straight from browsers",
            shelves([shares(one, chosen) for one in vitals]),
        ),
        Section(
            "75th percentile by route, straight from browsers",
            shelves([by_route(one, chosen) for one in vitals]),
        ),
        Section(
            "What is behind the numbers",
            shelves(behind(chosen)),
        ),
    ]


def behind(chosen: Chosen) -> list[Viz]:
    """How many views there are, and what is missing of them."""
    return [
        loads(chosen),
        views(chosen),
        unfinalised(chosen),
        lost(chosen),
        dropped(),
        excluded(chosen),
    ]


def shares(vital: Vital, chosen: Chosen) -> Viz:
    """The three shares, one on top of the other."""
    name, which = chosen.of(vital)

    def within(edge: float) -> str:
        return f'sum(rate({name}_bucket{{le="{edge!r}",{which}}}[$__rate_interval]))'

    whole = f"sum(rate({name}_count{{{which}}}[$__rate_interval]))"
    good, fair = within(vital.good), within(vital.fair)
    asked = {
        GOOD: f"{good}\n  / {whole}",
        FAIR: f"({fair}\n  - {good})\n  / {whole}",
        POOR: f"1 - {fair}\n  / {whole}",
    }
    unit = " s" if vital.is_time else ""
    return curves(
        About(
            f"{vital.name}: shares of views",
            f"Good is at most {vital.good:g}{unit}, poor is above {vital.fair:g}{unit}: the "
            "published thresholds. Of all chosen routes and devices together.",
            "percentunit",
            PAGE,
        ),
        [
            query(expr, shown, ref=ref, min_step=RARE)
            for (shown, expr), ref in zip(asked.items(), ("good", "fair", "poor"), strict=True)
        ],
        overrides=[
            override(
                shown,
                color={"mode": "fixed", "fixedColor": colour},
                custom__fillOpacity=60,
                custom__lineWidth=0,
                custom__stacking={"group": "A", "mode": "normal"},
            )
            for shown, colour in COLOURS.items()
        ],
    )


def by_route(vital: Vital, chosen: Chosen) -> Viz:
    """The 75th percentile of the routes that are worst."""
    name, which = chosen.of(vital)
    buckets = f"sum by (le, route) (rate({name}_bucket{{{which}}}[$__rate_interval]))"
    return curves(
        About(
            f"{vital.name} p75 by route, from the buckets",
            f"The {MOST_ROUTES} slowest routes, devices together; dashed are the published "
            "thresholds. Nobody has judged it: small routes jump.",
            "s" if vital.is_time else "short",
            PAGE,
        ),
        [
            query(
                f"topk({MOST_ROUTES}, histogram_quantile(0.75, {buckets}))",
                "{{route}}",
                min_step=RARE,
            )
        ],
        limits=(
            Threshold(vital.good, Severity.WARNING),
            Threshold(vital.fair, Severity.CRITICAL),
        ),
    )


def loads(chosen: Chosen) -> Viz:
    """Page loads by route."""
    rate = chosen.rate("rum_page_loads_total", "app", "route")
    return curves(
        About("Page loads", "Page loads per second, the ten busiest routes.", "cps", PAGE),
        [query(f"topk(10, sum by (route) ({rate}))", "{{route}}", min_step=RARE)],
    )


def views(chosen: Chosen) -> Viz:
    """Page views by family of browsers."""
    return curves(
        About("Page views that are over", "Page views per second by browser.", "cps", PAGE),
        [
            query(
                f"sum by (browser) ({chosen.rate('rum_views_total', 'app')})",
                "{{browser}}",
                min_step=RARE,
            )
        ],
    )


def unfinalised(chosen: Chosen) -> Viz:
    """Views whose end nobody told."""
    told = chosen.rate("rum_views_unfinalised_total", "app")
    return curves(
        About(
            "Views without an end",
            "Share of the page views that began and whose end was never told, by browser: their "
            "CLS and INP are missing above.",
            "percentunit",
            PAGE,
        ),
        [
            query(
                f"sum by (browser) ({told})\n"
                f"  / sum by (browser) ({chosen.rate('rum_views_total', 'app')})",
                "{{browser}}",
                min_step=RARE,
            )
        ],
    )


def lost(chosen: Chosen) -> Viz:
    """Beacons that did not come."""
    gone = f"sum by (app) ({chosen.rate('rum_beacons_lost_total', 'app')})"
    came = f"sum by (app) ({chosen.rate('rum_beacons_total', 'app')})"
    return curves(
        About(
            "Lost beacons",
            "Share of the beacons that page views sent and that did not come, by the gaps in "
            "their numbers.",
            "percentunit",
            PAGE,
        ),
        [query(f"{gone}\n  / ({gone} + {came})", "{{app}}", min_step=RARE)],
    )


def dropped() -> Viz:
    """Beacons that were refused."""
    refused = "sum by (reason) (rate(rum_beacons_dropped_total[$__rate_interval])) > 0"
    return curves(
        About("Refused beacons", "Beacons that were not taken, by reason.", "cps", PAGE),
        [query(or_none(refused, "reason"), "{{reason}}")],
    )


def excluded(chosen: Chosen) -> Viz:
    """Values that do not count."""
    out = f"sum by (reason) ({chosen.rate('rum_values_excluded_total', 'app')}) > 0"
    return curves(
        About(
            "Excluded values",
            "Values kept out of the histograms, by reason: one network may not speak for all.",
            "cps",
            PAGE,
        ),
        [query(or_none(out, "reason"), "{{reason}}", min_step=RARE)],
    )
