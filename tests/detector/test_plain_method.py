"""The passes over whole histories come to what the plain method says of every window."""

from dataclasses import replace

import numpy as np
import pytest

from detector.method import Method, coarse, five_minutes
from storage.history import Flags, Floats
from tests.detector.plain_method import Plain
from tests.detector.shapes import autoregressive


def history(windows: int, seed: int, per_day: int) -> Floats:
    """A swinging, noisy series with bursts, a fall, a step near its end, and gaps."""
    generator = np.random.default_rng(seed)
    noise = autoregressive(generator, 1, windows, 0.6, 0.06)[0]
    values: Floats = 3.0 + 0.2 * np.sin(np.arange(windows) / per_day * 2 * np.pi) + noise
    for _ in range(6):
        at, length = generator.integers(0, windows), generator.integers(1, max(per_day // 3, 3))
        values[at : at + length] += generator.choice([0.3, 1.5, 3.0, -2.0])
    values[windows - per_day :] += 0.4
    for _ in range(4):
        at = generator.integers(0, windows)
        values[at : at + generator.integers(1, max(per_day // 4, 3))] = np.nan
    return values


def unlearnt(windows: int) -> Flags:
    learnt = np.ones(windows, np.bool_)
    learnt[windows // 2 : windows // 2 + windows // 6] = False
    return learnt


def small() -> Method:
    """The method for windows of five minutes on days of 48 windows, so that a memory is short."""
    method = five_minutes()
    return replace(
        method,
        per_day=48,
        spans=tuple(replace(span, wait=span.wait // 6) for span in method.spans),
        patience=3,
        lull=2,
        memory=replace(method.memory, block=24, stride=4),
        strictness=replace(method.strictness, rare_counts=0.02),
    )


CASES = [
    pytest.param(five_minutes(), 6 * 288 + 77, 5_000_001, False, id="five minutes"),
    pytest.param(small(), 17 * 48 + 11, 70_007, True, id="five minutes, small, some not learnt"),
    pytest.param(coarse(3600), 18 * 24 + 5, 416_661, False, id="an hour"),
    pytest.param(coarse(3600), 12 * 24 + 5, 416_661, True, id="an hour, some not learnt"),
    pytest.param(coarse(21_600), 30 * 4 + 1, 70_002, False, id="six hours"),
]


@pytest.mark.parametrize(("method", "windows", "first_slot", "leave_out"), CASES)
def test_the_fast_method_says_what_the_plain_one_says(
    method: Method, windows: int, first_slot: int, leave_out: bool
) -> None:
    told = 0
    for seed in (1, 2):
        values = history(windows, seed, method.per_day)
        learnt = unlearnt(windows) if leave_out else None
        fast = method.judge(values, first_slot, learnt)
        plain = Plain(
            method, values.tolist(), first_slot, None if learnt is None else learnt.tolist()
        )
        said = plain.said()
        for name in ("agreeing", "suspecting", "effect", "least"):
            expected = np.array([getattr(one, name) for one in said]).T
            np.testing.assert_allclose(
                getattr(fast, name), expected, rtol=1e-12, err_msg=f"{name}, seed {seed}"
            )
        told += int(fast.changed.sum())
    assert told > 0
