"""Work that only moved, and more load: each tag and what is none."""

import numpy as np
import pytest

from detector.tags import cost_shift, groups_of, load_driven
from storage.history import Floats


def of(*values: float) -> Floats:
    return np.array(values)


@pytest.mark.parametrize(
    ("owners", "value", "usual", "n", "tagged"),
    [
        ("shop shop", (0.3, 0.1), (0.2, 0.2), (100, 100), [True, False]),
        ("shop shop", (0.3, 0.2), (0.2, 0.2), (100, 100), [False, False]),  # nothing fell
        ("shop shop", (0.3, 0.15), (0.2, 0.2), (100, 100), [False, False]),  # not as much
        ("shop shop", (0.3, 0.0), (0.2, 0.2), (200, 100), [True, False]),  # weighed by requests
        ("shop till", (0.3, 0.1), (0.2, 0.2), (100, 100), [False, False]),  # not of one thing
        ("shop shop", (0.3, float("nan")), (0.2, 0.2), (100, 100), [False, False]),
        ("shop shop", (0.3, 0.1), (0.2, float("nan")), (100, 100), [False, False]),
    ],
)
def test_a_cost_that_moved_between_siblings(
    owners: str,
    value: tuple[float, ...],
    usual: tuple[float, ...],
    n: tuple[float, ...],
    tagged: list[bool],
) -> None:
    worse = of(*value) > of(*usual)
    found = cost_shift(groups_of(owners.split()), of(*value), of(*usual), of(*n), worse)
    assert found.tolist() == tagged


@pytest.mark.parametrize(
    ("usage", "requests", "tagged"),
    [
        (0.6, 300, True),
        (0.6, 100, False),  # no more requests
        (0.65, 300, True),
        (0.67, 300, False),  # each request costs more
        (0.3, 300, True),  # a part of the usage does not depend on the requests
        (0.23, 109, False),  # hardly more requests
        (0.1, 300, False),  # no more usage
        (0.6, 0, False),
        (0.6, float("nan"), False),
    ],
)
def test_what_grew_no_more_than_the_requests(usage: float, requests: float, tagged: bool) -> None:
    found = load_driven(of(usage), of(requests), of(0.2), of(100))
    assert found.tolist() == [tagged]
