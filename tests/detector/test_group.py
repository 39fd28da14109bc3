"""Which regressions are one thing, and which of them are news."""

import pytest

from detector.group import incident_for, subject
from storage.series import Labels
from tests.detector.regressions import CART, regression


@pytest.mark.parametrize(
    ("labels", "thing"),
    [
        (
            {"target": "shop", "route": "/cart", "method": "GET"},
            {"target": "shop", "route": "/cart"},
        ),
        (
            {"target": "shop", "route": "/cart", "status": "500"},
            {"target": "shop", "route": "/cart"},
        ),
        (
            {"target": "shop", "cache": "prices", "tier": "l1"},
            {"target": "shop", "cache": "prices"},
        ),
        ({"target": "host", "mountpoint": "/"}, {"target": "host"}),
        ({"pod": "a"}, {}),
    ],
)
def test_method_status_and_tier_do_not_make_two_things(
    labels: dict[str, str], thing: dict[str, str]
) -> None:
    assert subject(Labels.of(labels)) == Labels.of(thing)


def test_it_belongs_to_the_first_open_incident_of_the_same_thing() -> None:
    cart = subject(CART)
    others = [("inc_1", Labels.of(target="shop")), ("inc_2", cart), ("inc_3", cart)]
    assert incident_for(regression(), others) == "inc_2"
    assert incident_for(regression(), others[:1]) is None
    assert incident_for(regression(), []) is None
