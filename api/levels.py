"""With which larger series a small one is judged, told: REST, the pages and the terminal."""

from collections.abc import Callable

from api import words
from api.house import House
from api.shapes import Shape
from api.standing import series_id
from detector.pooling import Level, Pools, Standing, Step
from detector.signal import Signal
from storage.series import Labels

Counted = Callable[[str, Labels], float]


class HeldShape(Shape):
    """The series that is judged for another one, which it holds together with more."""

    signal: str
    """Its signal."""
    series: str
    """Its id inside the signal."""
    name: str
    """As a person says it: `its group /shop`, `all of shop`."""
    n: float
    """How many observations are in its newest window."""


class LevelShape(Shape):
    """Where a series is judged, by the observations in its newest window."""

    level: Level
    """itself, pool (with what holds it together with others), nowhere (too few at every level:
    unknown), or unjudged (no rule looks at it)."""
    n: float
    """How many observations it has."""
    needed: float | None
    """How many its rules ask for; null without a rule."""
    judged: HeldShape | None
    """What is judged for it; null where it is itself, or nothing is."""
    short: str
    """In a few words: `with its group /shop`, `too few everywhere`; empty where it is itself."""
    text: str
    """In a sentence, with the numbers."""


class Levels:
    """The levels of series at one time; what is asked twice is looked up once."""

    def __init__(self, house: House, counted: Counted | None = None) -> None:
        definitions = house.detector.definitions
        self.definitions, self.pools = definitions, Pools(definitions.signals)
        self._readings = house.detector.readings
        self._known: dict[str, dict[Labels, float]] = {}
        self._counted = counted or self.newest

    def newest(self, signal: str, labels: Labels) -> float:
        """The observations of the newest reading; none of a series that is silent."""
        if signal not in self._known:
            readings = self._readings.get(signal, ())
            self._known[signal] = {one.labels: one.n for one in readings}
        return self._known[signal].get(labels, 0.0)

    def needed(self, signal: str) -> float | None:
        """The fewest observations that any rule in force on a signal judges."""
        rules = self.definitions.rules_of(signal).values()
        return min((one.gates.min_count for one in rules), default=None)

    def of(self, signal: str, labels: Labels) -> LevelShape | None:
        """The level of a series; None where nothing holds it together with others."""
        if not self.pools.pool_of(signal):
            return None
        return told(self.pools.standing(signal, labels, self._counted, self.needed))

    def judged_by_route(self, vital: str) -> Signal | None:
        """The signal whose rules look at a web vital of each route; None without one."""
        for name, one in self.definitions.signals.items():
            if one.form.vital == vital and "route" in one.form.by and self.needed(name) is not None:
                return one
        return None

    def of_vital(self, vital: str, app: str, route: str, device: str) -> LevelShape | None:
        """The level of a web vital of one route and class of devices; None for no such thing."""
        signal = self.judged_by_route(vital)
        if signal is None:
            return None
        return self.of(signal.name, Labels.of(service=app, route=route, device=device))


def told(found: Standing) -> LevelShape:
    """A standing with its words."""
    own, judged = found.steps[0], found.judged
    asked = None if own.needed == float("inf") else own.needed
    least = "" if asked is None else f"{words.counted(asked)} are needed"
    held = None
    match found.level:
        case Level.ITSELF:
            short, text = "", f"judged itself, by {words.several(own.n, 'value')}"
        case Level.POOL if judged is not None:
            held = held_of(judged)
            short = f"with {held.name}"
            text = (
                f"too few values ({', '.join(filter(None, (number(own), least)))}): "
                f"judged with {held.name} (n = {number(judged)})"
            )
        case Level.UNJUDGED:
            short, text = "", "no rule looks at it"
        case _:
            had = [f"itself {number(own)}"]
            had += [f"{name_of(one)} {number(one)}" for one in found.steps[1:]]
            short = "too few everywhere"
            text = f"unknown, too few values at every level ({least}): {', '.join(had)}"
    return LevelShape(level=found.level, n=own.n, needed=asked, judged=held, short=short, text=text)


def held_of(step: Step) -> HeldShape:
    """The series that is judged for another one."""
    return HeldShape(
        signal=step.signal.name, series=series_id(step.labels), name=name_of(step), n=step.n
    )


def name_of(step: Step) -> str:
    """`its group /shop`; `all of shop` where nothing but the owner is left of the place."""
    group = step.labels.get("route_group")
    owner = step.labels.get("service") or step.labels.get("target")
    if group:
        return f"its group {group}"
    return f"all of {owner}" if owner else words.place(step.labels) or "all together"


def number(step: Step) -> str:
    """The observations of a step."""
    return words.counted(step.n)


def at_time(house: House, at_ms: int) -> Counted:
    """Counts the observations of the window that is judged at a time, from the history."""
    signals, history = house.detector.definitions.signals, house.history

    def counted(signal: str, labels: Labels) -> float:
        form = signals[signal].form
        start_ms = at_ms - round(form.over * 1000)
        for seconds in dict.fromkeys((form.window, form.over)):
            found = history.windows(signal, start_ms, at_ms, labels, seconds=seconds, counts=False)
            if len(found):
                return float(found.n.sum())
        return 0.0

    return counted
