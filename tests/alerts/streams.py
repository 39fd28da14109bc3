"""Generated routings and alert streams, many side by side in one Alertmanager, apart by a label.

Every case is a subtree below a label `case` of its own, with receivers of its own, and inhibition
that never crosses cases. One run of a real Alertmanager compares all of them.
"""

import random
from collections.abc import Iterator
from typing import Any

from tests.alerts.alertmanager import Event

VALUES = {
    "alertname": ("slow", "errors", "down"),
    "severity": ("info", "warning", "critical"),
    "service": ("cart", "search"),
    "zone": ("a", "b"),
}


def stream(
    seed: int, cases: int, units: int, unit_seconds: float
) -> tuple[dict[str, Any], list[Event]]:
    """A configuration with that many cases, and what happens in them, in whole units."""
    rng = random.Random(seed)
    routes, inhibits, events = [], [], list[Event]()
    for number in range(cases):
        case = f"c{number}"
        routes.append(case_route(rng, case, unit_seconds))
        inhibits += [inhibit_rule(rng, case) for _ in range(rng.randrange(3))]
        events += story(rng, case, units)
    config = {
        "route": {"receiver": "nobody", "group_wait": "1h", "routes": routes},
        "inhibit_rules": inhibits,
    }
    return config, sorted(events, key=lambda one: one.unit)


def case_route(rng: random.Random, case: str, unit_seconds: float) -> dict[str, Any]:
    """The subtree of one case; its timers end half-way between units."""

    def span(units: float) -> str:
        return f"{round(units * unit_seconds * 1000)}ms"

    def node(depth: int, place: str) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if depth == 0 or rng.random() < 0.7:
            made["receiver"] = f"{case}-{place}"
        if depth == 0 or rng.random() < 0.4:
            made["group_by"] = grouping(rng)
        if depth == 0:
            made["group_wait"] = span(0.5)
        if depth == 0 or rng.random() < 0.3:
            made["group_interval"] = span(rng.choice((1, 2)))
        if depth == 0 or rng.random() < 0.3:
            made["repeat_interval"] = span(rng.choice((2.5, 4.5, 60)))
        if depth < 2:
            below = [node(depth + 1, f"{place}{i}") for i in range(rng.randrange(4 - depth))]
            for one, condition in zip(below, conditions(rng, len(below)), strict=True):
                one["matchers"] = condition
                one["continue"] = rng.random() < 0.4
            if below:
                made["routes"] = below
        return made

    return {"matchers": [f'case="{case}"'], **node(0, "r")}


def grouping(rng: random.Random) -> list[str]:
    """Labels to group by."""
    if rng.random() < 0.2:
        return ["..."]
    return sorted(rng.sample([*VALUES, "absent"], rng.randrange(3)))


def conditions(rng: random.Random, count: int) -> list[list[str]]:
    """Different matchers for siblings: the real 0.25 confuses siblings with the same."""
    found: list[list[str]] = []
    while len(found) < count:
        made = sorted({matcher(rng) for _ in range(rng.choice((1, 1, 2)))})
        if made not in found:
            found.append(made)
    return found


def matcher(rng: random.Random) -> str:
    """One condition, in any of the forms."""
    name = rng.choice(list(VALUES))
    value, other = rng.choice(VALUES[name]), rng.choice(VALUES[name])
    return rng.choice(
        (
            f'{name}="{value}"',
            f"{name}={value}",
            f'{name} != "{value}"',
            f'{name}=~"{value}|{other}"',
            f'{name}!~"{value[:2]}.*"',
            f'{name}=~"[{value[0]}-z].+"',
            'absent=""',
        )
    )


def inhibit_rule(rng: random.Random, case: str) -> dict[str, Any]:
    """What keeps what quiet inside of one case."""
    source, target = rng.choice(VALUES["severity"]), rng.choice(VALUES["severity"])
    equal = ["case", *sorted(rng.sample(("service", "zone", "alertname", "absent"), 1))]
    return {
        "source_matchers": [f'case="{case}"', f'severity="{source}"'],
        "target_matchers": [f'case="{case}"', f'severity=~"{target}|info"'],
        "equal": equal,
    }


def story(rng: random.Random, case: str, units: int) -> Iterator[Event]:
    """Alerts that begin, end and come back, and silences that begin and expire."""
    for _ in range(rng.randrange(3, 7)):
        labels = {name: rng.choice(values) for name, values in VALUES.items()}
        if rng.random() < 0.3:
            del labels["zone"]
        labels |= {"case": case, "instance": f"i{rng.randrange(1000)}"}
        unit = rng.randrange(units - 2)
        while unit < units:
            yield Event(unit, "begins", labels)
            unit += rng.choice((1, 2, 3, units))
            if unit < units:
                yield Event(unit, "ends", labels)
            unit += rng.choice((1, 2, units))
    if rng.random() < 0.5:
        name = rng.choice(("service", "severity", "alertname"))
        unit = rng.randrange(units - 2)
        condition = f'case="{case}",{name}=~"{rng.choice(VALUES[name])}|none"'
        yield Event(unit, "silence", matcher=condition)
        if rng.random() < 0.6:
            yield Event(rng.randrange(unit + 1, units), "expire", matcher=condition)
