"""What was written since one last looked: never too little."""

from storage.duck import DuckHistory
from storage.history import Samples, Windows
from storage.journal import EVER_MS, KEPT, SAMPLES, Journal, windows_topic
from storage.series import NAME, Labels, Window

UP = Labels.of({NAME: "up"})


def window(signal: str, end_ms: int, seconds: float = 60.0) -> Window:
    return Window(signal, Labels.of(), end_ms, seconds, 1.0, 1.0)


def test_what_was_written_lies_between_the_lowest_and_the_highest_note() -> None:
    journal = Journal()
    mark = journal.since("a", 0).mark
    journal.note("a", 5, 9)
    journal.note("b", 1, 100)
    journal.note("a", 3, 4)
    found = journal.since("a", mark)
    assert (found.count, found.lo_ms, found.hi_ms) == (2, 3, 9)
    assert journal.since("a", found.mark).count == 0


def test_who_looks_too_rarely_is_told_to_read_everything() -> None:
    journal = Journal()
    for at_ms in range(KEPT + 1):
        journal.note("a", at_ms, at_ms)
    assert journal.since("a", 1).lo_ms == 1
    found = journal.since("a", 0)
    assert (found.count, found.lo_ms, found.hi_ms) == (KEPT + 1, -EVER_MS, EVER_MS)


def test_a_history_notes_samples_and_windows_by_signal_and_length(history: DuckHistory) -> None:
    history.append(Samples.at([UP], 7, [1.0]))
    history.put_windows(
        Windows.of("a", [window("a", 60), window("a", 300, 300.0)]),
        Windows.of("b", [window("b", 120)]),
        Windows.of("c", []),
    )
    told = {
        topic: (found.count, found.lo_ms, found.hi_ms)
        for topic in (SAMPLES, *(windows_topic(s, 60.0) for s in "abc"), windows_topic("a", 300.0))
        if (found := history.journal.since(topic, 0)).count
    }
    assert told == {
        SAMPLES: (1, 7, 7),
        "a/60": (1, 60, 300),
        "a/300": (1, 60, 300),
        "b/60": (1, 120, 120),
    }


def test_what_is_dropped_is_noted_too(history: DuckHistory) -> None:
    history.append(Samples.at([UP], 7, [1.0]))
    history.put_windows(Windows.of("a", [window("a", 60)]))
    samples, windows = (history.journal.since(t, 0).mark for t in (SAMPLES, "a/60"))
    history.thin("a", 60.0, 50)
    assert history.journal.since("a/60", windows).hi_ms == 50
    assert history.journal.since(SAMPLES, samples).count == 0
    history.retain(10, 55)
    assert history.journal.since("a/60", windows).hi_ms == 55
    assert history.journal.since(SAMPLES, samples).hi_ms == 10


def test_windows_of_several_signals_are_written_at_once(history: DuckHistory) -> None:
    wide = Window("h", Labels.of(), 60, 60.0, 1.0, 3.0, (1.0, float("inf")), (1.0, 2.0))
    history.put_windows(
        Windows.of("a", [window("a", 60)]), Windows.of("h", [wide]), Windows.of("b", [])
    )
    assert history.windows("a", 0, 60).rows() == [window("a", 60)]
    assert history.windows("h", 0, 60).rows() == [wide]


def test_a_window_that_comes_again_replaces_also_after_reopening(history: DuckHistory) -> None:
    for value in (1.0, 2.0, 3.0):
        again = DuckHistory(history.file) if value == 3.0 else history
        again.put_windows(
            Windows.of("a", [Window("a", Labels.of(), 60, 60.0, value, 1.0)]),
            Windows.of("b", [Window("b", Labels.of(), 60, 60.0, value, 1.0)]),
        )
        for signal in "ab":
            (found,) = history.windows(signal, 0, 60).rows()
            assert found.value == value
