"""Series as people write them: `100~5x40 _x3 133~5x20`.

Each part is a value, perhaps give or take something (`~5`, seeded), perhaps several times (`x20` is
twenty, not twenty-one). `_` is a gap. `NaN` and `Inf` are what they say.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from storage.history import Floats

_PART = re.compile(
    r"(?P<value>_|[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|NaN|Inf))"
    r"(?:~(?P<spread>\d+(?:\.\d+)?))?(?:x(?P<count>\d+))?"
)
CASES = Path(__file__).parent / "cases"


def numbers(text: str, seed: int = 7) -> list[float | None]:
    """The values of a series, None for a gap; a ValueError names the part that is no part."""
    rng = np.random.default_rng(seed)
    result: list[float | None] = []
    for part in text.split():
        found = _PART.fullmatch(part)
        if found is None or (found["value"] == "_" and found["spread"]):
            raise ValueError(f"{part!r} is no part of a series; write it like 100~5x40 or _x3")
        count = int(found["count"] or 1)
        if found["value"] == "_":
            result += [None] * count
            continue
        spread = float(found["spread"] or 0)
        drawn = float(found["value"]) + rng.uniform(-spread, spread, count)
        result += drawn.tolist()
    return result


def array(text: str, seed: int = 7) -> Floats:
    """The values of a series; a gap is NaN, as among judged windows."""
    return np.array([np.nan if one is None else one for one in numbers(text, seed)], np.float64)


def cases(name: str) -> list[Any]:
    """The cases of `tests/cases/<name>.yaml`, as parameters under the names that they have there.

    Every scalar is a string: YAML would read an unquoted 0x40 as 64 and `off` as false.
    """
    text = (CASES / f"{name}.yaml").read_text(encoding="utf-8")
    found = yaml.load(text, yaml.BaseLoader)
    return [pytest.param({**one, "file": name}, id=one["case"]) for one in found]
