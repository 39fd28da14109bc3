"""Where no connection is made to."""

import asyncio
import socket
from collections.abc import Sequence

import pytest

from collector.addresses import SystemResolver, checked
from collector.failure import CollectFailure, Failure
from storage.addresses import denied


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("169.254.169.254", "link-local"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("febf::1", "link-local"),
        ("fd00:ec2::254", "a cloud's metadata service"),
        ("100.100.100.200", "a cloud's metadata service"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("255.255.255.255", "broadcast"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:a9fe:a9fe", "link-local"),
        ("::169.254.169.254", "link-local"),
        ("64:ff9b::169.254.169.254", "link-local"),
        ("2002:a9fe:a9fe::1", "link-local"),
        ("::ffff:0.0.0.0", "unspecified"),
        ("::ffff:224.0.0.1", "multicast"),
    ],
)
def test_addresses_that_are_never_connected_to(address: str, kind: str) -> None:
    assert denied(address) == kind


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "::1", "10.0.0.7", "192.168.1.1", "172.16.0.1", "fd00::1", "8.8.8.8"),
        *("100.64.0.1", "2001:db8::1", "::ffff:10.0.0.7", "169.253.1.1", "fec0::1"),
    ],
)
def test_private_loopback_and_public_addresses_are_fine(address: str) -> None:
    assert denied(address) is None


def resolving(*addresses: str) -> "asyncio.Future[Sequence[str]]":
    future: asyncio.Future[Sequence[str]] = asyncio.get_running_loop().create_future()
    future.set_result(addresses)
    return future


def test_one_bad_address_among_good_ones_denies_the_name() -> None:
    async def attempt() -> None:
        await checked("shop", 80, lambda host, port: resolving("10.0.0.7", "169.254.169.254"))

    with pytest.raises(CollectFailure, match=r"shop leads to 169\.254\.169\.254") as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.DENIED


def test_a_name_without_addresses_is_a_failure_of_dns() -> None:
    async def attempt() -> None:
        await checked("shop", 80, lambda host, port: resolving())

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.DNS


def test_addresses_keep_their_order_and_stand_once() -> None:
    async def attempt() -> list[str]:
        return await checked("shop", 80, lambda host, port: resolving("::1", "127.0.0.1", "::1"))

    assert asyncio.run(attempt()) == ["::1", "127.0.0.1"]


def test_the_system_knows_literal_addresses_and_localhost() -> None:
    async def attempt() -> None:
        resolver = SystemResolver()
        assert await resolver("127.0.0.1", 80) == ["127.0.0.1"]
        assert await resolver("::1", 80) == ["::1"]
        assert "127.0.0.1" in await resolver("localhost", 80)

    asyncio.run(attempt())


def test_a_number_that_is_an_address_in_disguise_is_seen_through() -> None:
    async def attempt() -> None:
        await checked(str(0xA9FEA9FE), 80, SystemResolver())

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.DENIED


@pytest.mark.parametrize("error", [socket.gaierror(-2, "unknown"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_resolved_is_a_failure_of_dns(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(CollectFailure) as caught:
        asyncio.run(SystemResolver()("shop.invalid", 80))
    assert caught.value.reason is Failure.DNS
