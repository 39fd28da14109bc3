"""A YAML file with the line of every key: repeated keys are faults, `${NAME}` is filled in."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str, ...]
MOST_VALUES = 100_000
MOST_DEPTH = 60
"""Far beyond what a person writes. Aliases can make a few lines stand for more than any memory
holds, and one that holds itself for no end of it."""
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what, and the way out."""

    key: str
    reason: str
    hint: str = ""
    line: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line else ""
        hint = f"\n    {self.hint}" if self.hint else ""
        return f"{where}{self.key or 'the file'}: {self.reason}{hint}"


@dataclass(slots=True)
class Document:
    """What a file says, where it says it, and what is wrong with it as YAML."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[Path, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path) -> int | None:
        """The line of a key, or of the nearest one above it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path)


def read(text: str, environment: Mapping[str, str]) -> Document:
    """Read a file; never raises, all faults stand in the result."""
    document = Document()
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except RecursionError:
        document.faults.append(Fault("", *DEEP, line=1))
        return document
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be read"
        line = mark.line + 1 if mark else None
        hint = "Indent with blanks, two for each level; quote values that hold `: ` or `#`."
        document.faults.append(Fault("", f"is no YAML: {problem}", hint, line))
        return document
    if node is None:
        return document
    if not isinstance(node, yaml.MappingNode):
        reason = "must hold sections like `collector:` and `alerts:`"
        document.faults.append(Fault("", reason, line=node.start_mark.line + 1))
        return document
    if not is_bounded(node):
        document.faults.append(Fault("", *DEEP, line=1))
        return document
    document.data = value_of(node, (), document, environment)
    return document


DEEP = (
    "holds more than anybody means: too deep, too long, or an alias that repeats itself",
    f"At most {MOST_VALUES} values, {MOST_DEPTH} levels deep; write out what aliases stand for.",
)


def is_bounded(root: yaml.Node) -> bool:
    """Whether what the nodes stand for, aliases written out, stays within the limits."""
    left, waiting = MOST_VALUES, [(root, 0)]
    while waiting:
        node, depth = waiting.pop()
        left -= 1
        if left < 0 or depth > MOST_DEPTH:
            return False
        if isinstance(node, yaml.MappingNode):
            waiting += [(one, depth + 1) for pair in node.value for one in pair]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [(value, depth + 1) for value in node.value]
    return True


def value_of(
    node: yaml.Node, path: Path, document: Document, environment: Mapping[str, str]
) -> Any:
    """The value of a node; notes the lines of what is in it, and its faults."""
    document.lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            below = (*path, key)
            if key in result:
                line = key_node.start_mark.line + 1
                first = document.lines[below]
                hint = "Keep one of them; the last one would win without a word."
                reason = f"stands twice, first in line {first}"
                document.faults.append(Fault(".".join(below), reason, hint, line))
                continue
            result[key] = value_of(value_node, below, document, environment)
            document.lines[below] = key_node.start_mark.line + 1
        return result
    if isinstance(node, yaml.SequenceNode):
        return [
            value_of(one, (*path, str(i)), document, environment)
            for i, one in enumerate(node.value)
        ]
    return scalar(node, path, document, environment)


def scalar(node: yaml.Node, path: Path, document: Document, environment: Mapping[str, str]) -> Any:
    """A single value, with `${NAME}` taken from the environment."""

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name not in environment:
            hint = f"Set {name} before the start, or write the value into a file (`..._file`)."
            reason = f"the environment has no {name}"
            document.faults.append(Fault(".".join(path), reason, hint, node.start_mark.line + 1))
        return environment.get(name, "")

    loader = yaml.SafeLoader("")
    try:
        value = loader.construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as error:
        problem = getattr(error, "problem", None) or str(error)
        document.faults.append(Fault(".".join(path), problem, "", node.start_mark.line + 1))
        return None
    if isinstance(value, str):
        return VARIABLE.sub(fill, value)
    # A date or a set is no value of this file; as text it meets the check of its field.
    return value if isinstance(value, int | float | bool | None) else str(node.value)
