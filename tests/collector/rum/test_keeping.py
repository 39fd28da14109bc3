"""Page views that are open when the process ends: kept at an orderly stop, else counted as lost."""

import asyncio
from pathlib import Path

import pytest

from collector.rum.keeping import OLDEST_MS
from collector.rum.refusal import Lost
from collector.rum.source import RumSource
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from tests.collector.rum.sending import NOON_MS, Door, beacon, config, metric, whole

MINUTE_MS = 60_000


class Plimsoll:
    """A receiver and its source on the files of a directory, from one start to the next."""

    def __init__(self, directory: Path, now_ms: int = NOON_MS) -> None:
        self.file = DuckFile(directory / "history.duckdb")
        self.door = Door(config(prefix_burst=1000), now_ms=now_ms)
        kept = directory / "page-views.msgpack"
        self.source = RumSource(self.door.receiver, DuckHistory(self.file), kept)
        self.turn()

    def turn(self) -> dict[str, float]:
        """One of the collector; what it tells."""
        found = asyncio.run(self.source.collect(self.door.now_ms)).samples
        return {str(one): found.values[i] for i, one in enumerate(found.series)}

    def stop(self) -> None:
        """In order."""
        asyncio.run(self.source.close())
        self.file.close()

    def kill(self) -> None:
        """As kill -9 does: nothing is written."""
        self.file.close()

    @property
    def lost(self) -> dict[Lost, int]:
        """What the next start says of the one before."""
        return {reason: n for reason, n in self.door.site.views_lost.items() if n}


def test_a_view_goes_on_over_a_restart_and_is_counted_once(tmp_path: Path) -> None:
    first = Plimsoll(tmp_path)
    first.door.send(beacon("view-0001", metric("TTFB", 90), metric("CLS", 0.01)))
    first.door.send(whole("view-0002", lcp_ms=1600, rel="web@1"))
    first.stop()
    second = Plimsoll(tmp_path, NOON_MS + MINUTE_MS)
    # The last of what the first page told replaces what it had told before; a hole is still seen.
    second.door.send(beacon("view-0001", metric("CLS", 0.3), s=2))
    assert second.door.send(whole("view-0002")) == 204  # the same sequence once more
    second.door.settle()
    assert (second.door.n("CLS"), second.door.n("TTFB"), second.door.n("LCP")) == (2, 2, 1)
    assert second.door.cell("CLS").total == pytest.approx(0.32)
    assert second.door.site.lost == 1
    assert second.door.site.seen == {"chrome": 2}
    assert second.lost == {}
    second.stop()


def test_after_a_kill_what_was_open_at_the_last_turn_is_counted_as_lost(tmp_path: Path) -> None:
    first = Plimsoll(tmp_path)
    for i in range(5):
        first.door.send(whole(f"view-{i:04}"))
    first.turn()
    first.door.send(whole("view-9999"))  # after the last turn: nobody knows of it
    first.kill()
    second = Plimsoll(tmp_path, NOON_MS + MINUTE_MS)
    assert second.lost == {Lost.KILLED: 5}
    told = second.turn()
    assert told['rum_views_lost_total{app="shop",reason="killed",target="rum"}'] == 5
    second.stop()
    third = Plimsoll(tmp_path, NOON_MS + 2 * MINUTE_MS)
    assert third.lost == {}
    third.stop()


@pytest.mark.parametrize(("after_ms", "stale"), [(OLDEST_MS, False), (OLDEST_MS + 1, True)])
def test_views_of_more_than_an_hour_ago_belong_to_no_hour(
    tmp_path: Path, after_ms: int, stale: bool
) -> None:
    first = Plimsoll(tmp_path)
    first.door.send(whole("view-0001"))
    first.stop()
    second = Plimsoll(tmp_path, NOON_MS + after_ms)
    assert second.lost == ({Lost.STALE: 1} if stale else {})
    second.door.settle()
    assert second.door.n() == (0 if stale else 1)
    second.stop()


def test_what_cannot_be_read_is_told_and_does_not_stop_the_receiver(tmp_path: Path) -> None:
    (tmp_path / "page-views.msgpack").write_bytes(b"\x93what was this")
    first = Plimsoll(tmp_path)
    assert first.lost == {Lost.UNREADABLE: 1}
    first.door.send(whole("view-0001"))
    first.stop()


def test_a_thousand_beacons_of_a_view_are_kept_with_it(tmp_path: Path) -> None:
    first = Plimsoll(tmp_path)
    first.door.send(beacon("view-0001", metric("CLS", 0.01), s=999))
    first.stop()
    second = Plimsoll(tmp_path, NOON_MS + MINUTE_MS)
    second.door.settle()
    assert second.door.site.lost == 999
    second.stop()
