"""A web address that is posted JSON, signed like Slack's requests: HMAC-SHA256 over time and body.

Headers: `X-Plimsoll-Delivery` is the same whenever the same message is tried again, so that a
receiver can drop what it has; `X-Plimsoll-Timestamp` is in seconds; `X-Plimsoll-Signature` is
`v1=` and the hex HMAC of `v1:<timestamp>:<body>`.
"""

import hashlib
import hmac
import urllib.request
from collections.abc import Mapping
from typing import Any

from alerts.alert import Delivery, Errand, Marker, Outcome, Receiver, Reference
from alerts.notifiers.web import AGENT, attempt
from alerts.payload import written
from alerts.receivers import WebhookConfig


class Webhook:
    """Posts each news once more as JSON."""

    def __init__(self, name: str, config: WebhookConfig) -> None:
        self._config = config
        self.receiver = Receiver(name, edits=False, manner=config.manner)

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Post once; an answer that never came leaves the fate unknown."""

        def made() -> urllib.request.Request:
            body = written(payload).encode()
            headers = {
                "Content-Type": "application/json",
                "User-Agent": AGENT,
                "X-Plimsoll-Delivery": errand.key,
                "X-Plimsoll-Timestamp": str(errand.at_ms // 1000),
            }
            secret = self._config.signs_with()
            if secret is not None:
                key = secret.get_secret_value()
                headers["X-Plimsoll-Signature"] = signature(key, errand.at_ms // 1000, body)
            url = self._config.address().get_secret_value()
            return urllib.request.Request(url, body, headers, method="POST")

        return attempt(made, self._config.timeout, unclear=Outcome.UNKNOWN)

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Post it anew: what was posted cannot be changed."""
        return self.post(payload, errand)

    def find(self, marker: Marker) -> Delivery:
        """A web address cannot be asked what it has."""
        return Delivery(outcome=Outcome.BLIND, detail="a webhook cannot be asked")


def signature(secret: str, at_seconds: int, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of the version, the time and the body."""
    signed = b"v1:%d:%s" % (at_seconds, body)
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
