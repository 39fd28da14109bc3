"""Which deployment fits a change in time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.dependencies import Dependencies
from detector.deployments import BEFORE_MS, correlations, peers, same_slot
from detector.finding import Check, Correlation, Match, Peers, Slots
from detector.regression import Deployment, Regression
from storage.history import Floats
from storage.series import Labels
from tests.detector.test_group import one


def deployment(at_ms: int, service: str = "other", id_: str = "dep_1") -> Deployment:
    return Deployment(id=id_, service=service, version="1", at_ms=at_ms)


# --- all that fit an incident, scored ---

KINDS = {"api_p95": "api", "db_p95": "database"}
NEEDS = Dependencies({"shop": ("orders",)})
SHOP = one(0)
BEGAN_MS = SHOP.began_lo_ms


def scored(*all_: Deployment, members: tuple[Regression, ...] = (SHOP,)) -> list[Correlation]:
    return list(correlations(all_, members, KINDS, NEEDS))


def at(minute: float, service: str, id_: str = "dep_1") -> Deployment:
    return deployment(BEGAN_MS + round(minute * 60_000), service, id_)


@pytest.mark.parametrize(
    ("at_ms", "fits"),
    [
        (BEGAN_MS - BEFORE_MS - 1, False),
        (BEGAN_MS - BEFORE_MS, True),
        (BEGAN_MS, True),
        (SHOP.began_hi_ms, True),
        (SHOP.began_hi_ms + 1, False),
    ],
)
def test_it_lies_within_half_an_hour_before_the_change(at_ms: int, fits: bool) -> None:
    assert bool(scored(deployment(at_ms))) is fits


def test_a_service_is_named_by_its_label_or_its_target() -> None:
    both = replace(SHOP, labels=SHOP.labels.plus(service="checkout"))
    for name in ("checkout", "shop"):
        assert scored(at(0, name), members=(both,))[0].match is Match.SAME_SERVICE
    nameless = replace(SHOP, labels=Labels.of(route="/cart"))
    assert scored(at(0, ""), members=(nameless,))[0].match is Match.OTHER_SERVICE


def test_of_two_at_one_time_the_answer_is_always_the_same() -> None:
    first, second = at(0, "shop", "dep_1"), at(0, "shop", "dep_2")
    assert scored(first, second) == scored(second, first)


def test_the_own_service_is_closer_than_what_it_needs_and_that_than_others() -> None:
    found = scored(at(0, "till", "c"), at(-20, "orders", "b"), at(-30, "shop", "a"))
    assert [(c.deployment_id, c.match) for c in found] == [
        ("a", Match.SAME_SERVICE),
        ("b", Match.DEPENDENCY),
        ("c", Match.OTHER_SERVICE),
    ]
    assert [c.score for c in found] == [0.5, pytest.approx(0.3333), 0.25]


def test_the_nearer_in_time_the_higher_the_score() -> None:
    scores = [scored(at(minute, "shop"))[0].score for minute in (-30, -15, 0, 5)]
    assert scores == [0.5, 0.75, 1.0, 1.0]
    assert scored(at(-31, "shop"), at(5.1, "shop")) == []


def test_a_deployment_is_told_with_the_regression_that_it_stands_closest_to() -> None:
    orders = one(10, "orders", "db_p95")
    (found,) = scored(at(-5, "orders"), members=(SHOP, orders))
    assert (found.regression_id, found.match) == (orders.id, Match.SAME_SERVICE)


# --- the two comparisons ---

LEVEL = np.full(12, 100.0)
DAYS = np.tile(LEVEL, (7, 1)) * np.array([1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0])[:, None]


def slots(after: Floats, earlier_after: Floats = DAYS, upwards: bool = True) -> Slots:
    return same_slot(LEVEL, after, np.tile(LEVEL, (len(earlier_after), 1)), earlier_after,
                     upwards=upwards)  # fmt: skip


def test_a_change_that_the_days_before_did_not_have_passes() -> None:
    found = slots(LEVEL * 1.3)
    assert (found.check, found.days) == (Check.PASSED, 7)
    assert found.change == pytest.approx(1.3)
    assert slots(LEVEL * 0.7, upwards=False).check is Check.PASSED


def test_what_happens_every_day_at_that_time_fails() -> None:
    assert slots(LEVEL * 1.3, DAYS * 1.3).check is Check.FAILED
    assert slots(LEVEL * 1.04).check is Check.FAILED  # within three spreads
    assert slots(LEVEL * 0.7).check is Check.FAILED  # it got better
    # Worse than usual, but only because every other day gets better by then.
    assert slots(LEVEL * 0.95, DAYS * 0.7).check is Check.FAILED


def test_too_few_windows_or_days_or_no_logarithm_say_nothing() -> None:
    assert slots(np.full(12, np.nan)) == Slots(Check.UNKNOWN, days=7)
    few = LEVEL * 1.3
    few[2:] = np.nan
    assert slots(few).check is Check.UNKNOWN
    assert slots(LEVEL * 1.3, DAYS[:2]).check is Check.UNKNOWN
    assert slots(LEVEL * 1.3, DAYS[:3]).check is Check.PASSED
    assert slots(LEVEL * 0.0).check is Check.UNKNOWN


def test_days_that_are_alike_by_chance_do_not_make_everything_significant() -> None:
    same = np.tile(LEVEL, (7, 1))
    assert slots(LEVEL * 1.05, same).check is Check.FAILED
    assert slots(LEVEL * 1.07, same).check is Check.PASSED


def test_peers_that_stay_pass_and_peers_that_move_fail() -> None:
    before = np.tile(LEVEL, (4, 1))

    def beside(*factors: float) -> Peers:
        return peers(before, before * np.array(factors)[:, None], 1.44, upwards=True)

    assert beside(1.0, 1.05, 0.9, 0.5) == Peers(Check.PASSED, 4, 0)
    assert beside(1.0, 1.0, 1.0, 1.25) == Peers(Check.FAILED, 4, 1)
    many = np.tile(LEVEL, (10, 1))
    moved = many * np.array([1.5] + [1.0] * 9)[:, None]
    assert peers(many, moved, 1.44, upwards=True) == Peers(Check.PASSED, 10, 1)
    assert peers(before, before * 0.7, 0.6, upwards=False).check is Check.FAILED


def test_without_peers_or_without_a_change_nothing_is_said() -> None:
    none = np.full((1, 12), np.nan)
    assert peers(none, none, 1.4, upwards=True) == Peers(Check.UNKNOWN, 0, 0)
    before = np.tile(LEVEL, (3, 1))
    assert peers(before, before, 1.0, upwards=True) == Peers(Check.UNKNOWN, 3, 0)
    assert peers(before, before, 0.0, upwards=True).check is Check.UNKNOWN


@given(st.floats(1e-6, 1e6), st.floats(0.5, 2.0))
def test_the_unit_does_not_matter(scale: float, factor: float) -> None:
    plain = same_slot(LEVEL, LEVEL * factor, DAYS, DAYS, upwards=True)
    scaled = same_slot(
        LEVEL * scale, LEVEL * factor * scale, DAYS * scale, DAYS * scale, upwards=True
    )
    assert scaled.check is plain.check
    assert scaled.change == pytest.approx(plain.change)


def test_it_is_probable_only_when_both_pass() -> None:
    (fit,) = scored(at(0, "shop"))
    passed, failed = Slots(Check.PASSED), Slots(Check.FAILED)
    steady, moved = Peers(Check.PASSED, 3, 0), Peers(Check.FAILED, 3, 3)
    assert replace(fit, slots=passed, peers=steady).probable
    for slots_, peers_ in ((failed, steady), (passed, moved), (passed, Peers()), (Slots(), steady)):
        assert not replace(fit, slots=slots_, peers=peers_).probable
