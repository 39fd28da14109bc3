"""The ways to the outside, all of one shape: one file per outside thing."""

from collections.abc import Mapping
from typing import Any, Protocol

from alerts.alert import Delivery, Marker, Receiver, Reference


class Notifier(Protocol):
    """One way to the outside. Every call comes back with an outcome and never raises."""

    @property
    def receiver(self) -> Receiver:
        """Its name, and whether it can edit."""
        ...

    def post(self, payload: Mapping[str, Any]) -> Delivery:
        """Say something new."""
        ...

    def update(self, reference: Reference, payload: Mapping[str, Any]) -> Delivery:
        """Change what was said; doing it twice is doing it once."""
        ...

    def find(self, marker: Marker) -> Delivery:
        """Look whether a message of unknown fate arrived: found, absent, or blind."""
        ...
