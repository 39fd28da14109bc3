"""Which addresses may be connected to. Pure but for the system's own name look-up.

Targets come from the configuration, yet a name can be made to lead anywhere: so it is resolved
once, every address is checked, and the connection goes to a checked address.
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence

from collector.failure import CollectFailure, Failure
from collector.sidethread import SideThread, StillBusyError

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host name and port, in the order in which to try them."""

_NETWORKS = {
    "link-local": ("169.254.0.0/16", "fe80::/10"),
    "a cloud's metadata service": ("fd00:ec2::254/128", "100.100.100.200/32"),
    "multicast": ("224.0.0.0/4", "ff00::/8"),
    "unspecified": ("0.0.0.0/8", "::/128"),
    "broadcast": ("255.255.255.255/32",),
}
DENIED = tuple(
    (ipaddress.ip_network(network), kind)
    for kind, networks in _NETWORKS.items()
    for network in networks
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def denied(address: str) -> str | None:
    """What kind of address this is, if it is one that is never connected to."""
    parsed = ipaddress.ip_address(address)
    forms: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [parsed]
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address in disguise reaches the same machine.
        if parsed.ipv4_mapped is not None:
            forms.append(parsed.ipv4_mapped)
        if parsed.sixtofour is not None:
            forms.append(parsed.sixtofour)
        if parsed in _NAT64 or parsed.packed[:12] == bytes(12):
            forms.append(ipaddress.IPv4Address(parsed.packed[12:]))
        if parsed == ipaddress.IPv6Address("::1"):
            return None
    for network, kind in DENIED:
        if any(form.version == network.version and form in network for form in forms):
            return kind
    return None


async def checked(host: str, port: int, resolve: Resolve) -> list[str]:
    """The addresses to connect to; CollectFailure `denied` as soon as one of them may not be."""
    addresses = list(dict.fromkeys(await resolve(host, port)))
    if not addresses:
        raise CollectFailure(Failure.DNS, f"{host} has no address")
    for address in addresses:
        kind = denied(address)
        if kind is not None:
            raise CollectFailure(
                Failure.DENIED, f"{host} leads to {address} ({kind}), which is never connected to"
            )
    return addresses


class SystemResolver:
    """Asks the operating system, beside the event loop; literal addresses come back at once."""

    def __init__(self) -> None:
        self._thread = SideThread("plimsoll-name-lookup")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            found = await self._thread.run(
                lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            )
        except StillBusyError:
            raise CollectFailure(
                Failure.DNS, f"the previous look-up of {host} has not come back"
            ) from None
        except (OSError, UnicodeError):
            raise CollectFailure(Failure.DNS, f"{host} cannot be resolved") from None
        return [str(sockaddr[0]) for *_, sockaddr in found]
