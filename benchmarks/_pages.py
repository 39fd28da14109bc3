"""A server of one growing page of metrics: `python -m benchmarks._pages PORT SAMPLES`.

Page `k` (counted from 0, one per GET) is a function of `k` alone, and says its own number, so that
whoever stored it can be checked to the last digit: line `i` has the value `value_of(i, k)`.
"""

import sys
from functools import cache
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count

BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
NUMBER = "benchmark_page_number"
SERIES_PER_HISTOGRAM = len(BOUNDS) + 2
HISTOGRAM = "http_request_duration_seconds"
METRICS = (NUMBER, f"{HISTOGRAM}_bucket", f"{HISTOGRAM}_sum", f"{HISTOGRAM}_count")


@cache
def head(line: int) -> str:
    """Name and labels of a line: histograms of a web service, as its client library writes them."""
    if line == 0:
        return NUMBER
    which, part = divmod(line - 1, SERIES_PER_HISTOGRAM)
    labels = (
        f'handler="/api/v1/things{which // 6}/{{thing_id}}/items",'
        f'method="{("GET", "POST")[which % 2]}",status="{("2xx", "4xx", "5xx")[which % 3]}"'
    )
    if part < len(BOUNDS):
        return f'{HISTOGRAM}_bucket{{{labels},le="{BOUNDS[part]}"}}'
    return f"{HISTOGRAM}_{('sum', 'count')[part - len(BOUNDS)]}{{{labels}}}"


def value_of(line: int, page: int) -> float:
    """The value of a line on a page: every counter grows on every page, at a pace of its own."""
    if line == 0:
        return float(page)
    begun, pace = line * 7919 % 100_003, 1 + line * 31 % 97
    if (line - 1) % SERIES_PER_HISTOGRAM == len(BOUNDS):  # seconds have a fraction
        return (begun * 1000 + page * (pace * 1000 + 37)) / 10_000
    return float(begun + page * pace)


def written(value: float) -> str:
    """A number as client libraries write it."""
    return str(int(value)) if value == int(value) else repr(value)


def page(number: int, samples: int) -> bytes:
    """One page: HELP and TYPE in front of each metric, then its lines."""
    groups: dict[str, list[str]] = {name: [] for name in METRICS}
    for line in range(samples):
        text = head(line)
        groups[text.partition("{")[0]].append(f"{text} {written(value_of(line, number))}\n")
    parts = []
    for name, lines in groups.items():
        parts.append(f"# HELP {name} What was measured.\n# TYPE {name} untyped\n")
        parts += lines
    return "".join(parts).encode()


def main() -> None:
    """Serve until stopped."""
    port, samples = int(sys.argv[1]), int(sys.argv[2])
    numbers = count()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page(next(numbers), samples)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is said."""

    HTTPServer(("127.0.0.1", port), Page).serve_forever()


if __name__ == "__main__":
    main()
