"""Scalars of a configuration as Alertmanager reads them: text, durations, labels, matchers."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from alerts import matchers
from storage.duration import written
from storage.series import Match

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_SPAN = re.compile(
    r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?"
)
_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)


def text(value: object) -> object:
    """A scalar as the text it stands for; what is none is left for the check of the type."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def span_ms(value: object) -> int:
    """Milliseconds of a duration as Prometheus writes it: `30s`, `1h30m`, `0`; units in order."""
    told = text(value)
    found = _SPAN.fullmatch(told) if isinstance(told, str) else None
    if told == "0":
        return 0
    if found is None or not any(found.groups()):
        raise ValueError(f"{value!r} is no duration; write it like 30s, 5m or 1h30m")
    return sum(int(n) * size for n, size in zip(found.groups("0"), _MS, strict=True))


def span(value: object) -> float:
    """The same in seconds."""
    return span_ms(value) / 1000


def one_or_many(value: object) -> object:
    """A single text as a list of one."""
    return (value,) if isinstance(value, str) else value


def unfolded(value: object) -> object:
    """`12:30` as it was written: YAML 1.1 takes it, without quotes, for a number to the base 60."""
    whole = isinstance(value, int) and not isinstance(value, bool) and value >= 60
    return f"{value // 60:02}:{value % 60:02}" if whole and isinstance(value, int) else text(value)


Text = Annotated[str, BeforeValidator(text)]
Colon = Annotated[str, BeforeValidator(unfolded)]
Span = Annotated[
    float, BeforeValidator(span), PlainSerializer(written, return_type=str, when_used="json")
]


def nonzero(value: float | None) -> float | None:
    """A duration that may not be zero."""
    if value == 0:
        raise ValueError("must not be zero")
    return value


def label(name: str) -> str:
    """A name of a label."""
    if not _LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a label")
    return name


def checked(line: str) -> str:
    """A text of matchers that can be read."""
    matchers.parse(line)
    return line


def regex(value: str) -> str:
    """A regular expression that can be read."""
    return matchers.made("label", Match.REGEX, value).value


def readable(read: Any) -> AfterValidator:
    """A check that a range can be read; it stays text, as it is documented."""

    def check(value: str) -> str:
        read(value)
        return value

    return AfterValidator(check)


Label = Annotated[str, AfterValidator(label)]
Names = Annotated[tuple[Text, ...], BeforeValidator(one_or_many)]
Matching = Annotated[tuple[Annotated[Text, AfterValidator(checked)], ...], Field(default=())]
Equals = dict[Label, Text]
Regexes = dict[Label, Annotated[Text, AfterValidator(regex)]]
