"""Series whose truth is known: what the method of detection is tried on. Seeded."""

import numpy as np

from storage.history import Floats

PER_DAY = 288


def autoregressive(
    generator: np.random.Generator, series: int, windows: int, phi: float, deviation: float
) -> Floats:
    """Noise `x[t] = phi x[t-1] + e` of this standard deviation, `[series, windows]`."""
    shock = generator.normal(size=(series, windows)) * deviation * np.sqrt(1 - phi**2)
    result: Floats = np.empty_like(shock)
    result[:, 0] = generator.normal(size=series) * deviation
    for column in range(1, windows):
        result[:, column] = phi * result[:, column - 1] + shock[:, column]
    return result


def daily(windows: int, swing: float) -> Floats:
    """A daily pattern with two peaks, `[windows]`."""
    hour = 2 * np.pi * np.arange(windows) / PER_DAY
    pattern: Floats = swing * (np.sin(hour) + 0.4 * np.sin(2 * hour))
    return pattern
