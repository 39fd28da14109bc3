"""A dashboard about one thing, such as a route: each of its signals with its band."""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboards.figures import UNUSUAL, among, band_panel, legend_of, open_now
from dashboards.frame import Sheet, Spans, any_of, choices
from dashboards.grid import Section, Shelf, shelves
from dashboards.links import Detail, page_of
from dashboards.panels import UNITS, About, Viz, curves, query, stat
from dashboards.signals import SignalPanel, labels_of
from dashboards.steps import steps_of


@dataclass(frozen=True, slots=True)
class Group:
    """Signals of one kind of things, and the heading they stand under."""

    heading: str
    detail: Detail
    signals: Sequence[SignalPanel]

    @property
    def variables(self) -> dict[str, str]:
        """The labels that choose one of these things, by the names of their variables."""
        return self.detail.variables(self.signals)

    @property
    def names(self) -> str:
        """The matcher of these signals."""
        return f'signal=~"{"|".join(one.name for one in self.signals)}"'

    def one(self, signal: SignalPanel) -> str:
        """The matchers that find exactly the chosen thing's series of a signal."""
        labels = [f'{at}="${name}"' for name, at in self.variables.items() if at in signal.labels]
        return "{" + ",".join([f'signal="{signal.name}"', *labels]) + "}"

    @property
    def every(self) -> tuple[str, ...]:
        """Selectors of all that is about the chosen thing: one for the signals of each split.

        A signal that is not split by method still is about this route. Conditions that allow a
        label to be absent would have to be regular expressions, and Grafana does not escape the
        value of a single choice for those.
        """
        splits: dict[tuple[str, ...], list[SignalPanel]] = {}
        for signal in self.signals:
            shared = tuple(one for one in self.variables.values() if one in signal.labels)
            splits.setdefault(shared, []).append(signal)
        return tuple(
            among(
                signals,
                *(f'{at}="${name}"' for name, at in self.variables.items() if at in shared),
            )
            for shared, signals in splits.items()
        )


def detail(uid: str, title: str, description: str, groups: Sequence[Group]) -> Sheet:
    """The dashboard of these groups, those without signals left out."""
    there = [one for one in groups if one.signals]
    return Sheet(
        uid=uid,
        title=title,
        description=description,
        variables=[
            variable
            for group in there
            for variable in choices(group.variables, "{" + group.names + "}")
        ],
        spans=[
            Spans(
                name=f"Regressions: {group.heading}",
                selectors=group.every,
                titles=tuple(one.title for one in bands(group)),
            )
            for group in there
        ],
        sections=[section for group in there for section in sections(group)],
    )


def sections(group: Group) -> list[Section]:
    """Now, the bands, and how far from normal."""
    labels = labels_of(group.signals)
    return [
        Section(group.heading, [Shelf(4, [now(group, one) for one in group.signals])]),
        Section("", shelves(bands(group), height=10, at_most=2)),
        Section("", [Shelf(8, [scores(group), open_now(labels, *group.every)])]),
    ]


def bands(group: Group) -> list[Viz]:
    """Each signal of the chosen thing with its band."""
    return [band_panel(one, group.one(one), f"{one.title} and its band") for one in group.signals]


def now(group: Group, signal: SignalPanel) -> Viz:
    """The value now."""
    return stat(
        About(signal.title, signal.told, UNITS[signal.unit], page_of(signal.name)),
        query(f"max(plimsoll_signal_value{group.one(signal)})"),
        steps_of(signal.thresholds),
    )


def scores(group: Group) -> Viz:
    """All signals of the chosen thing on one scale."""
    return curves(
        About(
            f"{group.heading}: how far from normal",
            "Standard deviations between each value and its average of 7 days; positive is worse.",
            link=page_of("${__field.labels.signal}"),
        ),
        [
            query(
                f"max by (signal) ({any_of('plimsoll_signal_score', group.every)})",
                legend_of(["signal"]),
            )
        ],
        limits=UNUSUAL,
    )
