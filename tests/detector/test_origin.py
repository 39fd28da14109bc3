"""Where an incident probably began, and when nobody can say."""

from itertools import permutations

import pytest

from detector.dependencies import Dependencies
from detector.finding import Origin, OriginReason, OriginVerdict
from detector.origin import origin
from detector.regression import Regression
from tests.detector.test_group import CHAIN, KINDS, one

EARLIEST, DEEPEST = OriginReason.EARLIEST, OriginReason.DEEPEST
FITS = OriginReason.DEPLOYMENT_FITS
CACHE, DB, API = (
    one(0, "sessions", "cache_hit_rate"),
    one(1, "orders", "db_p95"),
    one(2, "shop", "api_p95"),
)


def found(*members: Regression, deployed: tuple[Regression, ...] = (), before: str = "") -> Origin:
    """The origin, which must not depend on the order of the members."""
    own = {each.id for each in deployed}
    all_ = {
        origin(order, KINDS, CHAIN.dependencies, own, before) for order in permutations(members)
    }
    (single,) = all_
    return single


def test_what_changed_before_all_others_is_the_origin() -> None:
    first = one(-10, "till")
    assert found(first, API) == Origin(OriginVerdict.PROBABLE, first.id, (EARLIEST,))
    just_before = one(-3, "till")  # its span ends where the other one begins
    assert found(just_before, API).reasons == (EARLIEST,)
    assert found(one(-2, "till"), API).verdict is OriginVerdict.NOT_TOLD_APART


def test_of_what_changed_at_one_time_it_is_what_the_others_rest_on() -> None:
    assert found(CACHE, DB, API) == Origin(OriginVerdict.PROBABLE, CACHE.id, (DEEPEST,))
    early_api = one(-3)
    assert found(early_api, CACHE).regression_id == CACHE.id


def test_time_goes_before_depth() -> None:
    assert found(one(-10), CACHE).reasons == (EARLIEST,)
    assert found(one(-10, "sessions", "cache_hit_rate"), API).reasons == (EARLIEST, DEEPEST)


def test_a_deployment_of_its_own_tells_strangers_apart() -> None:
    till = one(0, "till")
    assert found(till, API, deployed=(till,)) == Origin(OriginVerdict.PROBABLE, till.id, (FITS,))
    assert found(till, API, deployed=(till, API)).verdict is OriginVerdict.NOT_TOLD_APART
    assert found(CACHE, API, deployed=(CACHE,)).reasons == (DEEPEST, FITS)
    assert found(CACHE, API, deployed=(API,)).reasons == (DEEPEST,)


def test_what_is_not_told_apart_is_not_named() -> None:
    till = one(0, "till")
    among = tuple(sorted((till.id, API.id)))
    assert found(till, API) == Origin(OriginVerdict.NOT_TOLD_APART, among=among)
    other = one(0, "orders", "db_p95", route="/other")
    narrowed = found(DB, other, API)
    assert narrowed.verdict is OriginVerdict.NOT_TOLD_APART
    assert set(narrowed.among) == {DB.id, other.id}


def test_one_thing_by_several_measures_is_one_thing() -> None:
    mean = one(1, "shop", "api_p95", rule="api_mean_slow")
    assert found(API) == Origin(OriginVerdict.ONLY_ONE, API.id)
    assert found(API, mean) == Origin(OriginVerdict.ONLY_ONE, mean.id)
    assert found(API, mean, before=API.id).regression_id == API.id
    assert found() == Origin()


def test_a_late_joiner_that_precedes_the_others_moves_the_origin() -> None:
    before = found(DB, API)
    assert before.regression_id == DB.id
    late = one(-9, "sessions", "cache_hit_rate")
    assert found(DB, API, late, before=DB.id).regression_id == late.id


@pytest.mark.parametrize("kind", ["api", "cache"])
def test_within_a_service_the_kinds_tell(kind: str) -> None:
    cache, api = one(0, "shop", "cache_hit_rate", route="/a"), one(0, "shop", route="/b")
    result = origin([api, cache], KINDS, Dependencies())
    assert (result.regression_id, result.reasons) == (cache.id, (DEEPEST,))
    same = origin([api, cache], dict.fromkeys(KINDS, kind), Dependencies())
    assert same.verdict is OriginVerdict.NOT_TOLD_APART
