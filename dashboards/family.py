"""A dashboard about one kind of signals: what is open, the worst, every series, every signal."""

from collections.abc import Sequence

from dashboards.figures import (
    among,
    open_count,
    open_now,
    ranking,
    signal_panel,
    standings,
    states,
    unusual,
    worst_of,
)
from dashboards.frame import Sheet, Spans, filters
from dashboards.grid import Section, Shelf, shelves
from dashboards.signals import SignalPanel, labels_of

MOST_STATS = 5


def family(
    uid: str,
    title: str,
    description: str,
    signals: Sequence[SignalPanel],
    extra: Sequence[Section] = (),
) -> Sheet:
    """The dashboard of these signals; `extra` stands at its end. There must be a signal."""
    labels = labels_of(signals)
    chosen = {one: one for one in labels}
    which = among(signals)
    judged = [one for one in signals if one.rules] or list(signals)
    many = [one for one in judged if one.labels]
    return Sheet(
        uid=uid,
        title=title,
        description=description,
        variables=filters(chosen, which),
        spans=[Spans(name=f"Regressions: {title}", selectors=(which,))],
        sections=[
            Section(
                "",
                [
                    Shelf(
                        4,
                        [
                            open_count(labels, which),
                            *(worst_of(one, chosen) for one in judged[:MOST_STATS]),
                        ],
                    )
                ],
            ),
            Section("Regressions", [Shelf(7, [states(which), open_now(labels, which)])]),
            Section(
                "Over time", shelves([signal_panel(one, chosen) for one in signals], at_most=2)
            ),
            Section("The worst now", shelves([ranking(one, chosen) for one in many])),
            Section(
                "How far from normal",
                [
                    Shelf(9, [unusual(signals, labels)]),
                    *shelves([standings(one, chosen) for one in many], at_most=2),
                ],
            ),
            *extra,
        ],
    )
