"""What a series, a sample and a window are. Standard library only."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

NAME = "__name__"
MOST_PAIRS = 200_000
Pair = tuple[str, str]
_pairs: dict[Pair, Pair] = {}


def shared(pair: Pair) -> Pair:
    """The same name and value, as one object for all series: half of what a series takes."""
    if type(pair[0]) is not str or type(pair[1]) is not str:
        return pair  # a word of an enumeration equals a text, and is written in another way
    known = _pairs.get(pair)
    if known is None:
        if len(_pairs) >= MOST_PAIRS:  # whoever has them keeps them; new ones are shared anew
            _pairs.clear()
        known = _pairs[pair] = pair
    return known


@dataclass(frozen=True, slots=True)
class Labels:
    """The identity of one series: its metric name (as `__name__`) and labels, sorted by name.

    Hash and equality are those of the pairs, so two spellings of one set are one series.
    A label with an empty value is the same as no label, as in Prometheus.
    """

    pairs: tuple[tuple[str, str], ...] = ()
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        pairs = tuple(sorted(shared(pair) for pair in self.pairs if pair[1] != ""))
        object.__setattr__(self, "pairs", pairs)
        object.__setattr__(self, "_hash", hash(pairs))

    @classmethod
    def of(cls, mapping: Mapping[str, str] | None = None, /, **labels: str) -> "Labels":
        """Build from a mapping, from keywords, or from both; keywords win."""
        return cls(tuple({**(mapping or {}), **labels}.items()))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type["Labels"], tuple[tuple[tuple[str, str], ...]]]:
        # Pickled without the hash: another process hashes the same strings to other numbers.
        return Labels, (self.pairs,)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.pairs)

    def get(self, name: str) -> str:
        """The value of a label; an absent one is the empty string."""
        for known, value in self.pairs:
            if known == name:
                return value
        return ""

    @property
    def metric(self) -> str:
        """The metric name; empty for the series of a signal."""
        return self.get(NAME)

    def without(self, *names: str) -> "Labels":
        """The same labels but for these."""
        return Labels(tuple(pair for pair in self.pairs if pair[0] not in names))

    def only(self, names: Iterable[str]) -> "Labels":
        """Just these labels."""
        wanted = frozenset(names)
        return Labels(tuple(pair for pair in self.pairs if pair[0] in wanted))

    def plus(self, /, **labels: str) -> "Labels":
        """The same labels and these; the new ones win."""
        return Labels.of(dict(self.pairs), **labels)

    def as_dict(self) -> dict[str, str]:
        """As a plain dictionary, in the order of the names."""
        return dict(self.pairs)

    def __str__(self) -> str:
        """As Prometheus writes it: `up{job="shop"}`."""
        inner = ",".join(f'{name}="{escaped(value)}"' for name, value in self.without(NAME))
        return f"{self.metric}{{{inner}}}" if inner or not self.metric else self.metric


def escaped(value: str) -> str:
    """A label value as it stands between double quotes in the text format."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


class Match(StrEnum):
    """How a matcher compares; the words of PromQL."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. Regular expressions are anchored, as in PromQL."""

    name: str
    op: Match
    value: str

    def matches(self, labels: Labels) -> bool:
        """Whether a series with these labels meets the condition; an absent label is empty."""
        return self.accepts(labels.get(self.name))

    def accepts(self, value: str) -> bool:
        """Whether this value of the label meets the condition."""
        match self.op:
            case Match.EQUAL:
                return value == self.value
            case Match.NOT_EQUAL:
                return value != self.value
            case Match.REGEX:
                return re.fullmatch(self.value, value) is not None
            case Match.NOT_REGEX:
                return re.fullmatch(self.value, value) is None

    def __str__(self) -> str:
        return f'{self.name}{self.op}"{escaped(self.value)}"'


METRIC = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_SELECTOR = re.compile(rf"\s*(?P<metric>{METRIC})\s*(?:\{{(?P<inner>.*)\}})?\s*", re.DOTALL)
_MATCHER = re.compile(
    r'\s*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)\s*(?P<op>=~|!~|!=|=)\s*"(?P<value>(?:[^"\\]|\\.)*)"\s*'
)
_ESCAPE = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class Selector:
    """Which series of one metric: PromQL's instant vector selector, name first."""

    metric: str
    matchers: tuple[Matcher, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Selector":
        """Read `name{label="value",other=~"a|b"}`; a ValueError names the part that is wrong."""
        found = _SELECTOR.fullmatch(text)
        if found is None:
            raise ValueError(f'{text!r} is not a selector like http_requests_total{{code="500"}}')
        matchers, inner, position = [], found["inner"] or "", 0
        while inner[position:].strip():
            part = _MATCHER.match(inner, position)
            if part is None:
                raise ValueError(f"cannot read {inner[position:].strip()!r} in {text!r}")
            value = _ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), part["value"])
            matcher = Matcher(part["name"], Match(part["op"]), value)
            if matcher.op in (Match.REGEX, Match.NOT_REGEX):
                check_regex(value)
            matchers.append(matcher)
            position = part.end()
            if inner[position : position + 1] == ",":
                position += 1
            elif inner[position:].strip():
                raise ValueError(f"a comma is missing before {inner[position:]!r} in {text!r}")
        return cls(found["metric"], tuple(matchers))

    def matches(self, labels: Labels) -> bool:
        """Whether this series is meant."""
        return labels.metric == self.metric and all(m.matches(labels) for m in self.matchers)

    def renamed(self, metric: str) -> "Selector":
        """The same matchers on another metric (`x` -> `x_bucket`)."""
        return Selector(metric, self.matchers)

    def narrowed(self, matcher: Matcher) -> "Selector":
        """The same series, and one condition more."""
        return Selector(self.metric, (*self.matchers, matcher))

    def __str__(self) -> str:
        inner = ",".join(map(str, self.matchers))
        return f"{self.metric}{{{inner}}}" if inner else self.metric


def check_regex(pattern: str) -> None:
    """Raise a ValueError that quotes the pattern when it is no regular expression."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one series at one time (milliseconds since the epoch, UTC)."""

    labels: Labels
    at_ms: int
    value: float


@dataclass(frozen=True, slots=True)
class Window:
    """One signal, one label set, one span of time `(end - seconds, end]`.

    `n` is how many observations stand behind `value`. For histograms `counts[i]` is the number of
    observations above `bounds[i-1]` and at most `bounds[i]`; the last bound is infinity.
    """

    signal: str
    labels: Labels
    end_ms: int
    seconds: float
    value: float
    n: float
    bounds: tuple[float, ...] = ()
    counts: tuple[float, ...] = ()
