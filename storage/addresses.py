"""Which addresses are never connected to, whoever names them. Pure.

An address that is configured may be private or loopback; a machine's own metadata service, which
hands out credentials, is nobody's target.
"""

import ipaddress
from urllib.parse import SplitResult, urlsplit

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


def web_address(value: str, example: str) -> SplitResult:
    """The parts of an http(s) URL without credentials; a ValueError tells how one is written.

    The message never repeats what may be a password.
    """
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"is no URL; write it like {example}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"must begin with http:// or https://, like {example}")
    if "@" in parts.netloc:
        raise ValueError(
            "holds credentials; leave them out of the URL and use username and password_file, "
            "or token_file"
        )
    return parts
