"""When a change began: the interval of split points that fit about equally well. Pure.

Least squares with one step (Page 1957, in the offline form of Hinkley 1970): of all splits of the
last day into before and after, the one that explains most of the variance. Values are clipped at
four robust deviations first, or one spike would be the best split. Reported is not a point but the
span of the splits that explain at least nine tenths of that (the idea of Catapult's
`ExtendChangePointRange`).
"""

from dataclasses import dataclass

import numpy as np

from detector.calibration import NORMAL_MAD
from storage.history import Floats

NEARLY_BEST = 0.9
CLIP = 4.0
NORMAL_MEDIAN = 1.2533  # the standard error of a median in those of a mean: sqrt(pi / 2)


@dataclass(frozen=True, slots=True)
class Change:
    """Columns `first <= best <= last`: where the new level may begin. Levels in the unit given.

    `error` is the standard error of `after - before`, each half's windows taken in blocks of
    twelve so that autocorrelation within the hour does not make it small; NaN for short halves.
    """

    first: int
    best: int
    last: int
    before: float
    after: float
    error: float


def localise(residual: Floats, least: int = 3, since: int = 3) -> Change | None:
    """The change in one series of residuals, with at least `least` windows before it.

    `since`: how many windows at the end are known to lie after it (all that the evidence needed).
    None if too few windows are known.
    """
    at = np.flatnonzero(np.isfinite(residual))
    if len(at) < least + since:
        return None
    values = residual[at]
    level = float(np.median(values))
    spread = NORMAL_MAD * float(np.median(np.abs(np.diff(values)))) or float(np.ptp(values))
    # The change itself is in the spread of the values, so that of the differences is used, and the
    # clip is about the two halves' levels: wide enough to keep the step.
    lower, upper = np.quantile(values, (0.25, 0.75))
    clipped = np.clip(values, min(lower, level) - CLIP * spread, max(upper, level) + CLIP * spread)
    count = len(clipped)
    split = np.arange(least, count - since + 1)
    total = np.cumsum(clipped)
    left = total[split - 1]
    mean_before, mean_after = left / split, (total[-1] - left) / (count - split)
    explained = split * (count - split) / count * (mean_after - mean_before) ** 2
    best = int(np.argmax(explained))
    near = np.flatnonzero(explained >= NEARLY_BEST * explained[best])
    first, last = int(near[0]), int(near[-1])
    begin = int(split[best])
    before, after = clipped[:begin], clipped[begin:]
    return Change(
        int(at[split[first]]),
        int(at[begin]),
        int(at[split[last]]),
        float(np.median(before)),
        float(np.median(after)),
        float(np.hypot(_error(before), _error(after))),
    )


def _error(values: Floats, block: int = 12) -> float:
    """The standard error of the median, from the medians of blocks; NaN with fewer than two."""
    blocks = len(values) // block
    if blocks < 2:
        return float("nan")
    each = np.median(values[-blocks * block :].reshape(blocks, block), axis=1)
    return NORMAL_MEDIAN * float(np.std(each, ddof=1)) / float(np.sqrt(blocks))
