"""The scale on which a change adds: logarithms, oriented so that larger is worse. Pure.

Latency, load, rates and shares change by factors ("a fifth slower"), and their noise grows with
them; on a logarithmic scale both are steady, and a distance of 0.18 reads as "20 %".
"""

import numpy as np

from storage.history import Floats

LEAST_SHARE = 0.01  # of what is usual: below it a value counts as nothing
TRIFLE = 0.1
NEGATIVE_SPREADS = 10.0


def usual_size(values: Floats) -> float:
    """The median of the values above zero; 1 if there are none."""
    positive = values[values > 0]
    return float(np.median(positive)) if len(positive) else 1.0


def logarithmic(values: Floats, usual: Floats | float) -> Floats:
    """`log(value + 1 % of usual)`, so that zero is low and not infinitely so. NaN stays NaN."""
    result: Floats = np.log(np.maximum(values, 0.0) + LEAST_SHARE * np.asarray(usual))
    return result


def without_trifles(values: Floats, usual: Floats | float) -> Floats:
    """The values, those below a tenth of what is usual as a tenth. NaN stays NaN.

    A rise from nothing to little is a long way on a logarithmic scale and no change for the worse;
    as the largest rise of two weeks it would make the method deaf. A fall to nothing is one to a
    tenth, which is as plain.
    """
    result: Floats = np.maximum(values, TRIFLE * np.asarray(usual))
    return result


def linear(values: Floats, reference: Floats) -> Floats:
    """Values that may be negative, in tens of the median deviation within `reference`."""
    known = reference[np.isfinite(reference)]
    deviation = float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0
    return values / (NEGATIVE_SPREADS * (deviation or 1.0))
