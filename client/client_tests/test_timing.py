"""Who gets to see the timing headers."""

import pytest
from prometheus_client import CollectorRegistry

from client_tests.asking import ask, plain
from plimsoll_client.asgi import Receive, Scope, Send
from plimsoll_client.middleware import RequestMetrics
from plimsoll_client.timing import ExposeTiming, in_private_network, is_private

PRIVATE_PEER = ("10.1.2.3", 50000)


@pytest.mark.parametrize(
    ("expose", "peer", "seen"),
    [
        ("never", PRIVATE_PEER, False),
        ("internal", PRIVATE_PEER, True),
        ("internal", ("8.8.8.8", 50000), False),
        ("internal", ("testclient", 50000), False),
        ("internal", None, False),
        ("always", ("8.8.8.8", 50000), True),
        ("always", None, True),
        (ExposeTiming.ALWAYS, ("8.8.8.8", 50000), True),
    ],
)
def test_the_setting_and_the_peer_decide(
    expose: str, peer: tuple[str, int] | None, seen: bool
) -> None:
    app = RequestMetrics(plain(), CollectorRegistry(), expose_timing=expose)

    answer = ask(app, "GET", "/", client=peer)

    assert (answer.header("x-process-time") is not None) == seen
    assert (answer.header("server-timing") is not None) == seen


def test_internal_is_the_default() -> None:
    assert RequestMetrics(plain(), CollectorRegistry()).expose_timing is ExposeTiming.INTERNAL


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(ValueError, match="sometimes"):
        RequestMetrics(plain(), CollectorRegistry(), expose_timing="sometimes")


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        (b"x-forwarded-for", b"10.0.0.7", True),
        (b"x-forwarded-for", b"10.0.0.7, 192.168.1.1", True),
        (b"x-forwarded-for", b"10.0.0.7, 8.8.8.8", False),
        (b"x-forwarded-for", b"8.8.8.8, 10.0.0.7", False),
        (b"x-forwarded-for", b"unknown", False),
        (b"x-forwarded-for", b"", False),
        (b"x-real-ip", b"8.8.8.8", False),
        (b"x-real-ip", b"10.0.0.7", True),
        (b"forwarded", b"for=10.0.0.7", False),
    ],
)
def test_a_private_proxy_does_not_make_its_clients_internal(
    name: bytes, given: bytes, seen: bool
) -> None:
    app = RequestMetrics(plain(), CollectorRegistry())

    answer = ask(app, "GET", "/", client=PRIVATE_PEER, headers=[(name, given)])

    assert (answer.header("server-timing") is not None) == seen


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.31.255.255", "192.168.0.1", "169.254.1.1", "::1", "fd00::1",
     "fe80::1%eth0", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_private(address: str) -> None:
    assert is_private(address)


@pytest.mark.parametrize(
    "address",
    ["8.8.8.8", "172.32.0.1", "192.0.2.1", "100.64.0.1", "2001:db8::1", "::ffff:8.8.8.8", "", "x",
     "10.0.0.1:80", "1" * 100],
)  # fmt: skip
def test_not_private(address: str) -> None:
    assert not is_private(address)


def test_a_long_text_in_a_header_is_not_remembered() -> None:
    before = in_private_network.cache_info().currsize

    assert not is_private("10.0.0.1" + " " * 60)

    assert in_private_network.cache_info().currsize == before


def test_a_message_that_the_application_sends_again_does_not_grow() -> None:
    start = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start)
        await send({"type": "http.response.body"})

    for _ in range(2):
        ask(RequestMetrics(app, CollectorRegistry()), "GET", "/")

    assert start["headers"] == [(b"a", b"b")]
