"""Runs one benchmark by its name, or names them all.

Each is a module of this folder with `measure()`, which gives one object: name, ours, peer, ratio,
goal, met, unit, versions. Some need a peer that is not among the dependencies; they say which.
"""

import argparse
import ast
import json
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
MEMBERS = ("name", "ours", "peer", "ratio", "goal", "met", "unit", "versions")


def available() -> dict[str, str]:
    """What there is to run, with the first sentence of each; nothing is imported for it."""
    found = {}
    for file in sorted(HERE.glob("*.py")):
        if not file.stem.startswith("_"):
            text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            found[file.stem] = text.partition("\n")[0]
    return found


def run(name: str) -> dict[str, object]:
    """Measure; a result that is not of the common form is refused."""
    result: dict[str, object] = dict(import_module(f"benchmarks.{name}").measure())
    missing = [member for member in MEMBERS if member not in result]
    if missing:
        raise ValueError(f"benchmarks.{name} gave no {', '.join(missing)}")
    return result


def told(result: Mapping[str, object]) -> str:
    """A result for people."""
    rest = {name: value for name, value in result.items() if name not in MEMBERS}
    lines = [
        f"{result['name']} ({result['unit']})",
        f"  ours   {result['ours']}",
        f"  peer   {'none' if result['peer'] is None else result['peer']}",
        f"  ratio  {'none' if result['ratio'] is None else result['ratio']}",
        f"  goal   {result['goal']}: {'met' if result['met'] else 'NOT met'}",
        *(f"  {name}  {value}" for name, value in rest.items()),
        f"  versions  {result['versions']}",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 whether the goal is met or not, 2 for a name that is not there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="which benchmark")
    parser.add_argument("--list", action="store_true", help="name them all")
    parser.add_argument("--json", action="store_true", help="one object, on the last line")
    given = parser.parse_args(arguments)
    known = available()
    if given.list:
        sys.stdout.write("".join(f"{name:12} {text}\n" for name, text in known.items()))
        return 0
    if given.name not in known:
        parser.error(f"name one of {', '.join(known)}")
    result = run(given.name)
    sys.stdout.write(f"{json.dumps(result) if given.json else told(result)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
