"""Whose request it is: the network of the client, and nothing that tells more than that. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
OCTETS = {str(number): number for number in range(256)}
MOST_HOPS = 20
MOST_KNOWN = 1024
NOBODY = "?"
"""The network of what is no address, like a socket in the file system: they share one limit."""


def prefix(address: str) -> str:
    """The network that an address belongs to: /24 of IPv4, /56 of IPv6, as text.

    IPv4 in IPv6 (`::ffff:192.0.2.1`) is IPv4. What is no address belongs to `NOBODY`.
    """
    # The common case without a parse: an address that the kernel wrote.
    head, dot, tail = address.rpartition(".")
    if dot and ":" not in head and head.count(".") == 2 and tail.isdecimal():
        return head
    return _parsed(address)


def _parsed(address: str) -> str:
    bare = address.strip().removeprefix("[").partition("]")[0].partition("%")[0]
    try:
        known = ip_address(bare)
    except ValueError:
        return NOBODY
    if isinstance(known, IPv6Address):
        inner = known.ipv4_mapped
        if inner is None:
            return known.packed[:7].hex()
        known = inner
    return str(known).rpartition(".")[0]


class Proxies:
    """Which peers are proxies of ours, and what they say of the client.

    Each proxy appends the address that it was reached from, so the list is read from the right,
    past our own; what stands further left was written by the client and is not looked at.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self.networks: tuple[Network, ...] = tuple(ip_network(one) for one in trusted)
        self._known: dict[str, bool] = {}
        self._plain = tuple(
            (int(one.network_address), int(one.netmask))
            for one in self.networks
            if isinstance(one, IPv4Network)
        )

    def trusts(self, address: str) -> bool:
        """Whether an address is a proxy's; remembered, as parsing takes longer than all else."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            known = self._known[address] = self._within(address)
        return known

    def _within(self, address: str) -> bool:
        """The same, worked out; IPv4 as everybody writes it without the parser."""
        parts = address.split(".")
        if len(parts) == 4 and OCTETS.keys() >= set(parts):
            number = 0
            for part in parts:
                number = number << 8 | OCTETS[part]
            return any(number & mask == base for base, mask in self._plain)
        try:
            known = ip_address(address.strip())
        except ValueError:
            return False
        return any(known in one for one in self.networks if one.version == known.version)

    def client(self, peer: str, forwarded: str) -> str:
        """The first address from the right that is no proxy's: the peer where it is none itself."""
        if not self.trusts(peer):
            return peer
        client = peer
        for hop in reversed(forwarded.split(",")[-MOST_HOPS:]):
            client = _without_port(hop.strip())
            if not self.trusts(client):
                return client
        return client


def _without_port(hop: str) -> str:
    """An address without the port that some proxies write behind it."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
