"""The ways to the outside, all of one shape: one file per outside thing."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from alerts.alert import Delivery, Errand, Marker, Picture, Receiver, Reference


class Notifier(Protocol):
    """One way to the outside. Every call comes back with an outcome and never raises."""

    @property
    def receiver(self) -> Receiver:
        """Its name, and what it can do."""
        ...

    def post(self, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Say something new."""
        ...

    def update(self, reference: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Change what was said; doing it twice is doing it once."""
        ...

    def find(self, marker: Marker) -> Delivery:
        """Look whether a message of unknown fate arrived: found, absent, or blind."""
        ...


@runtime_checkable
class Threaded(Protocol):
    """What a notifier can do besides, where messages have threads."""

    def reply(self, thread: Reference, payload: Mapping[str, Any], errand: Errand) -> Delivery:
        """Say something in the thread of a message."""
        ...

    def upload(self, thread: Reference, picture: Picture) -> Delivery:
        """Put a picture into the thread of a message."""
        ...

    def whisper(self, channel: str, user_id: str, text: str) -> Delivery:
        """Say something that only one person in the channel sees."""
        ...
