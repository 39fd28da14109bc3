"""An Alertmanager, by its API v2: what we find goes in, its silences come out.

Posting the same alert again is how Alertmanager is kept from forgetting it, so a post of unknown
fate is simply made again. https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

import json
import urllib.request
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from alerts.alert import Delivery, Errand, Marker, Outcome, Receiver, Reference
from alerts.foreign import ForeignSilence
from alerts.notifiers.outbound import send
from alerts.notifiers.web import AGENT, attempt
from alerts.receivers import AlertmanagerConfig
from storage.series import Match, Matcher

OPERATORS = {
    (True, False): Match.EQUAL,
    (False, False): Match.NOT_EQUAL,
    (True, True): Match.REGEX,
    (False, True): Match.NOT_REGEX,
}


class Alertmanager:
    """Posts regressions as alerts, again and again while they are open."""

    def __init__(self, name: str, config: AlertmanagerConfig) -> None:
        self._config = config
        # Posting again is editing: the same labels replace what was there.
        self.receiver = Receiver(name, edits=True, manner=config.manner)

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """`POST /api/v2/alerts`; nothing to post is posted already."""
        alerts = payload.get("alerts")
        if not alerts:
            return Delivery(outcome=Outcome.SENT)

        def made() -> urllib.request.Request:
            return self._request("/api/v2/alerts", json.dumps(alerts).encode())

        return attempt(made, self._config.timeout, unclear=Outcome.SERVER_ERROR)

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """The same: an alert is known by its labels."""
        return self.post(payload, errand)

    def find(self, marker: Marker) -> Delivery:
        """Not worth looking: posting again does no harm."""
        return Delivery(outcome=Outcome.BLIND, detail="posting again does no harm")

    def silences(self) -> list[ForeignSilence]:
        """The silences in force or to come; raises OSError or ValueError where none can be read."""
        answer = send(self._request("/api/v2/silences"), self._config.timeout)
        if answer.status != 200:
            raise OSError(f"HTTP {answer.status} when asked for silences")
        return list(silences(json.loads(answer.body)))

    def _request(self, path: str, body: bytes | None = None) -> urllib.request.Request:
        headers = {"Content-Type": "application/json", "User-Agent": AGENT}
        token = self._config.authorized_with()
        if token is not None:
            headers["Authorization"] = f"Bearer {token.get_secret_value()}"
        return urllib.request.Request(self._config.url + path, body, headers)


def silences(answer: Any) -> Iterator[ForeignSilence]:
    """The silences of an answer that are not expired; what is malformed raises a ValueError."""
    try:
        for one in answer:
            if one["status"]["state"] == "expired":
                continue
            yield ForeignSilence(
                id=str(one["id"]),
                matchers=tuple(matcher(each) for each in one["matchers"]),
                starts_ms=at_ms(one["startsAt"]),
                ends_ms=at_ms(one["endsAt"]),
                created_by=str(one.get("createdBy", "")),
                comment=str(one.get("comment", "")),
            )
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"silences without {error}") from None


def matcher(part: Any) -> Matcher:
    """One condition of a silence; a KeyError or TypeError where it is none."""
    op = OPERATORS[bool(part.get("isEqual", True)), bool(part["isRegex"])]
    return Matcher(str(part["name"]), op, str(part["value"]))


def at_ms(text: str) -> int:
    """Milliseconds of a time as Alertmanager writes it."""
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
