"""Panels on what the programs themselves expose, where Prometheus scrapes them too.

Names and labels are those of plimsoll-client's middleware. The section is folded: where Prometheus
scrapes only Plimsoll, it shows Plimsoll's own API.
"""

from dashboards.grid import Section, shelves
from dashboards.panels import About, Viz, curves, query
from dashboards.quiet import or_none

CHOSEN = 'job=~"$job",instance=~"$instance"'
DURATION = "http_server_request_duration_seconds"


def from_programs() -> Section:
    """Traffic, errors, percentiles and requests in progress, straight from the programs."""
    return Section(
        "From the programs themselves, where Prometheus scrapes them",
        shelves([traffic(), failures(), percentiles(), active()], at_most=2),
        folded=True,
    )


def traffic() -> Viz:
    """Requests by route."""
    return curves(
        About("Requests by route", "Requests per second, the ten busiest routes.", "reqps"),
        [
            query(
                "topk(10, sum by (method, route) (\n"
                f"  rate(http_server_requests_total{{{CHOSEN}}}[$__rate_interval])\n))",
                "{{method}} {{route}}",
            )
        ],
    )


def failures() -> Viz:
    """Answers that are errors, by route and status."""
    return curves(
        About(
            "Errors by status",
            "Answers with a status of 400 or more, the ten most frequent.",
            "reqps",
        ),
        [
            query(
                or_none(
                    "topk(10, sum by (status, route) (\n"
                    f'  rate(http_server_requests_total{{status=~"4..|5..",{CHOSEN}}}'
                    "[$__rate_interval])\n))",
                    "status",
                ),
                "{{status}} {{route}}",
            )
        ],
        empty="No answer had a status of 400 or more.",
    )


def percentiles() -> Viz:
    """Three percentiles of all requests together."""
    buckets = f"sum by (le) (rate({DURATION}_bucket{{{CHOSEN}}}[$__rate_interval]))"
    return curves(
        About(
            "Percentiles of all requests",
            "From the merged buckets of all chosen programs; percentiles are never averaged.",
            "s",
        ),
        [
            query(f"histogram_quantile({q}, {buckets})", name, ref=name)
            for q, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
        ],
    )


def active() -> Viz:
    """Requests in progress."""
    return curves(
        About("Requests in progress", "Saturation: what is being answered at this moment."),
        [
            query(
                f"sum by (instance) (http_server_active_requests{{{CHOSEN}}})",
                "{{instance}}",
            )
        ],
    )
