"""Which deployment fits a change in time."""

import pytest

from detector.deployments import BEFORE_MS, correlated
from detector.regression import Deployment
from storage.series import Labels

LO_MS, HI_MS = 10_000_000, 10_300_000
CART = Labels.of(target="shop", route="/cart")


def deployment(at_ms: int, service: str = "other", id_: str = "dep_1") -> Deployment:
    return Deployment(id=id_, service=service, version="1", at_ms=at_ms)


def found(*all_: Deployment, labels: Labels = CART) -> Deployment | None:
    return correlated(all_, labels, LO_MS, HI_MS)


@pytest.mark.parametrize(
    ("at_ms", "fits"),
    [
        (LO_MS - BEFORE_MS - 1, False),
        (LO_MS - BEFORE_MS, True),
        (LO_MS, True),
        (HI_MS, True),
        (HI_MS + 1, False),
    ],
)
def test_it_lies_within_half_an_hour_before_the_change(at_ms: int, fits: bool) -> None:
    assert (found(deployment(at_ms)) is not None) is fits


def test_without_deployments_there_is_none() -> None:
    assert found() is None


def test_the_latest_fits_best() -> None:
    early, late = deployment(LO_MS - 1000, id_="dep_9"), deployment(LO_MS, id_="dep_1")
    assert found(early, late) is late
    assert found(late, early) is late


def test_one_of_the_same_service_goes_before_a_later_one() -> None:
    mine, other = deployment(LO_MS - 1000, "shop"), deployment(LO_MS, "other")
    assert found(mine, other) is mine
    assert found(other, mine) is mine


def test_a_service_is_named_by_its_label_or_its_target() -> None:
    mine, other = deployment(LO_MS - 1000, "checkout"), deployment(LO_MS, "other")
    assert found(mine, other, labels=CART.plus(service="checkout")) is mine
    assert found(mine, other) is other


def test_a_deployment_without_a_service_is_nobodys_own() -> None:
    nameless, later = deployment(LO_MS - 1000, ""), deployment(LO_MS, "other")
    assert found(nameless, later, labels=Labels.of(route="/cart")) is later


def test_of_two_at_one_time_the_answer_is_always_the_same() -> None:
    one, two = deployment(LO_MS, id_="dep_1"), deployment(LO_MS, id_="dep_2")
    assert found(one, two) is two
    assert found(two, one) is two
