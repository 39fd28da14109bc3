"""The configuration in force as others may see it: without secrets, and what differs between two.

A value is shown where it differs from its default. What is a secret by its type is masked; of an
address its credentials and its query are, which hold keys more often than not.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, SecretStr

from api.document import Document
from api.settings import DEFINED, SECTIONS, Settings, build
from api.shapes import Shape

MASK = "**********"
MOST_SHOWN = 200
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
QUERY = re.compile(r"(?<=[^\s?])\?\S+")


class ChangeKind(StrEnum):
    """What a text would do to a key."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class ChangeShape(Shape):
    """One key that would be another."""

    key: str
    """The key; an entry of a list by its `name`, where it has one."""
    kind: ChangeKind
    """`added` where there is none or the default now, `removed` for the other way."""
    before: str
    """The value in force, without secrets; empty for none or the default."""
    after: str
    """The value of the text; the same."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value: as it is compared, which may be a secret, and as it is shown."""

    value: object
    shown: str

    def __repr__(self) -> str:
        return f"Leaf({self.shown!r})"


def plain(settings: Settings) -> dict[str, Any]:
    """The sections and the own definitions as they would stand in a file, without secrets."""
    found = {
        name: masked(getattr(settings, name).model_dump(by_alias=True, exclude_defaults=True))
        for name in SECTIONS
    }
    found |= {kind: masked(values) for kind, values in own(settings).items()}
    return {name: value for name, value in found.items() if value}


def own(settings: Settings) -> dict[str, dict[str, Any]]:
    """The signals and rules that are not as they ship, whole."""
    shipped = build(Document()).definitions if settings.detector.shipped else None
    mine = settings.definitions
    signals: Mapping[str, BaseModel] = {
        name: one.form
        for name, one in mine.signals.items()
        if shipped is None or shipped.signals.get(name) != one
    }
    rules: Mapping[str, BaseModel] = {
        name: one
        for name, one in mine.rules.items()
        if shipped is None or shipped.rules.get(name) != one
    }
    both = zip(DEFINED, (signals, rules), strict=True)
    return {kind: dict(map(dumped, values.items())) for kind, values in both}


def dumped(item: tuple[str, BaseModel]) -> tuple[str, dict[str, Any]]:
    """A definition by its name, as it would stand in a file."""
    name, one = item
    told = one.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    return name, told


def masked(value: Any) -> Any:
    """A value as JSON has it, without secrets."""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, Mapping):
        return {str(name): masked(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(one) for one in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return safe(str(value))


def safe(text: str) -> str:
    """A text without the credentials and the query of an address in it."""
    if "://" not in text:
        return text
    return QUERY.sub("?...", CREDENTIALS.sub("***@", text))


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[str, Leaf]:
    """Every value below a key by its whole key."""
    found: dict[str, Leaf] = {}
    if isinstance(value, Mapping) and value:
        for name, one in value.items():
            found |= leaves(one, (*path, str(name)))
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        for number, one in enumerate(value):
            found |= leaves(one, (*path, entry(one, number)))
    else:
        found[".".join(path)] = leaf(value)
    return found


def entry(one: Any, number: int) -> str:
    """What an entry of a list is called in a key: its name, where it has one."""
    name = one.get("name") if isinstance(one, Mapping) else None
    return str(name or number)


def leaf(value: Any) -> Leaf:
    """A value, and how it is shown."""
    if isinstance(value, SecretStr):
        return Leaf(("secret", value.get_secret_value()), MASK)
    shown = masked(value)
    told = ", ".join(map(str, shown)) if isinstance(shown, list) else str(shown)
    return Leaf(repr(value), told if len(told) <= MOST_SHOWN else told[:MOST_SHOWN] + " ...")


def whole(settings: Settings) -> dict[str, Leaf]:
    """Every value of settings that is no default, with the signals and rules in force."""
    found: dict[str, Leaf] = {}
    for name in SECTIONS:
        section = getattr(settings, name).model_dump(by_alias=True, exclude_defaults=True)
        found |= leaves(section, (name,)) if section else {}
    definitions = settings.definitions
    forms: Mapping[str, BaseModel] = {n: one.form for n, one in definitions.signals.items()}
    rules: Mapping[str, BaseModel] = definitions.rules
    for kind, values in zip(DEFINED, (forms, rules), strict=True):
        for item in values.items():
            name, told = dumped(item)
            found |= leaves(told, (kind, name))
    return found


def changes(before: Settings, after: Settings) -> list[ChangeShape]:
    """What would be another with the second in place of the first, in the order of the keys."""
    old, new = whole(before), whole(after)
    found = []
    for key in sorted(old.keys() | new.keys(), key=place):
        was, now = old.get(key), new.get(key)
        if was is not None and now is not None and was.value == now.value:
            continue
        kind = ChangeKind.CHANGED
        if was is None or now is None:
            kind = ChangeKind.ADDED if was is None else ChangeKind.REMOVED
        found.append(
            ChangeShape(
                key=key,
                kind=kind,
                before=was.shown if was else "",
                after=now.shown if now else "",
            )
        )
    return found


ORDER = {one.name: number for number, one in enumerate(fields(Settings))}
ORDER |= {name: len(ORDER) + number for number, name in enumerate(DEFINED)}


def place(key: str) -> tuple[int, str]:
    """For sorting: sections as the settings have them, then the definitions."""
    return ORDER[key.partition(".")[0]], key


def texts(value: Any, names: Iterable[str], path: str = "") -> set[str]:
    """The texts that stand at keys with these endings, at any depth."""
    endings = tuple(names)
    found: set[str] = set()
    if isinstance(value, Mapping):
        for name, one in value.items():
            found |= texts(one, endings, str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            found |= texts(one, endings, path)
    elif value is not None and path.endswith(endings):
        found.add(str(value))
    return found
