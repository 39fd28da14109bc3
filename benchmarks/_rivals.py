"""Other scripts that measure pages: how they are built, and how their payloads spell a metric.

They are not part of this repository: `npm ci` fetches them, from the lock file in
`benchmarks/rivals/`. Umami's tracker is not among them, since npm does not have it.
"""

import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks._capture import Ending, Received

HERE = Path(__file__).parent / "rivals"
INSTALL_SECONDS = 600
METRICS = ("LCP", "INP", "CLS", "FCP", "TTFB")


class RivalError(Exception):
    """The scripts that are compared cannot be had."""


# What a complete view brings, where it is not one value of each metric. Layout shifts are mostly
# equal, zero; a page that was painted while nobody looked has no paint to tell of.
COMPLETE: Mapping[Ending, Mapping[str, int]] = {
    Ending.SOFT: {"LCP": 3, "INP": 3, "CLS": 1, "FCP": 1, "TTFB": 1},
    Ending.BFCACHE: {"LCP": 2, "INP": 2, "CLS": 1, "FCP": 1, "TTFB": 1},
    Ending.HIDDEN_AT_LOAD: {"INP": 1, "TTFB": 1},
}
EACH_ONCE = dict.fromkeys(METRICS, 1)


@dataclass(frozen=True, slots=True)
class Rival:
    """One script: its name, its package, and a pattern for the values of each metric, in order."""

    title: str
    package: str
    patterns: Sequence[str]

    def missing(self, received: Received, ending: Ending) -> list[str]:
        """The metrics of which a view brought fewer different values than a complete one does."""
        # lux.js sends its first half in the address of an image.
        text = "\n".join(f"{one.path}\n{one.text}" for one in received.posts)
        wanted = COMPLETE.get(ending, EACH_ONCE)
        return [
            metric
            for metric, pattern in zip(METRICS, self.patterns, strict=True)
            if len(set(re.findall(pattern, text))) < wanted.get(metric, 0)
        ]


def otel(metric: str) -> str:
    """A log record of a web vital, up to its value."""
    return rf'"stringValue":"{metric}"\}}\}},\{{"key":"browser.web_vital.value","value":(\{{[^}}]*)'


def ours(metric: str) -> str:
    """A metric of our own payload, up to its value."""
    return rf'"n":"{metric}","i":"\d+","v":([\d.]+)'


OURS = Rival("Plimsoll", "plimsoll", tuple(map(ours, METRICS)))
RIVALS: Mapping[str, Rival] = {
    "faro": Rival(
        "Grafana Faro",
        "@grafana/faro-web-sdk",
        (r'"lcp":([\d.]+)', r'"inp":([\d.]+)', r'"cls":([\d.]+)', r'"fcp":([\d.]+)',
         r'"values":\{"ttfb":([\d.]+)'),
    ),
    "sentry": Rival(
        "Sentry",
        "@sentry/browser",
        (r'web_vital\.lcp\.value":\{"value":([\d.]+)', r'web_vital\.inp\.value":\{"value":([\d.]+)',
         r'web_vital\.cls\.value":\{"value":([\d.]+)', r'web_vital\.fcp\.value":\{"value":([\d.]+)',
         r'web_vital\.ttfb\.value":\{"value":([\d.]+)'),
    ),
    "elastic": Rival(
        "Elastic APM RUM",
        "@elastic/apm-rum",
        (r'"largestContentfulPaint":([\d.]+)', r'"inp_value":([\d.]+)', r'"cls":([\d.]+)',
         r'"firstContentfulPaint":([\d.]+)', r'"timeToFirstByte":([\d.]+)'),
    ),
    "otel": Rival(
        "OpenTelemetry",
        "@opentelemetry/browser-instrumentation",
        (otel("lcp"), otel("inp"), otel("cls"), otel("fcp"), otel("ttfb")),
    ),
    "lux": Rival(
        "lux.js",
        "@speedcurve/lux",
        (r'"lcp":\{"value":([\d.]+)', r'"inp":\{"value":([\d.]+)', r'"cls":\{"value":([\d.]+)',
         r'"fcp":\{"value":([\d.]+)', r'"responseStart":([\d.]+)'),
    ),
    "sendbeacon": Rival(
        "web-vitals and one sendBeacon",
        "web-vitals",
        (r'"n":"LCP","v":([\d.]+)', r'"n":"INP","v":([\d.]+)', r'"n":"CLS","v":([\d.]+)',
         r'"n":"FCP","v":([\d.]+)', r'"n":"TTFB","v":([\d.]+)'),
    ),
}  # fmt: skip


def bundles(folder: Path) -> dict[str, bytes]:
    """Every rival's script, bundled and minified as ours is."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        raise RivalError("node and npm are needed")
    if not (HERE / "node_modules").is_dir():
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run([npm, "ci", *quiet], cwd=HERE, check=True, timeout=INSTALL_SECONDS)
    subprocess.run([node, "build.js", str(folder)], cwd=HERE, check=True, timeout=INSTALL_SECONDS)
    return {name: (folder / f"{name}.js").read_bytes() for name in RIVALS}
