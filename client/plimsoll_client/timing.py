"""Who may see how long a request took."""

from enum import StrEnum
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

from plimsoll_client.asgi import Message, Scope

PRIVATE = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
LONGEST_ADDRESS = 64


class ExposeTiming(StrEnum):
    """Which answers carry `X-Process-Time` and `Server-Timing`."""

    NEVER = "never"
    INTERNAL = "internal"
    ALWAYS = "always"


def may_see_timing(expose: ExposeTiming, scope: Scope) -> bool:
    """Whether this request's answer carries the timing headers."""
    if expose is ExposeTiming.INTERNAL:
        return is_internal(scope)
    return expose is ExposeTiming.ALWAYS


def is_internal(scope: Scope) -> bool:
    """Whether the request came from a private address, as far as can be told.

    Behind a proxy the peer is always private, so every address that the proxy names has to be
    private too. A caller can add private addresses to these headers, but not take away the public
    one that the proxy appends. What cannot be read (a Unix socket, `Forwarded`) is not internal.
    """
    client = scope.get("client")
    if not client or not is_private(client[0]):
        return False
    for name, value in scope.get("headers", ()):
        if name == b"x-forwarded-for" or name == b"x-real-ip":
            addresses = value.decode("latin-1").split(",")
            if not all(is_private(address.strip()) for address in addresses):
                return False
        elif name == b"forwarded":
            return False
    return True


def is_private(address: str) -> bool:
    """Whether an address is of a loopback, private or link-local network."""
    # Longer texts come from headers that anyone can write: they shall not fill the cache.
    return len(address) <= LONGEST_ADDRESS and in_private_network(address)


@lru_cache(maxsize=4096)
def in_private_network(address: str) -> bool:
    """The same, remembered.

    Not `ipaddress.is_private`: it also says yes to documentation networks and, before Python 3.13,
    to public IPv4 addresses written as IPv6 (`::ffff:8.8.8.8`).
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return any(ip in network for network in PRIVATE)


def with_timing(message: Message, elapsed_seconds: float) -> Message:
    """A copy of the response start that says how long the application took to begin.

    A copy, because applications may send the same message object for many requests.
    """
    kept = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"x-process-time"]
    return {
        **message,
        "headers": [
            *kept,
            (b"x-process-time", b"%.6f" % elapsed_seconds),
            (b"server-timing", b"app;dur=%.2f" % (elapsed_seconds * 1000)),
        ],
    }
