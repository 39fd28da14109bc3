"""Labels that a signal makes of others: of a route the group that it belongs to. Pure.

What is made must be the same wherever a signal is evaluated. So a pattern means here what it means
to `label_replace` of PromQL: it is held against the whole label, and its first group is the value.
"""

import re
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
)

from storage.series import Labels

MOST_REMEMBERED = 8192
# What Python's patterns know and RE2, which Prometheus uses, does not.
NOT_IN_RE2 = re.compile(r"\(\?(?:[=!<>(]|P=|[a-zA-Z]*[auLx])|\\[1-9ZA]|[*+?}]\+")


class Derived(BaseModel):
    """A label of a signal's series that is made of another one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    label: str = Field(description="The label that it is made of.")
    pattern: str = Field(
        description="Held against the whole label: what its first group takes is the value. A "
        "label that it does not fit stays as it is."
    )

    @field_validator("pattern")
    @classmethod
    def _is_meant(cls, pattern: str) -> str:
        try:
            groups = compiled(pattern).groups
        except re.error as error:
            raise ValueError(f"{pattern!r} is no pattern: {error}") from None
        if foreign := NOT_IN_RE2.search(pattern):
            raise ValueError(f"{foreign[0]!r} is not known to Prometheus, whose patterns are RE2's")
        if not groups:
            raise ValueError("has no group: put what is to be kept into (brackets)")
        return pattern

    def value(self, labels: Labels) -> str:
        """The value for a series; empty where it has no such label."""
        return taken(self.pattern, labels.get(self.label))


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern; \\d and its like mean what they mean to RE2."""
    return re.compile(pattern, re.ASCII)


@lru_cache(MOST_REMEMBERED)
def taken(pattern: str, text: str) -> str:
    """What the first group takes of a text that fits; the text itself where it does not."""
    found = compiled(pattern).fullmatch(text)
    return text if found is None else found[1] or ""


def derived(labels: Labels, derivations: Iterable[Derived]) -> Labels:
    """The labels with those that are made of them; one of that name that was there is replaced."""
    made = {one.name: one.value(labels) for one in derivations}
    return labels.plus(**made) if made else labels


def _derivations(value: object) -> tuple[Derived, ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, dict):
        raise ValueError("must hold names, each with `label` and `pattern`")
    return tuple(_derived(name, one) for name, one in value.items())


def _derived(name: str, text: object) -> Derived:
    if not isinstance(text, dict):
        raise ValueError(f"`{name}` must hold `label` and `pattern`")
    try:
        return Derived.model_validate({**text, "name": name})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (name, *first["loc"])))
        message = first["msg"].removeprefix("Value error, ")
        raise ValueError(f"`{where}`: {message}") from None


Derivations = Annotated[
    tuple[Derived, ...],
    BeforeValidator(_derivations),
    PlainSerializer(
        lambda found: {one.name: one.model_dump(exclude={"name"}) for one in found},
        return_type=dict[str, dict[str, str]],
    ),
]
