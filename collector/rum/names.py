"""Which names that browsers choose become labels: routes and releases. Pure.

A label made from what anybody may send has killed servers, so the places are few and a name must
earn one: enough page views within an hour, from several networks. Candidates are counted in bounded
memory; when it is full the rarest quarter is forgotten (frequent names survive, as with lossy
counting: Manku and Motwani, 2002).
"""

import re
from collections.abc import Iterable

OTHER = "__other__"
HOUR_MS = 3_600_000
MOST_CANDIDATES = 1000
REMEMBERED = 0.5
"""What an hour that is over still counts for, compared with the one that runs."""
BETTER = 1.5
"""Times the views of the weakest admitted name that a candidate needs to take its place."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class _Candidate:
    """A name and what speaks for it. `prefixes` holds a few hashes of networks of this hour."""

    __slots__ = ("past", "prefixes", "views")

    def __init__(self) -> None:
        self.views = 0
        self.past = 0.0
        self.prefixes: set[int] = set()

    @property
    def score(self) -> float:
        """How much it is in use."""
        return self.past + self.views


class Names:
    """Names of one kind: those given always have a place, `most` others may earn one."""

    def __init__(self, given: Iterable[str], most: int, views: int, prefixes: int) -> None:
        self.given = frozenset(given)
        self.admitted: set[str] = set()
        self._most = most
        self._views = views
        self._prefixes = prefixes
        self._candidates: dict[str, _Candidate] = {}
        self._hour = 0

    def label(self, name: str, network: int, now_ms: int) -> str:
        """Count a page view of a name, and give the label that it is counted under."""
        if name in self.given:
            return name
        hour = now_ms // HOUR_MS
        if hour != self._hour:
            self._turn(hour)
        candidate = self._candidates.get(name) or self._new(name)
        candidate.views += 1
        if len(candidate.prefixes) < self._prefixes:
            candidate.prefixes.add(network)
        if name in self.admitted:
            return name
        if candidate.views >= self._views and len(candidate.prefixes) >= self._prefixes:
            return self._admit(name, candidate)
        return OTHER

    def _new(self, name: str) -> _Candidate:
        """A place among the candidates.

        A quarter is forgotten at once, so that a flood of forged names costs no scan for each.
        """
        if len(self._candidates) >= MOST_CANDIDATES + self._most:
            free = (one for one in self._candidates if one not in self.admitted)
            rarest = sorted(free, key=lambda one: self._candidates[one].score)
            for forgotten in rarest[: MOST_CANDIDATES // 4]:
                del self._candidates[forgotten]
        made = self._candidates[name] = _Candidate()
        return made

    def _admit(self, name: str, candidate: _Candidate) -> str:
        if len(self.admitted) >= self._most:
            weakest = min(self.admitted, key=lambda one: self._candidates[one].score)
            if candidate.score <= BETTER * self._candidates[weakest].score:
                return OTHER
            self.admitted.discard(weakest)
        self.admitted.add(name)
        return name

    def _turn(self, hour: int) -> None:
        """An hour is over: what was counted in it fades, what was hardly seen is forgotten."""
        hours, self._hour = min(max(hour - self._hour, 1), 24), hour
        for name, one in list(self._candidates.items()):
            one.past = one.score * REMEMBERED**hours
            one.views = 0
            one.prefixes = set()
            if one.past < 0.5:
                del self._candidates[name]
                self.admitted.discard(name)


MOST_FITTED = 4096


class Templates:
    """Route templates that were configured, and which path fits which; remembered by path.

    A segment that begins with `:` or `*`, or stands in braces or brackets, fits any one segment.
    """

    def __init__(self, templates: Iterable[str]) -> None:
        self.templates = tuple(dict.fromkeys(templates))
        self._exact = frozenset(self.templates)
        self._fitted: dict[str, str] = {}
        self._patterns: dict[int, list[tuple[str, tuple[str | None, ...]]]] = {}
        for one in self.templates:
            parts = tuple(None if variable(part) else part for part in one.split("/"))
            if None in parts:
                self._patterns.setdefault(len(parts), []).append((one, parts))

    def route(self, sent: str) -> str:
        """What a route that was sent is called: cleaned, and the template that it fits."""
        known = self._fitted.get(sent)
        if known is None:
            if len(self._fitted) >= MOST_FITTED:
                self._fitted.clear()
            known = self._fitted[sent] = self.fit(clean_route(sent))
        return known

    def fit(self, path: str) -> str:
        """The template that a path fits, with the fewest variables; else the path as it is."""
        if path in self._exact or not self._patterns:
            return path
        parts = path.split("/")
        fitting = [
            (sum(one is None for one in pattern), template)
            for template, pattern in self._patterns.get(len(parts), ())
            if all(one is None or one == part for one, part in zip(pattern, parts, strict=True))
        ]
        return min(fitting)[1] if fitting else path


def variable(part: str) -> bool:
    """Whether a segment of a template stands for any text."""
    return part.startswith((":", "*", "{", "[")) and len(part) > 1


def clean_route(sent: str) -> str:
    """A route as it may be shown: a path without query, fragment and control characters."""
    path = sent.partition("?")[0].partition("#")[0]
    if not path.isprintable():
        path = _UNPRINTABLE.sub("", path)
    if len(path) > 1 and path.endswith("/"):
        path = path.rstrip("/")
    return path if path.startswith("/") else f"/{path}"


def clean_text(sent: str) -> str:
    """A text as it may be shown: without control characters."""
    return sent if sent.isprintable() else _UNPRINTABLE.sub("", sent)
