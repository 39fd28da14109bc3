"""The pure parts: look-ups, groups, events, the slow log, histograms."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from collector.config import Limits, RedisTarget
from collector.failure import CollectFailure
from collector.readings import Readings, SeriesOfSource
from collector.redis.events import MOST_PER_SECOND, MOST_REMEMBERED, Listener, Tally
from collector.redis.groups import LEAST_KEYS, OTHER, KeyGroups, KeySample, Look
from collector.redis.info import Lookups, Started, fields, read
from collector.redis.latency import EDGES_USEC, Watched, histograms
from collector.redis.link import Door, Link
from collector.redis.resp import Parser
from collector.redis.sampler import Sampler
from collector.redis.slowlog import SlowCommands, entries


def readings(at_ms: int = 0) -> Readings:
    return Readings(SeriesOfSource({}, "cache", Limits()), at_ms, 10_000)


def told(found: Readings) -> dict[str, float]:
    """Readings by name and labels, without the target."""
    return {
        str(one.without("target")): value
        for one, value in zip(found.series, found.values, strict=True)
    }


# --- look-ups ----------------------------------------------------------------------------------


def answer(hits: int, misses: int, run_id: str = "a") -> dict[str, str]:
    return {"keyspace_hits": str(hits), "keyspace_misses": str(misses), "run_id": run_id}


def test_hits_are_counted_from_the_first_answer_on() -> None:
    lookups = Lookups()
    for hits, net in ((1000, 0), (1010, 10), (1010, 10), (1030, 30)):
        lookups.take(answer(hits, 0))
        assert lookups.net["hits"] == net


def test_look_ups_of_ours_come_off_the_next_answer() -> None:
    lookups = Lookups()
    lookups.take(answer(0, 0))
    lookups.probed(hits=40)
    lookups.probed(hits=-1, misses=1)
    lookups.take(answer(39 + 7, 1 + 2))
    assert lookups.net == {"hits": 7, "misses": 2}
    lookups.take(answer(50, 3))
    assert lookups.net == {"hits": 11, "misses": 2}
    assert lookups.ours == {"hits": 39, "misses": 1}


@pytest.mark.parametrize("run_id", ["a", "b"])
def test_after_a_reset_everything_is_new(run_id: str) -> None:
    lookups = Lookups()
    lookups.take(answer(1000, 10))
    lookups.take(answer(1100, 20))
    lookups.take(answer(30, 5, run_id))
    assert lookups.net == {"hits": 130, "misses": 15}


def test_a_restart_is_seen_though_the_new_counts_are_higher() -> None:
    lookups = Lookups()
    lookups.take(answer(10, 10))
    lookups.take(answer(500, 500, "b"))
    assert lookups.net == {"hits": 500, "misses": 500}


def test_what_an_answer_does_not_hold_stays_absent() -> None:
    info = fields(b"# Server\r\nredis_version:6.0.0\r\nrun_id:x\r\nused_memory:none\r\n")
    found = readings()
    read(info, found, Lookups(), Started())
    names = {name.partition("{")[0] for name in told(found)}
    assert names == {
        "redis_up",
        "redis_keyspace_hits_total",
        "redis_keyspace_misses_total",
        "redis_keyspace_probe_lookups_total",
    }


def test_a_primary_tells_how_far_its_furthest_replica_is_behind() -> None:
    info = fields(
        b"redis_version:7.0.0\r\nrun_id:x\r\nrole:master\r\nmaster_repl_offset:1000\r\n"
        b"slave0:ip=10.0.0.1,port=1,state=online,offset=990,lag=0\r\n"
        b"slave1:ip=10.0.0.2,port=1,state=online,offset=400,lag=1\r\n"
    )
    found = readings()
    read(info, found, Lookups(), Started())
    assert told(found)["redis_replication_offset_lag_bytes"] == 600


def test_what_is_no_info_is_refused() -> None:
    with pytest.raises(CollectFailure):
        fields(b"hello")


# --- groups ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "group"),
    [
        ("session:%d", "session"),
        ("user_%d", "user"),
        ("cache.page:%d", "cache.page"),
        ("v%d", "v"),
        ("%d", OTHER),
        (":%d", OTHER),
        ("alice@example.com:%d", OTHER),
        ("no-digits-at-all", OTHER),
        ("{tag}:%d", OTHER),
        ("a" * 33 + ":%d", OTHER),
    ],
)
def test_a_key_belongs_to_what_stands_before_its_first_colon_or_digit(key: str, group: str) -> None:
    groups = KeyGroups(())
    found = [
        groups.of((key % number if "%" in key else key).encode()) for number in range(LEAST_KEYS)
    ]
    assert found == [OTHER] * (LEAST_KEYS - 1) + [group]


def test_one_key_seen_often_is_no_group() -> None:
    groups = KeyGroups(())
    assert {groups.of(b"secret:1") for _ in range(100)} == {OTHER}


def test_there_are_never_more_than_fifty_groups() -> None:
    groups = KeyGroups([f"p{chr(97 + number)}*" for number in range(5)])
    found = {
        groups.of(f"{chr(97 + one)}{chr(97 + two)}:{number}".encode())
        for one in range(26)
        for two in range(26)
        for number in range(LEAST_KEYS)
    }
    assert len(found - {OTHER}) == 50


def test_candidates_for_groups_are_bounded() -> None:
    groups = KeyGroups(())
    for number in range(5000):
        name = "".join(chr(97 + (number // 26**place) % 26) for place in range(4))
        groups.of(f"{name}:1".encode())
    assert len(groups._candidates) <= 1000


def test_a_pattern_is_literal_but_for_its_stars() -> None:
    groups = KeyGroups(["a.b*", "*:cart"])
    assert groups.of(b"a.b1") == "a.b*"
    assert groups.of(b"axb1") == OTHER
    assert groups.of(b"user:7:cart") == "*:cart"
    assert groups.of(b"user:\n:cart") == "*:cart"


# --- events ------------------------------------------------------------------------------------


def tally() -> Tally:
    return Tally(KeyGroups(["s*", "c*"]))


def test_a_miss_soon_after_the_key_expired_is_counted_once() -> None:
    one = tally()
    one.take("expired", b"s1", 10)
    one.take("keymiss", b"s1", 69)
    one.take("keymiss", b"s1", 69)
    one.take("expired", b"c1", 10)
    one.take("keymiss", b"c1", 71)
    assert dict(one.missed_again) == {"s*": 1}
    assert one.counts["keymiss", "s*"] == 2


def test_only_so_many_expired_keys_are_remembered() -> None:
    one = tally()
    for number in range(MOST_REMEMBERED + 1):
        one.take("expired", b"s%d" % number, 0)
    one.take("keymiss", b"s0", 1)
    assert dict(one.missed_again) == {}
    one.take("keymiss", b"s1", 1)
    assert dict(one.missed_again) == {"s*": 1}


def test_more_events_than_fit_into_a_second_wait_for_the_next() -> None:
    one = tally()
    assert all(one.may_take(3.0) for _ in range(MOST_PER_SECOND))
    assert not one.may_take(3.9)
    assert one.may_take(4.0)


# --- the slow log ------------------------------------------------------------------------------


def entry(number: int, *words: str, took: int = 1000) -> list[Any]:
    return [number, 1_790_000_000, took, [word.encode() for word in words], b"10.0.0.9:5", b"me"]


def test_of_an_entry_command_and_group_are_kept_and_nothing_else() -> None:
    found = entries(
        [
            entry(4, "SET", "session:hunter2", "hunter3"),
            entry(3, "EVAL", "session:hunter2", "0"),
            entry(2, "hunter4 hunter5", "session:1"),
        ],
        KeyGroups(["session:*"]),
    )
    assert [(one.cmd, one.group, one.arguments) for one in found] == [
        ("set", "session:*", 2),
        ("eval", "", 2),
        (OTHER, "", 1),
    ]
    assert "hunter" not in repr(found)
    assert "10.0.0.9" not in repr(found)


def test_slow_commands_are_those_since_the_last_look() -> None:
    slow, groups = SlowCommands(), KeyGroups(["s:*"])

    def look(*numbers: int) -> dict[str, float]:
        slow.take(entries([entry(one, "GET", "s:1") for one in numbers], groups))
        found = readings()
        slow.read(found)
        return told(found)

    assert look(7, 6) == {"redis_slowlog_entries_total": 0}
    assert look(9, 8, 7)['redis_slow_commands_total{cmd="get",group="s:*"}'] == 2
    after = look(109, 108)  # more came than one look brings
    assert after["redis_slowlog_entries_total"] == 102
    assert after['redis_slow_commands_total{cmd="get",group="s:*"}'] == 4
    assert look()["redis_slowlog_entries_total"] == 102  # SLOWLOG RESET
    assert look(1, 0)["redis_slowlog_entries_total"] == 104  # a restart
    assert look(2, 1, 0)['redis_slow_command_seconds_total{cmd="get",group="s:*"}'] == 0.007


@pytest.mark.parametrize("reply", [None, [1], [[1, 2, 3]], [[b"x", 1, 2, []]], [[1, 2, 3, b"x"]]])
def test_what_is_no_slow_log_is_refused(reply: object) -> None:
    with pytest.raises(CollectFailure):
        entries(reply, KeyGroups(()))


# --- histograms --------------------------------------------------------------------------------


def reply(**commands: list[int]) -> list[object]:
    found: list[object] = []
    for name, pairs in commands.items():
        calls = pairs[-1] if pairs else 0
        found += [name.encode(), [b"calls", calls, b"histogram_usec", list(pairs)]]
    return found


def test_edges_that_the_server_leaves_out_are_filled() -> None:
    counts = histograms(reply(get=[2, 5, 16, 9, 99_999_999, 10]))["get"]
    assert len(counts) == len(EDGES_USEC) + 1
    assert counts[:6] == [0, 5, 5, 5, 9, 9]
    assert counts[-2:] == [9, 10]


def test_histograms_begin_with_us_and_begin_anew_after_a_failure_or_a_reset() -> None:
    watched = Watched()

    def look(**commands: list[int]) -> dict[str, float]:
        found = readings()
        watched.read(histograms(reply(**commands)), found)
        return {
            name.partition('"')[2].partition('"')[0]: value
            for name, value in told(found).items()
            if "_count" in name
        }

    assert look(get=[2, 100]) == {"get": 0}
    assert look(get=[2, 110], set=[2, 4]) == {"get": 10, "set": 4}
    assert look(get=[2, 7], set=[2, 5]) == {"get": 7, "set": 5}
    assert look(get=[2, 9], set=[2, 5]) == {"get": 9, "set": 5}
    watched.forget()
    assert look(get=[2, 1000], set=[2, 6]) == {"get": 0, "set": 0}


@pytest.mark.parametrize(
    "found", [None, [b"get"], [b"get", 1], [b"get", [b"calls", b"x", b"histogram_usec", []]]]
)
def test_what_is_no_histogram_is_refused(found: object) -> None:
    with pytest.raises(CollectFailure):
        histograms(found)


# --- limits of work ----------------------------------------------------------------------------


def message(number: int) -> bytes:
    """An event as the server sends it."""
    words = (b"pmessage", b"__keyevent@*__:keymiss", b"__keyevent@0__:keymiss", b"s%d" % number)
    return b"*4\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def test_a_flood_of_events_is_counted_up_to_the_limit_and_the_rest_is_counted_as_dropped() -> None:
    seconds = 7.5
    counted = tally()
    listener = Listener(cast(Door, None), counted, lambda: seconds)
    link = SimpleNamespace(parser=Parser(1_000_000))
    flood = b"".join(message(number) for number in range(MOST_PER_SECOND + 1000))
    for at in range(0, len(flood), 65_536):
        link.parser.feed(flood[at : at + 65_536])
        listener.heard(cast(Link, link))
    assert counted.counts["keymiss", "s*"] == MOST_PER_SECOND
    assert counted.dropped == 1000
    seconds = 8.5
    link.parser.feed(message(1))
    listener.heard(cast(Link, link))
    assert counted.counts["keymiss", "s*"] == MOST_PER_SECOND + 1


def test_a_server_that_is_slow_to_tell_of_its_keys_is_asked_for_fewer() -> None:
    target = RedisTarget(name="cache", address="a:1", sampled_keys=2000)
    sampler = Sampler(target, 15, KeyGroups(()), Lookups())
    assert sampler.at_once == 100
    for seconds, at_once in ((0.2, 50), (0.2, 25), (0.05, 50), (0.05, 100), (0.05, 100)):
        sampler.took(seconds)
        assert sampler.at_once == at_once
    for _ in range(10):
        sampler.took(1.0)
    assert sampler.at_once == 10


def test_looks_older_than_five_minutes_say_nothing_any_more() -> None:
    sample = KeySample(100)
    look = Look(group="s*", size_bytes=5, ttl_seconds=None, idle_seconds=1, frequency=None)
    sample.take([look], 0)
    sample.forget(1)
    found = readings()
    sample.read(10, found)
    assert told(found) == {}
