"""How often somebody may ask: token buckets by name, bounded in number. Pure; time is given."""

from collections import OrderedDict
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

MOST_NAMES = 10_000


@dataclass(slots=True)
class Throttle:
    """Lets `burst` requests of a name through at once and `per_second` after that.

    Beyond `MOST_NAMES` the name that was not heard of for the longest time is forgotten: it would
    have a full bucket again by then, or nearly.
    """

    per_second: float
    burst: float
    _left: OrderedDict[str, tuple[float, int]] = field(default_factory=OrderedDict)

    def take(self, name: str, now_ms: int) -> float:
        """Take one: 0 when there was one, else the seconds until there is."""
        left, since_ms = self._left.pop(name, (self.burst, now_ms))
        left = min(self.burst, left + max(0, now_ms - since_ms) / 1000 * self.per_second)
        granted = left >= 1
        self._left[name] = (left - 1 if granted else left, now_ms)
        if len(self._left) > MOST_NAMES:
            self._left.popitem(last=False)
        return 0.0 if granted else (1 - left) / self.per_second


def prefix_of(address: str) -> str:
    """Who counts as one: an IPv4 address, the /64 network of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, 64), strict=False))
