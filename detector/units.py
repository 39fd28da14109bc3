"""Numbers as an on-call engineer says them: 812 ms, 3.2 %, 1.4 GiB."""

import math
from datetime import UTC, datetime
from enum import StrEnum


class Unit(StrEnum):
    """The base unit of a signal; everything is stored in base units and scaled when shown."""

    SECONDS = "seconds"
    RATIO = "ratio"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes_per_second"
    PER_SECOND = "per_second"
    COUNT = "count"
    TIMESTAMP = "timestamp"
    """Seconds since 1970, as Prometheus tells times."""


END = 253_402_300_800  # the year 10000, which no calendar of ours writes
BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def text(value: float | None, unit: Unit | str) -> str:
    """A value with its unit, three significant digits; `-` when there is none."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    match unit:
        case Unit.SECONDS:
            return duration(value)
        case Unit.RATIO:
            return f"{digits(value * 100)} %"
        case Unit.BYTES:
            return scaled(value, 1024, BYTES)
        case Unit.BYTES_PER_SECOND:
            return scaled(value, 1024, BYTES) + "/s"
        case Unit.PER_SECOND:
            return f"{digits(value)}/s"
        case Unit.TIMESTAMP if 0 <= value < END:
            return f"{datetime.fromtimestamp(int(value), UTC):%Y-%m-%d %H:%M} UTC"
        case _:
            return digits(value)


def duration(seconds: float) -> str:
    """A duration in the largest unit that leaves at least one whole: 90 s is `1.5 min`."""
    size = abs(seconds)
    for below, factor, name in (
        (1e-3, 1e6, "µs"),
        (1.0, 1e3, "ms"),
        (60.0, 1.0, "s"),
        (3600.0, 1 / 60, "min"),
        (86400.0, 1 / 3600, "h"),
    ):
        if 0 < size < below or (size == 0 and name == "ms"):
            return f"{digits(seconds * factor)} {name}"
    return f"{digits(seconds / 86400)} d"


def scaled(value: float, base: float, names: tuple[str, ...]) -> str:
    """A value divided by `base` until it fits, with the name of that power."""
    power = 0
    while abs(value) >= base and power < len(names) - 1:
        value, power = value / base, power + 1
    return f"{digits(value)} {names[power]}"


def digits(value: float) -> str:
    """Three significant digits, never in scientific notation between a thousandth and a million."""
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return f"{value:.3g}"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    plain = f"{value:.{places}f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def change(value: float, baseline: float | None) -> str:
    """How far from the baseline, as people say it: `+42 %`; empty where there is no baseline."""
    if baseline is None or baseline == 0 or math.isnan(value) or math.isnan(baseline):
        return ""
    percent = (value / baseline - 1) * 100
    sign = "+" if percent >= 0 else "-"
    return f"{sign}{digits(abs(percent)) if abs(percent) < 10 else f'{abs(percent):.0f}'} %"
