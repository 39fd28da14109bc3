"""Panels about Plimsoll at work: whether it gets its data, and whether it keeps up."""

from dashboards.panels import About, Viz, curves, query, timeline
from dashboards.quiet import or_none

TARGET_STATES = {0: ("down", "red"), 1: ("up", "green")}
# Names that other programs expose too; the variable says which job is Plimsoll.
OURS = 'job=~"$plimsoll_job"'
RARE = "1m"  # a tick a minute: the rate has to look over several


def collection() -> list[Viz]:
    """Whether targets answer, how long they take, and why they fail."""
    return [
        timeline(
            About("Targets", "Whether the last collection of each target worked."),
            query("min by (collector, target) (plimsoll_collector_up)", "{{collector}} {{target}}"),
            TARGET_STATES,
        ),
        curves(
            About("Time to collect", "How long the last collection of each target took.", "s"),
            [
                query(
                    "max by (collector, target) (plimsoll_collector_scrape_duration_seconds)",
                    "{{collector}} {{target}}",
                )
            ],
        ),
        curves(
            About("Failed collections", "Collections that failed, by reason.", "cps"),
            [
                query(
                    or_none(
                        "sum by (target, reason)"
                        " (rate(plimsoll_collector_failures_total[$__rate_interval]))",
                        "reason",
                    ),
                    "{{target}} {{reason}}",
                )
            ],
        ),
    ]


def plimsoll_itself() -> list[Viz]:
    """The detector's ticks, what waits to be told, Plimsoll's own API, memory and processor."""
    return [
        tick_duration(),
        requests(),
        answer_time(),
        curves(
            About("Process memory", "Memory that Plimsoll's process holds.", "bytes"),
            [query(f"process_resident_memory_bytes{{{OURS}}}", "{{instance}}")],
        ),
        curves(
            About("Process CPU", "Share of one processor that Plimsoll uses.", "percentunit"),
            [query(f"rate(process_cpu_seconds_total{{{OURS}}}[$__rate_interval])", "{{instance}}")],
        ),
    ]


def telling() -> list[Viz]:
    """What waits to be told, what was told, and whether somebody has to mend a receiver."""
    return [
        curves(
            About("Messages waiting", "What was decided but is not sent yet."),
            [query("max(plimsoll_outbox_pending)", "waiting")],
        ),
        curves(
            About("The longest waiting", "How long the oldest message has been waiting.", "s"),
            [query("max(plimsoll_outbox_oldest_seconds)", "oldest")],
        ),
        curves(
            About("Messages", "What was sent, and what became of it.", "cps"),
            [
                query(
                    or_none(
                        "sum by (receiver, action, outcome)"
                        " (rate(plimsoll_notifications_total[$__rate_interval]))",
                        "outcome",
                    ),
                    "{{receiver}} {{action}} {{outcome}}",
                    min_step=RARE,
                )
            ],
        ),
    ]


def storage_and_source() -> list[Viz]:
    """What is kept, how large it is, and how far a Prometheus source has been read."""
    return [
        curves(
            About("History on disk", "Size of the file of samples and windows.", "bytes"),
            [query("max by (instance) (plimsoll_history_bytes)", "{{instance}}")],
        ),
        curves(
            About("History in memory", "What the buffers of the history take.", "bytes"),
            [query("max by (instance) (plimsoll_history_memory_bytes)", "{{instance}}")],
        ),
        curves(
            About("Rows", "Rows of the history by table, about."),
            [query("max by (table) (plimsoll_history_rows)", "{{table}}")],
        ),
        curves(
            About(
                "Past that is read",
                "How much of the past of a Prometheus source has been read; all of it where there "
                "is no source.",
                "percentunit",
            ),
            [
                query(
                    "max by (instance) (plimsoll_source_read_ratio)\n"
                    "  or max by (instance) (plimsoll_history_bytes) * 0 + 1",
                    "{{instance}}",
                )
            ],
        ),
    ]


def tick_duration() -> Viz:
    """How long the detector takes for one round."""
    name = "plimsoll_tick_duration_seconds"
    mean = f"sum(rate({name}_sum[$__rate_interval]))\n  / sum(rate({name}_count[$__rate_interval]))"
    p95 = f"histogram_quantile(0.95, sum by (le) (rate({name}_bucket[$__rate_interval])))"
    return curves(
        About("Tick", "How long the detector takes to judge every signal once.", "s"),
        [
            query(mean, "mean", ref="A", min_step=RARE),
            query(p95, "p95", ref="B", min_step=RARE),
        ],
    )


def requests() -> Viz:
    """What Plimsoll's own API is asked."""
    return curves(
        About("Requests answered", "Requests that Plimsoll's own API answers, by status.", "reqps"),
        [
            query(
                f"sum by (status) (rate(http_server_requests_total{{{OURS}}}[$__rate_interval]))",
                "{{status}}",
            )
        ],
    )


def answer_time() -> Viz:
    """How long Plimsoll's own API takes."""
    buckets = f"http_server_request_duration_seconds_bucket{{{OURS}}}"
    return curves(
        About("Time to answer", "p95 of Plimsoll's own API, the ten slowest routes.", "s"),
        [
            query(
                "topk(10, histogram_quantile(0.95,\n"
                f"  sum by (le, method, route) (rate({buckets}[$__rate_interval]))\n))",
                "{{method}} {{route}}",
            )
        ],
    )
