"""The printed ACL on a real Redis: enough for everything, and for nothing else."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from collector.addresses import SystemResolver
from collector.config import RedisTarget
from collector.failure import CollectFailure, Failure
from collector.redis.acl import Finding, Right, acl, verified
from collector.redis.link import Door
from tests.caches import RedisServer, redis_server
from tests.collector.redis.rig import Watch, config, fill, watching

PASSWORD = "correct-horse"
USER = {"username": "plimsoll", "password": PASSWORD}
PARTS = {
    "latency|histogram": "latency",
    "slowlog|len": "slowlog",
    "slowlog|get": "slowlog",
    "scan": "keys",
    "object|idletime": "keys",
    "pttl": "keys",
    "memory|usage": "keys",
    "psubscribe": "events",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(
        tmp_path_factory.mktemp("redis"), "--notify-keyspace-events", "Eexm"
    ) as started:
        fill(started, "session", 50)
        yield started


def grant(server: RedisServer, target: RedisTarget, *without: str) -> None:
    """Make the user as printed, less some words."""
    words = [word.replace("<password>", PASSWORD) for word in acl(target)]
    server.client.execute_command(*[word for word in words if word not in without])


def target(server: RedisServer, **more: object) -> RedisTarget:
    return config(server.address, **{**USER, **more}).redis[0]


def findings(chosen: RedisTarget) -> list[Finding]:
    """What `plimsoll setup redis NAME --verify` finds."""

    async def attempt() -> list[Finding]:
        link = await Door(chosen, 10, 1_000_000, SystemResolver()).open()
        try:
            return await verified(chosen, link)
        finally:
            link.close()

    return asyncio.run(attempt())


@pytest.mark.parametrize("more", [{}, {"database": 2}, {"sampled_keys": 0}, {"events": False}])
def test_the_printed_acl_is_enough_and_no_more(server: RedisServer, more: dict[str, int]) -> None:
    chosen = target(server, **more)
    grant(server, chosen)

    async def attempt(watch: Watch) -> None:
        for _ in range(2):
            assert (await watch.turn()).failures() == {}

    watching(attempt, server.address, **USER, **more)
    rights = {one.right for one in findings(chosen)}
    assert rights == {Right.GRANTED, Right.WITHHELD}


@pytest.mark.parametrize(
    "command",
    [
        ["GET", "session:1"],
        ["MGET", "session:1"],
        ["GETRANGE", "session:1", "0", "1"],
        ["SET", "session:1", "x"],
        ["DEL", "session:1"],
        ["EXPIRE", "session:1", "1"],
        ["DUMP", "session:1"],
        ["SORT", "session:1"],
        ["KEYS", "*"],
        ["RANDOMKEY"],
        ["FLUSHALL"],
        ["CONFIG", "GET", "requirepass"],
        ["CONFIG", "SET", "maxmemory", "1"],
        ["CONFIG", "RESETSTAT"],
        ["SLOWLOG", "RESET"],
        ["LATENCY", "RESET"],
        ["MONITOR"],
        ["EVAL", "return 1", "0"],
        ["SCRIPT", "LOAD", "return 1"],
        ["CLIENT", "LIST"],
        ["CLIENT", "KILL", "TYPE", "normal"],
        ["ACL", "LIST"],
        ["SHUTDOWN"],
        ["REPLICAOF", "NO", "ONE"],
        ["MODULE", "LIST"],
        ["PUBLISH", "x", "y"],
        ["SUBSCRIBE", "orders"],
        ["PSUBSCRIBE", "*"],
        ["OBJECT", "ENCODING", "session:1"],
        ["MEMORY", "DOCTOR"],
    ],
    ids=" ".join,
)
def test_nothing_else_is_allowed(server: RedisServer, command: list[str]) -> None:
    grant(server, target(server))
    with (
        server.connected(**USER) as client,
        pytest.raises(redis.exceptions.NoPermissionError),
    ):
        client.execute_command(*command)


@pytest.mark.parametrize(("right", "part"), PARTS.items())
def test_a_missing_right_fails_its_part_alone_and_is_named(
    server: RedisServer, right: str, part: str
) -> None:
    chosen = target(server)
    grant(server, chosen, f"+{right}")

    async def attempt(watch: Watch) -> None:
        for turn in range(7):
            seen = await watch.turn()
            if turn % 5:
                assert part not in seen.parts  # not tried again for five minutes
                continue
            failed = {name: one.failure for name, one in seen.parts.items() if one.failure}
            assert set(failed) == {part}
            assert failed[part].reason is Failure.PERMISSION
            assert right in failed[part].detail
            assert seen("redis_up") == 1

    watching(attempt, server.address, **USER)
    missing = [one.command for one in findings(chosen) if one.right is Right.MISSING]
    assert {one.partition(" ")[0] for one in missing} == {right}


def test_a_missing_channel_fails_the_events_alone(server: RedisServer) -> None:
    grant(server, target(server), "&__keyevent@*__:keymiss")

    async def attempt(watch: Watch) -> None:
        assert (await watch.turn()).failures() == {
            "events": "the user lacks +psubscribe and &__keyevent@*__:keymiss"
        }

    watching(attempt, server.address, **USER)


def test_without_the_name_of_the_connection_all_goes_on(server: RedisServer) -> None:
    grant(server, target(server), "+client|setname")

    async def attempt(watch: Watch) -> None:
        assert (await watch.turn()).failures() == {}

    watching(attempt, server.address, **USER)


@pytest.mark.parametrize(
    ("without", "more", "reason"),
    [
        ("+info", {}, Failure.PERMISSION),
        ("", {"password": "wrong"}, Failure.AUTH),
        ("+select", {"database": 2}, Failure.PERMISSION),
    ],
)
def test_without_info_or_the_password_the_target_is_down(
    server: RedisServer, without: str, more: dict[str, object], reason: Failure
) -> None:
    grant(server, target(server, **more), without)
    server.client.execute_command("ACL", "SETUSER", "plimsoll", "resetpass", f">{PASSWORD}")

    async def attempt(watch: Watch) -> None:
        with pytest.raises(CollectFailure) as caught:
            await watch.turn()
        assert caught.value.reason is reason
        assert "wrong" not in str(caught.value)

    watching(attempt, server.address, **{**USER, **more})


def test_a_server_that_wants_a_password_and_gets_none_is_an_auth_failure(tmp_path: Path) -> None:
    with redis_server(tmp_path, "--requirepass", PASSWORD) as locked:

        async def attempt(watch: Watch) -> None:
            with pytest.raises(CollectFailure) as caught:
                await watch.turn()
            assert caught.value.reason is Failure.AUTH

        watching(attempt, locked.address)
        file = tmp_path / "password"
        file.write_text(f"{PASSWORD}\n")

        async def with_it(watch: Watch) -> None:
            assert (await watch.turn()).failures() == {}

        watching(with_it, locked.address, password_file=str(file))
