"""A metric comes several times and counts once; what is lost on the way is known."""

import pytest

from collector.rum.config import RumConfig
from collector.rum.refusal import Exclusion, Refusal
from tests.collector.rum.sending import FIREFOX, Door, beacon, config, metric, whole


@pytest.fixture
def door() -> Door:
    return Door(config())


def left_out(door: Door) -> dict[str, int]:
    return {reason.value: n for reason, n in door.site.views.left_out.items() if n}


def test_of_a_metric_the_highest_sequence_wins_whatever_comes_first(door: Door) -> None:
    door.send(beacon("view-0001", metric("INP", 300), s=2))
    door.send(beacon("view-0001", metric("INP", 96), s=0))
    door.send(beacon("view-0001", metric("INP", 200), s=1))
    door.settle()
    assert door.n("INP") == 1
    assert door.cell("INP").total == 0.3


def test_a_repeated_beacon_is_counted_as_replayed_and_changes_nothing(door: Door) -> None:
    door.send(beacon("view-0001", metric("LCP", 1600)))
    assert door.send(beacon("view-0001", metric("LCP", 9000))) == 204
    door.settle()
    assert (door.n(), door.cell().total) == (1, 1.6)
    assert door.receiver.refused[Refusal.REPLAYED] == 1


def test_a_view_is_not_kept_open_by_replays(door: Door) -> None:
    door.send(whole("view-0001"))
    for _ in range(11):
        door.now_ms += 60_000
        door.send(whole("view-0001"))
    door.settle(0)
    assert door.n() == 1


def test_a_metric_that_comes_again_after_its_view_was_counted_is_late(door: Door) -> None:
    door.send(whole("view-0001"))
    door.settle()
    door.send(beacon("view-0001", metric("INP", 900), s=1))
    door.settle()
    assert (door.n("INP"), door.cell("INP").total) == (1, 0.096)
    assert left_out(door) == {"late": 1}


def test_a_soft_navigation_of_a_counted_view_is_taken(door: Door) -> None:
    door.send(whole("view-0001"))
    door.settle()
    soft = metric("LCP", 400, i="v6-soft", t="soft-navigation", u="/cart")
    door.send(beacon("view-0001", soft, s=1))
    door.settle()
    assert door.n(route="__other__") == 1
    assert door.site.seen == {"chrome": 1}
    assert door.site.lost == 0


def test_a_view_that_goes_on_and_on_is_closed_by_its_next_beacon() -> None:
    door = Door(config(settle="1m"))
    for s in range(5):
        door.send(beacon("view-0001", metric("INP", 100 + s), s=s))
        door.now_ms += 50_000
    assert door.n("INP") == 1
    assert door.cell("INP").total == 0.104


def test_the_dummy_first_byte_of_a_navigation_without_a_request_is_left_out(door: Door) -> None:
    for i, kind in enumerate(("soft-navigation", "back-forward-cache")):
        door.send(beacon(f"view-000{i}", metric("TTFB", 0, t=kind), metric("CLS", 0, t=kind)))
    door.send(beacon("view-0009", metric("TTFB", 0)))
    door.settle()
    assert door.n("TTFB") == 1
    assert door.n("CLS") == 2
    assert left_out(door) == {"dummy": 2}


def test_an_unknown_metric_is_left_out_and_counted(door: Door) -> None:
    assert door.send(beacon("view-0001", metric("FID", 12), metric("CLS", 0))) == 204
    assert left_out(door) == {"unknown_name": 1}


def test_a_gap_in_the_sequence_is_a_lost_beacon(door: Door) -> None:
    door.send(beacon("view-0001", metric("CLS", 0), s=0), beacon("view-0001", s=3))
    door.send(beacon("view-0002", metric("CLS", 0), s=2))
    door.settle()
    assert door.site.beacons == 3
    assert door.site.lost == 4


def test_a_view_without_its_end_is_unfinalised_by_browser(door: Door) -> None:
    door.send(beacon("view-0001", metric("TTFB", 90), metric("FCP", 300)))
    door.send(beacon("view-0002", metric("FCP", 300), metric("CLS", 0)))
    door.send(beacon("view-0003", metric("FCP", 300)), headers={"user-agent": FIREFOX})
    door.settle()
    assert door.site.seen == {"chrome": 2, "firefox": 1}
    assert door.site.unfinalised == {"chrome": 1, "firefox": 1}


def test_page_loads_are_weighted_by_the_sampling_rate(door: Door) -> None:
    door.send(whole("view-0001", r=0.1), whole("view-0002", r=1e-9))
    door.settle()
    assert door.site.loads == {"/": 10 + 1000}


def test_the_memory_of_waiting_metrics_is_bounded_by_counting_the_oldest_early() -> None:
    door = Door(config(metric_ids=1000, prefix_burst=10_000, app_burst=10_000))
    for i in range(2000):
        door.send(beacon(f"view-{i:05}", metric("CLS", 0), metric("INP", 8)))
    assert door.site.views.waiting <= 1000
    assert len(door.site.views) <= 500
    # One network gives at most its share, so the others are excluded, and none is lost unseen.
    assert door.n("CLS") + door.site.excluded[Exclusion.PREFIX_SHARE] // 2 >= 1500


def test_one_view_cannot_hold_any_number_of_metrics(door: Door) -> None:
    for s in range(6):
        many = [metric("INP", 8, i=f"id-{s}-{i}") for i in range(40)]
        door.send(beacon("view-0001", *many, s=s))
    assert door.site.views.waiting == 200
    assert left_out(door) == {"too_many": 40}


def test_paints_in_no_possible_order_are_kept_out(door: Door) -> None:
    door.send(
        beacon("view-0001", metric("FCP", 900), metric("LCP", 300), metric("CLS", 0)),
        beacon("view-0002", metric("TTFB", 900), metric("FCP", 300)),
        beacon("view-0003", metric("TTFB", 900), metric("LCP", 300)),
        beacon("view-0004", metric("TTFB", 300), metric("FCP", 300.9), metric("LCP", 300)),
        beacon("view-0005", metric("FCP", 900), metric("LCP", 300, t="prerender")),
    )
    door.settle()
    assert (door.n("LCP"), door.n("FCP"), door.n("TTFB"), door.n("CLS")) == (2, 2, 1, 1)
    assert door.site.excluded[Exclusion.INCONSISTENT] == 6


def test_one_network_gives_its_share_of_a_route_and_no_more() -> None:
    door = Door(config(prefix_burst=10_000, app_burst=10_000, prefix_views=20))
    for i in range(100):
        door.send(whole(f"same-{i:04}"))
    door.settle()
    assert door.n() == 20
    assert door.site.excluded[Exclusion.PREFIX_SHARE] == 80 * 5
    for i in range(1000):
        door.peer = f"10.{i // 250}.{i % 250}.1"
        door.send(whole(f"many-{i:04}"))
    door.peer = "192.0.2.1"
    for i in range(100):
        door.send(whole(f"more-{i:04}"))
    door.settle(601_000)
    assert 1020 + 25 <= door.n() <= 1020 + 60


def test_where_all_users_share_a_network_the_limit_is_turned_off() -> None:
    door = Door(config(prefix_burst=1000, prefix_share=1))
    for i in range(100):
        door.send(whole(f"same-{i:04}"))
    door.settle()
    assert door.n() == 100


def test_the_share_of_a_network_is_counted_anew_every_hour() -> None:
    door = Door(RumConfig.model_validate(config(prefix_views=1).model_dump()))
    for i in range(3):
        door.send(whole(f"view-{i:04}"))
        door.settle(3_600_000)
    assert door.n() == 3
