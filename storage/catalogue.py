"""Which small integer stands for which series of the history, in memory and on the disk."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from storage.history import Ints
from storage.series import Labels, Selector

SmallInts = NDArray[np.int32]
"""The type of the column of ids on the disk."""

MOST_RECALLED = 2_000_000
"""Series in the tuples that are known by identity: what falls out is looked up label by label."""


class Cursor(Protocol):
    """What runs SQL inside the caller's transaction."""

    def execute(self, query: str, parameters: object = ...) -> "Cursor":
        """Run one statement."""
        ...

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows that it gave."""
        ...


class Catalogue:
    """Which small integer stands for which series, in memory; new ones wait to be stored.

    Series are kept by group (the metric name, or the signal), so that a search looks at one group.
    """

    def __init__(self, rows: Iterable[tuple[int, str, str]]) -> None:
        self.ids: dict[str, dict[Labels, int]] = {}
        self.names: list[Labels] = []  # by id
        self.next_id = 0
        self.new: list[tuple[int, str, Labels]] = []
        self.recalled: OrderedDict[int, tuple[tuple[Labels, ...], SmallInts]] = OrderedDict()
        self._last: dict[str, tuple[tuple[Labels, ...], Ints]] = {}
        self.recalled_series = 0
        self._whole: dict[str, Ints] = {}  # the ids of a group, perhaps before it grew
        for id_, group, labels in rows:
            read = read_labels(labels)
            self.ids.setdefault(group, {})[read] = id_
            self.name(id_, read)
            self.next_id = max(self.next_id, id_ + 1)

    def recall(self, series: tuple[Labels, ...]) -> SmallInts:
        """The id of each series, as from `identify`; at once, if this very tuple came before.

        A target whose page has the same lines again hands over the same object, and not one of its
        thousands of series is looked at.
        """
        known = self.recalled.get(id(series))
        if known is None:
            # The tuple is kept too: while it lives, no other object can have its id().
            known = self.recalled[id(series)] = (series, self.identify(series).astype(np.int32))
            self.recalled_series += len(series)
            while self.recalled_series > MOST_RECALLED and len(self.recalled) > 1:
                _, (oldest, _) = self.recalled.popitem(last=False)
                self.recalled_series -= len(oldest)
        self.recalled.move_to_end(id(series))
        return known[1]

    def again(self, series: tuple[Labels, ...], group: str) -> Ints:
        """The id of each series of a group; at once, if this very tuple came last time."""
        known = self._last.get(group)
        if known is None or known[0] is not series:
            known = self._last[group] = (series, self.identify(series, group))
        return known[1]

    def __len__(self) -> int:
        return sum(map(len, self.ids.values()))

    def identify(self, series: Sequence[Labels], group: str | None = None) -> Ints:
        """The id of each series, made where there was none; the group is the metric by default."""
        ids = np.empty(len(series), np.int64)
        for position, labels in enumerate(series):
            name = labels.metric if group is None else group
            known = self.ids.setdefault(name, {})
            id_ = known.get(labels)
            if id_ is None:
                id_ = known[labels] = self.next_id
                self.name(id_, labels)
                self.next_id += 1
                self.new.append((id_, name, labels))
            ids[position] = id_
        return ids

    def name(self, id_: int, labels: Labels) -> None:
        """Remember what an id stands for; ids that were taken back leave gaps."""
        if id_ >= len(self.names):
            self.names += [Labels()] * (id_ + 1 - len(self.names))
        self.names[id_] = labels

    def among(self, selector: Selector) -> Ints:
        """The ids of the series that a selector means; of a whole metric, no label is looked at."""
        known = self.ids.get(selector.metric, {})
        if selector.matchers:
            return np.fromiter(self.find(selector.metric, selector.matches), np.int64)
        kept = self._whole.get(selector.metric)
        if kept is None or len(kept) != len(known):
            # The copy is made in one step; a writer may add series while we look at them.
            kept = self._whole[selector.metric] = np.array(list(known.values()), np.int64)
        return kept

    def find(self, group: str, wanted: Callable[[Labels], bool]) -> dict[int, Labels]:
        """The series of a group that are wanted, by id."""
        # The copy is made in one step; a writer may add series while we look at them.
        known = list(self.ids.get(group, {}).items())
        return {id_: labels for labels, id_ in known if wanted(labels)}

    def one(self, group: str, labels: Labels) -> dict[int, Labels]:
        """One series of a group as `find` gives it, however many others there are."""
        id_ = self.ids.get(group, {}).get(labels)
        return {} if id_ is None else {id_: labels}

    def store_new(self, cursor: Cursor, table: str) -> None:
        """Write the new series inside the caller's transaction."""
        if self.new:
            ids, groups, labels = zip(*self.new, strict=True)
            written = [json.dumps(one.as_dict(), ensure_ascii=False) for one in labels]
            rows = list(zip(ids, groups, written, strict=True))
            for start in range(0, len(rows), 1000):
                part = rows[start : start + 1000]
                marks = ", ".join(["(?, ?, ?)"] * len(part))
                flat = [value for row in part for value in row]
                cursor.execute(f"INSERT INTO {table} VALUES {marks}", flat)

    def settle(self, committed: bool) -> None:
        """End the transaction: keep the new series, or take their ids back."""
        if not committed:
            for _, group, labels in self.new:
                del self.ids[group][labels]
            self.recalled.clear()
            self._last.clear()
            self._whole.clear()
            self.recalled_series = 0
        self.new.clear()


def read_labels(text: str) -> Labels:
    """Labels from their stored form."""
    return Labels.of(json.loads(text))
