"""What a page shows in fences: files to save, and commands with what they print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "client/README.md"])
FENCE = re.compile(r"^```(?P<kind>[\w-]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED = re.compile(r"^Save this as `(?P<name>[\w.]+)`[^\n]*:\n\n$", re.MULTILINE)
NAMED = re.compile(r"^# (?P<name>[\w-]+\.[a-z]+)\n")
SHELL = ("sh", "console")


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page has the reader save."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and the lines that the page shows below it; none where it shows none."""

    text: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """The commands of one fence, entered one after the other in one shell."""

    commands: tuple[Command, ...]

    @property
    def script(self) -> str:
        """All of them."""
        return "\n".join(one.text for one in self.commands)


def page_name(page: Path) -> str:
    """A page as the places name it."""
    return str(page.relative_to(ROOT))


def shown(page: str) -> Iterator[File | Block]:
    """Files and commands of a page, in its order."""
    for found in FENCE.finditer(page):
        named = NAMED.match(found["text"])
        before = list(SAVED.finditer(page, 0, found.start()))
        if found["kind"] in SHELL:
            yield Block(tuple(commands(found["kind"], found["text"])))
        elif named:
            yield File(named["name"], found["text"])
        elif before and before[-1].end() == found.start():
            yield File(before[-1]["name"], found["text"])


def commands(kind: str, text: str) -> Iterator[Command]:
    """The commands of a fence: each line of `sh`; in `console` what stands behind a `$`."""
    lines = text.replace("\\\n", " ").splitlines()
    if kind == "sh":
        for line in lines:
            if line.strip() and not line.lstrip().startswith("#"):
                yield Command(" ".join(line.split("  #")[0].split()) if "  #" in line else line)
        return
    entered: list[tuple[str, list[str]]] = []
    for line in lines:
        if line.startswith("$ "):
            entered.append((line[2:], []))
        elif not entered:
            raise ValueError(f"a console begins with a command, not with {line!r}")
        else:
            entered[-1][1].append(line)
    for command, below in entered:
        yield Command(command, tuple(below))


def pattern(line: str) -> re.Pattern[str]:
    """A shown line as a pattern: runs of blanks are alike, numbers and ids differ, `...` is any."""
    parts = re.split(r"(\.\.\.|\s+|[0-9a-f]{12,}|\d+)", line.strip())
    any_of = {"...": ".*"}
    return re.compile(
        "".join(
            any_of.get(part)
            or (r"\s+" if part.isspace() else "")
            or (r"[0-9a-f]+" if re.fullmatch(r"[0-9a-f]{12,}|\d+", part) else re.escape(part))
            for part in parts
        )
    )


def unlike(shown: tuple[str, ...], printed: str) -> list[str]:
    """The shown lines that were not printed, in this order."""
    lines = iter(printed.splitlines())
    return [
        one for one in shown if one.strip() and not any(pattern(one).search(line) for line in lines)
    ]
