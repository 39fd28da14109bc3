"""What is remembered of the lines of one target's pages, and of the series they lead to. Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as ParsedSample

from collector.config import Limits
from collector.failure import CollectFailure, Failure
from collector.source import Collected, Drop
from collector.template import Part, Template, gathered, numbers
from storage.history import Floats, Ints, Samples
from storage.series import NAME, Labels

FORGET_AFTER_MS = 5 * 60_000
"""A series that was not on the page for so long makes room for another one."""

LINE_OVERHEAD_BYTES = 100
"""About what remembering a line costs beside its bytes."""

LONGEST_TIMESTAMP = 20

_SUFFIX = re.compile(r"_(?:bucket|count|sum|total)$")
_LINE_NAME = re.compile(rb"\s*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t{]")


class Page:
    """What one page brings, while it is read."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.slots: list[int] = []
        self.values: list[float] = []
        self.dropped: Counter[Drop] = Counter()
        self.passed_over = 0

    def admit(self, slot: "int | Drop | None", value: float) -> None:
        """Keep a sample, or count why it is left out."""
        if isinstance(slot, int):
            self.slots.append(slot)
            self.values.append(value)
        else:
            self.refuse(slot)

    def refuse(self, reason: Drop | None) -> None:
        """Leave out a sample: for a reason, or (None) because nobody asked for its metric."""
        if reason is not None:
            self.drop(reason)
            self.passed_over += 1

    def drop(self, reason: Drop, count: int = 1) -> None:
        """Count what is left out."""
        if count:
            self.dropped[reason] += count


class SeriesOfTarget:
    """The series of one target: a slot for each, and the heads of lines that lead to it."""

    def __init__(self, added: Mapping[str, str], limits: Limits, allow: str | None) -> None:
        self._added = dict(added)
        self._limits = limits
        self._allow = re.compile(allow) if allow is not None else None
        self._labels: list[Labels] = []
        self._seen_ms = np.zeros(0, np.int64)
        self._slots: dict[Labels, int] = {}
        self._refused: dict[bytes, Drop | None] = {}
        self._wanted: dict[bytes, bool] = {}
        self._line_bytes = 0
        self._columns = _Columns.none()
        self._known: _Known | None = None
        self._before: list[int] | None = None
        self.heads: dict[bytes, int] = {}
        self.comments: set[bytes] = {b""}

    @property
    def remembered_bytes(self) -> int:
        """About how much memory lines and template take."""
        return self._line_bytes + (self._known.template.remembered_bytes if self._known else 0)

    def understand(self, line: bytes, number: int, page: Page) -> tuple[int, bytes] | None:
        """A line with an unknown head: its slot and value, or None when nothing of it is kept."""
        head, _, tail = line.rpartition(b" ")
        timed = tail.isdigit() and len(tail) < LONGEST_TIMESTAMP
        if timed and head not in self._refused:  # perhaps a value and a timestamp
            inner, _, value = head.rpartition(b" ")
            if (inner in self.heads or inner in self._refused) and numbers([value]) is not None:
                head, tail = inner, value
        if head in self.heads:
            return self.heads[head], tail
        if head in self._refused and numbers([tail]) is not None:
            page.refuse(self._refused[head])
            return None
        if not self.wants(line):
            return None
        sample = official(line, number)
        if sample is None:
            self._make_room(line)
            self.comments.add(line)
            return None
        slot = self.slot(sample)
        self._remember_head(line, sample, slot)
        if not isinstance(slot, int):
            page.refuse(slot)
            return None
        return slot, repr(float_of(sample)).encode()

    def _make_room(self, line: bytes) -> None:
        """Before one more line is remembered: all are forgotten when they became too many.

        A page whose lines are the same every time fits; one that is new every time must not grow
        our memory with every scrape.
        """
        cost = len(line) + LINE_OVERHEAD_BYTES
        self._line_bytes += cost
        if self._line_bytes > 2 * self._limits.body_bytes:
            for memory in (self.heads, self._refused, self._wanted, self.comments):
                memory.clear()
            self._line_bytes = cost

    def _remember_head(self, line: bytes, sample: ParsedSample, slot: "int | Drop | None") -> None:
        """Remember the head, if any number behind it would be read as this series' value."""
        head, _, tail = line.rpartition(b" ")
        if sample.timestamp is not None:
            head, _, tail = head.rpartition(b" ")
            # `a 5 5 7` has a head that looks like one and is not: ask the parser.
            try:
                again = official(head + b" 7", 0)
            except CollectFailure:
                return
            if again is None or again.timestamp is not None or again[:3] != (*sample[:2], 7):
                return
        read = numbers([tail])
        if read is None or not _same(float(read[0]), float_of(sample)):
            return
        if not head.decode().strip():  # to the parser, the line `NaN` is a metric called `Na`
            return
        self._make_room(head)
        if isinstance(slot, int):
            self.heads[head] = slot
        else:
            self._refused[head] = slot

    def wants(self, line: bytes) -> bool:
        """Whether to look at a line at all: by the metric's name, before it is parsed."""
        if self._allow is None:
            return True
        found = _LINE_NAME.match(line)
        if found is None:
            return True
        wanted = self._wanted.get(found[1])
        if wanted is None:
            self._make_room(found[1])
            wanted = self._wanted[found[1]] = self._allows(found[1].decode())
        return wanted

    def _allows(self, name: str) -> bool:
        return self._allow is None or bool(
            self._allow.fullmatch(name) or self._allow.fullmatch(_SUFFIX.sub("", name))
        )

    def samples_among(self, lines: Sequence[bytes]) -> int:
        """How many of these lines seem to hold samples that would be looked at."""
        return sum(
            1 for line in lines if line.strip() and not line.startswith(b"#") and self.wants(line)
        )

    def slot(self, sample: ParsedSample) -> "int | Drop | None":
        """The slot of the sample's series, the limit it breaks, or None when nobody wants it."""
        if not self._allows(sample.name):
            return None
        scraped: dict[str, str] = sample.labels
        if len(scraped) > self._limits.labels:
            return Drop.LABELS
        longest = self._limits.label_value_bytes
        texts = (sample.name, *scraped, *scraped.values())
        if any(len(text.encode()) > longest for text in texts):
            return Drop.LABEL_VALUE
        labels = Labels.of(self._merged(scraped), **{NAME: sample.name})
        slot = self._slots.get(labels)
        if slot is None:
            slot = len(self._labels)
            if slot >= self._limits.series:
                return Drop.SERIES
            self._labels.append(labels)
            self._slots[labels] = slot
        return slot

    def _merged(self, scraped: Mapping[str, str]) -> dict[str, str]:
        """Ours win; what they push aside becomes `exported_...`, as in Prometheus."""
        merged = {name: value for name, value in scraped.items() if name not in self._added}
        for name in self._added:
            value = scraped.get(name, "")
            if value:
                moved = f"exported_{name}"
                while moved in self._added or moved in merged:
                    moved = f"exported_{moved}"
                merged[moved] = value
        return {**merged, **self._added}

    def forget(self, at_ms: int) -> None:
        """Make room when all is taken: give up series that were not seen for some time."""
        if len(self._labels) < self._limits.series:
            return
        kept = np.flatnonzero(self._seen_ms >= at_ms - FORGET_AFTER_MS).tolist()
        if len(kept) == len(self._labels):
            return
        moved = {old: new for new, old in enumerate(kept)}
        self._labels = [self._labels[old] for old in kept]
        self._seen_ms = self._seen_ms[kept]
        self._slots = {labels: slot for slot, labels in enumerate(self._labels)}
        self._known, self._before, self._columns = None, None, _Columns.none()
        self.heads = {head: moved[old] for head, old in self.heads.items() if old in moved}
        self._refused.clear()

    def collected(self, page: Page, at_ms: int) -> Collected:
        """The page as columns."""
        self._columns = self._columns.of(page.slots, self._labels)
        return self._at(self._columns, np.array(page.values, np.float64), page.dropped, at_ms)

    def again(self, body: bytes, at_ms: int) -> Collected | None:
        """The page as columns, if it has the lines of the two pages before it."""
        known = self._known
        values = None if known is None else known.template.read(body)
        if known is None or values is None:
            return None
        return self._at(known.columns, values, known.dropped, at_ms)

    def _at(
        self, columns: "_Columns", values: Floats, dropped: Mapping[Drop, int], at_ms: int
    ) -> Collected:
        grown = len(self._labels) - len(self._seen_ms)
        self._seen_ms = np.append(self._seen_ms, np.full(grown, at_ms, np.int64))
        self._seen_ms[columns.slots] = at_ms
        if columns.first is not None:  # of a series that stands twice the first line counts
            doubled = len(values) - len(columns.first)
            values, dropped = values[columns.first], {**dropped, Drop.DUPLICATE: doubled}
        times = np.full(len(values), at_ms, np.int64)
        return Collected(Samples(columns.series, columns.index, times, values), dict(dropped))

    def expect(self, lines: Sequence[bytes], page: Page) -> None:
        """Remember the page as a whole when its samples are those of the page before."""
        before, self._known = self._before, None
        self._before = page.slots
        if page.slots != before or Drop.SAMPLES in page.dropped:
            return
        parts = gathered(map(self._part, lines))
        if parts is not None and parts.count(Part.NUMBER) == len(page.slots):
            template = Template(lines, parts)
            if template.remembered_bytes <= 2 * self._limits.body_bytes:
                columns = self._columns = self._columns.of(page.slots, self._labels)
                self._known = _Known(template, columns, dict(page.dropped))

    def _part(self, line: bytes) -> Part | None:
        """What stands behind the last blank of a line; None when only the parser can say."""
        head, _, tail = line.rpartition(b" ")
        if head in self.heads:
            return Part.NUMBER
        if line in self.comments:
            return Part.SAME
        if head in self._refused and numbers([tail]) is not None:
            return Part.LEFT_OUT
        named = _LINE_NAME.match(head + b" ")  # else the name may stand in the part that changes
        return Part.ANYTHING if named and not self.wants(line) else None


@dataclass(frozen=True, slots=True)
class _Columns:
    """What the samples of a page have in common with those of the next: all but the values.

    The same objects are given out with every page that has the same lines in the same order, so
    that the history knows them again without looking at a single series.
    """

    lines: list[int]
    """The slot of each line with a sample."""
    slots: Ints
    """The slots, each once."""
    first: Ints | None
    """The lines that count, where a series stands twice."""
    series: tuple[Labels, ...]
    index: Ints

    @classmethod
    def none(cls) -> "_Columns":
        """Those of an empty page."""
        empty = np.empty(0, np.int64)
        return cls([], empty, None, (), empty)

    def of(self, lines: list[int], labels: Sequence[Labels]) -> "_Columns":
        """The columns for these lines: the ones here, if they fit."""
        if lines == self.lines:
            return self
        slots, first = np.array(lines, np.int64), None
        if len(set(lines)) != len(lines):
            first = np.sort(np.unique(slots, return_index=True)[1])
            slots = slots[first]
        series = tuple([labels[slot] for slot in slots.tolist()])
        index = np.arange(len(slots), dtype=np.int64)
        index.setflags(write=False)
        return _Columns(lines, slots, first, series, index)


@dataclass(frozen=True, slots=True)
class _Known:
    """A page that is expected to come again, but for its numbers."""

    template: Template
    columns: _Columns
    dropped: Mapping[Drop, int]


def official(line: bytes, number: int) -> ParsedSample | None:
    """What the official parser reads in one line (a comment is None); CollectFailure if nothing.

    Line by line, because in this format no line changes what another one means, but for `# TYPE x
    counter`, after which the parser calls `x` by another name.
    """
    try:
        for family in text_string_to_metric_families(line.decode()):
            for sample in family.samples:
                float_of(sample)
                return sample
    except Exception:  # the parser raises whatever its input makes it trip over
        raise CollectFailure(
            Failure.PARSE, f"line {number + 1} is not in the text format"
        ) from None
    return None


def float_of(sample: ParsedSample) -> float:
    """Its value; the parser gives integers of any size, and the largest do not fit."""
    try:
        return float(sample.value)
    except OverflowError:
        return float("inf") if sample.value > 0 else float("-inf")


def _same(one: float, other: float) -> bool:
    return one == other or (one != one and other != other)
