"""A configuration that somebody pastes: every fault as `plimsoll check` says it, and what would
change. It is read as text only: no file that it names is looked at, no variable is filled in.

Files that the configuration in force names are the exception, since Plimsoll reads them anyway. For
what is not looked at a stand-in of the right form is put, so that the rest can be checked.
"""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from api.document import VARIABLE, Document, Fault, read
from api.plain_settings import MASK, ChangeShape, changes, entry, texts
from api.settings import SECTIONS, Settings, SettingsError, build
from api.shapes import Shape

MOST_TEXT = 48_000
MOST_CHANGES = 200
FILES = ("_file", "certificate", "key")
"""The ends of keys that name files, beside the entries of `header_files`."""
STAND_INS = {
    "bot_token": "xoxb-1-2-three",
    "app_token": "xapp-1-2-three",
    "webhook_url": "https://hooks.slack.com/services/T/B/x",
    "state_url": "postgresql+psycopg://x@x/x",
    "url": "https://x.example",
    "issuer": "https://x.example",
}


class Unchecked(StrEnum):
    """Why something of a pasted configuration is not looked at."""

    FILE = "file"
    ENVIRONMENT = "environment"
    SECRET = "secret"


IN_WORDS = {
    Unchecked.FILE: "Whether there is such a file, and what it holds.",
    Unchecked.ENVIRONMENT: "What the environment has for it.",
    Unchecked.SECRET: "The secret that was masked where this text comes from.",
}


class FaultOfText(Shape):
    """One thing that is wrong."""

    line: int | None
    """The line of the text; null where it is the text as a whole."""
    key: str
    """The key; empty for the text as a whole."""
    reason: str
    """What is wrong with it."""
    hint: str
    """The way out; empty where there is none to tell."""


class UncheckedShape(Shape):
    """One thing that was not looked at."""

    line: int | None
    """The line of the text."""
    key: str
    """The key."""
    reason: Unchecked
    """Why: it is in a file, in the environment, or masked."""


class CheckShape(Shape):
    """What is to be said of a pasted configuration."""

    ok: bool
    """Whether it has no fault."""
    faults: list[FaultOfText]
    """Every fault, in the order of the text."""
    unchecked: list[UncheckedShape]
    """What was not looked at; `plimsoll check` on the machine does."""
    targets: int
    """How many targets it watches; 0 where it has faults."""
    signals: int
    """How many signals it has; the same."""
    rules: int
    """How many rules it enables; the same."""
    changes: list[ChangeShape]
    """What would be another at the next start with it; at most 200, none where it has faults."""
    changes_left_out: int
    """How many more."""


@dataclass(slots=True)
class Paste:
    """A document on its way: what was put in place of what, and what is not looked at."""

    document: Document
    known_files: frozenset[str]
    folder: Path
    unchecked: list[UncheckedShape] = field(default_factory=list)
    stands_for: dict[str, str] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)

    def note(self, path: tuple[str, ...], reason: Unchecked) -> None:
        """Something is not looked at."""
        line = self.document.line(path)
        self.unchecked.append(UncheckedShape(line=line, key=".".join(path), reason=reason))

    def replaced(self, value: Any, path: tuple[str, ...], named: tuple[str, ...] = ()) -> Any:
        """A value with stand-ins for variables and files in it.

        `path` is the key as faults have it, `named` as changes have it: by names in lists.
        """
        if isinstance(value, Mapping):
            return {
                name: self.replaced(one, (*path, name), (*named, name))
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [
                self.replaced(one, (*path, str(number)), (*named, entry(one, number)))
                for number, one in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        if value == MASK or VARIABLE.search(value):
            self.loose |= {".".join(path), ".".join(named)}
        if value == MASK:
            self.note(path, Unchecked.SECRET)
            return stand_in(path[-1])
        if VARIABLE.search(value):
            self.note(path, Unchecked.ENVIRONMENT)
            whole = VARIABLE.fullmatch(value) is not None
            value = stand_in(path[-1]) if whole else VARIABLE.sub("x", value)
        if names_file(path) and value not in self.known_files:
            return self.file(value, path)
        return value

    def file(self, value: str, path: tuple[str, ...]) -> str:
        """A file of the right form in place of one that is not looked at."""
        self.note(path, Unchecked.FILE)
        made = self.folder / f"file-{len(self.stands_for)}"
        made.write_text(stand_in(path[-1].removesuffix("_file")), encoding="utf-8")
        self.stands_for[str(made)] = value
        return str(made)

    def original(self, text: str) -> str:
        """A text with what was written in place of the stand-ins."""
        # The longest first: `file-1` is the beginning of `file-10`.
        for made in sorted(self.stands_for, key=len, reverse=True):
            text = text.replace(made, self.stands_for[made])
        return text


class Unfilled(Mapping[str, str]):
    """An environment in which every variable stands for its own name."""

    def __getitem__(self, name: str) -> str:
        return f"${{{name}}}"

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def names_file(path: tuple[str, ...]) -> bool:
    """Whether the value at a key is the name of a file."""
    return path[:1] != ("rules",) and (
        path[-1].endswith("_file")
        or "header_files" in path[:-1]
        or path in (("server", "tls", "certificate"), ("server", "tls", "key"))
    )


def stand_in(name: str) -> str:
    """Something of the form that a key wants."""
    return STAND_INS.get(name, "x")


def checked(settings: Settings, text: str) -> CheckShape:
    """What is to be said of a text, against the settings in force."""
    with prepared(settings, text) as paste:
        try:
            found = build(paste.document)
        except SettingsError as error:
            return of_faults(paste, error.faults)
        every = [
            one.model_copy(
                update={
                    "before": paste.original(one.before),
                    "after": paste.original(one.after),
                }
            )
            for one in changes(settings, found)
        ]
        # Of what stands for a variable nobody knows whether it changes.
        told = [one for one in every if one.key not in paste.loose and is_news(one)]
        return CheckShape(
            ok=True,
            faults=[],
            unchecked=paste.unchecked,
            targets=len(list(found.collector.watched())),
            signals=len(found.definitions.signals),
            rules=sum(one.enabled for one in found.definitions.rules.values()),
            changes=told[:MOST_CHANGES],
            changes_left_out=max(0, len(told) - MOST_CHANGES),
        )


def is_news(one: ChangeShape) -> bool:
    """Whether a change can be seen; a secret that changes looks the same on both sides."""
    return one.before != one.after or one.after == MASK


@contextmanager
def prepared(settings: Settings, text: str) -> Iterator[Paste]:
    """A text as it can be built; the stand-ins for its files are there as long."""
    dumps = [getattr(settings, name).model_dump() for name in SECTIONS]
    known = frozenset(one for dump in dumps for one in texts(dump, FILES))
    with tempfile.TemporaryDirectory(prefix="plimsoll-check-") as folder:
        paste = Paste(read(text, Unfilled()), known, Path(folder))
        alerts = paste.document.data.get("alerts")
        theirs = alerts.get("alertmanager_file") if isinstance(alerts, dict) else None
        if isinstance(alerts, dict) and isinstance(theirs, str) and theirs not in known:
            # Its routes are not looked at, so nobody can say whom `deliver` stands for.
            paste.note(("alerts", "alertmanager_file"), Unchecked.FILE)
            del alerts["alertmanager_file"]
            alerts.pop("deliver", None)
        paste.document.data = paste.replaced(paste.document.data, ())
        yield paste


def of_faults(paste: Paste, faults: list[Fault]) -> CheckShape:
    """What is wrong; a fault of a stand-in for a variable is none."""
    shown = [
        FaultOfText(
            line=one.line,
            key=one.key,
            reason=paste.original(one.reason),
            hint=paste.original(one.hint),
        )
        for one in faults
        if one.key not in paste.loose
    ]
    return CheckShape(
        ok=not shown,
        faults=shown,
        unchecked=paste.unchecked,
        targets=0,
        signals=0,
        rules=0,
        changes=[],
        changes_left_out=0,
    )
