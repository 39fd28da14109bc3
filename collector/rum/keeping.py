"""Open page views over a restart: what is written at the end, and what is made of it again. Pure.

An orderly stop writes them all, so that none is lost and none is counted twice. While the process
runs only their number is written; where that is all a next process finds, they are lost, and told.
"""

import msgspec
from msgspec import Struct, field

from collector.rum.receiver import Receiver
from collector.rum.refusal import Lost
from collector.rum.views import View

OLDEST_MS = 3_600_000
"""Views from longer ago would be counted in an hour that they do not belong to."""


class Kept(Struct):
    """One open view; `sequences` is its mask in hexadecimal, as it may have a thousand bits."""

    name: str
    sequences: str
    view: View


class Snapshot(Struct):
    """Open views by app: how many, and where the process stopped in order which."""

    at_ms: int
    open: dict[str, int]
    views: dict[str, list[Kept]] = field(default_factory=dict)


_decoder = msgspec.msgpack.Decoder(Snapshot)


def counted(receiver: Receiver, at_ms: int) -> bytes:
    """Only how many are open: what is written at each turn."""
    return msgspec.msgpack.encode(Snapshot(at_ms, numbers(receiver)))


def whole(receiver: Receiver, at_ms: int) -> bytes:
    """All of them: what is written at an orderly stop."""
    views = {
        site.app.name: [
            Kept(name, f"{view.sequences:x}", msgspec.structs.replace(view, sequences=0))
            for name, view in site.views.open()
        ]
        for site in receiver.sites.values()
    }
    return msgspec.msgpack.encode(Snapshot(at_ms, numbers(receiver), views))


def numbers(receiver: Receiver) -> dict[str, int]:
    """How many views of each app are open."""
    return {site.app.name: len(site.views) for site in receiver.sites.values()}


def resume(receiver: Receiver, data: bytes, now_ms: int) -> None:
    """Go on with the views that were kept; those that were not are counted as lost.

    Views that have begun here meanwhile stay as they are.
    """
    try:
        found = _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError):
        for site in receiver.sites.values():
            site.views_lost[Lost.UNREADABLE] += 1
        return
    for site in receiver.sites.values():
        kept = found.views.get(site.app.name)
        if kept is None:
            site.views_lost[Lost.KILLED] += found.open.get(site.app.name, 0)
        elif now_ms - found.at_ms > OLDEST_MS:
            site.views_lost[Lost.STALE] += len(kept)
        else:
            for one in kept:
                one.view.sequences = int(one.sequences, 16)
            site.views.adopt({one.name: one.view for one in kept})
