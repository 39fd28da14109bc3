"""Signs of life to whoever raises the alarm when they stay out: a dead man's switch.

They do not go through the outbox: one that is lost is the signal, and one that comes late is a lie.
"""

import http.client
import logging
import urllib.request
from dataclasses import dataclass, field
from enum import StrEnum

from alerts.notifiers.outbound import NotConnectedError, send
from alerts.watch_config import HeartbeatConfig

log = logging.getLogger(__name__)


class Beat(StrEnum):
    """What became of a sign of life."""

    SENT = "sent"
    WITHHELD = "withheld"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class Heartbeats:
    """Sends each sign of life when it is due; what is due is known by this process alone."""

    configs: tuple[HeartbeatConfig, ...]
    _next_ms: dict[str, int] = field(default_factory=dict)

    def beat(self, now_ms: int, *, well: bool) -> list[tuple[str, Beat]]:
        """Send what is due; nothing is sent while Plimsoll is not `well`."""
        found = []
        for config in self.configs:
            if now_ms < self._next_ms.get(config.name, 0):
                continue
            self._next_ms[config.name] = now_ms + round(config.interval * 1000)
            outcome = one(config) if well else Beat.WITHHELD
            if outcome is not Beat.SENT:
                log.warning("the heartbeat %s is %s", config.name, outcome)
            found.append((config.name, outcome))
        return found


def one(config: HeartbeatConfig) -> Beat:
    """Send one; never raises, and never tells the address."""
    try:
        request = urllib.request.Request(
            config.address(), b"", {"User-Agent": "plimsoll"}, method="POST"
        )
        answer = send(request, config.timeout)
    except (NotConnectedError, OSError, ValueError, http.client.HTTPException):
        return Beat.UNREACHABLE
    return Beat.SENT if 200 <= answer.status < 300 else Beat.REFUSED
