"""Durations as people write them in a configuration: `500ms`, `15s`, `5m`, `1h`, `7d`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(value: object) -> float:
    """Seconds from `5m`, `1h30m` or a plain number; a ValueError shows how to write it."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("a duration is written like 15s, 5m or 1h30m")
    if isinstance(value, int | float):
        number = float(value)
    elif _WHOLE.fullmatch(value.strip()):
        number = sum(float(n) * UNITS[unit] for n, unit in _PART.findall(value))
    else:
        raise ValueError(f"{value!r} is no duration; write it like 15s, 5m or 1h30m")
    if not 0.001 <= number < 1e10:
        raise ValueError(f"{value!r} is no duration: from 1ms to 300 years can be meant")
    return number


def written(value: float) -> str:
    """The shortest spelling of a number of seconds: 300 -> `5m`, 90 -> `1m30s`, 604800 -> `7d`."""
    rest, parts = round(value * 1000), []
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Seconds = Annotated[
    float, BeforeValidator(seconds), PlainSerializer(written, return_type=str, when_used="json")
]
