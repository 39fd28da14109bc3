"""The client without asyncio is that with it, without `await`: written from its source.

`PLIMSOLL_REWRITE_GOLDEN=1` writes `client/plimsoll_client/api_sync.py` anew.
"""

import ast
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

from plimsoll_client import api
from plimsoll_client.api import AsyncPlimsoll, Plimsoll

CLIENT = Path(__file__).parents[2] / "client" / "plimsoll_client"
SOURCE, MADE = CLIENT / "api_async.py", CLIENT / "api_sync.py"
HEAD = '''"""`Plimsoll`: asking a running Plimsoll over REST; see `plimsoll_client.api`.

Made from `api_async`; do not edit by hand.

Needs httpx (the extra `rest`).
"""'''
WORDS = {
    "AsyncPlimsoll": "Plimsoll",
    "AsyncClient": "Client",
    "AsyncIterator": "Iterator",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "aclosing": "closing",
    "aiter_bytes": "iter_bytes",
    "aiter_lines": "iter_lines",
    "api_async": "api_sync",
    "aread": "read",
    "asyncio": "time",
}
GONE = re.compile(r"\b(?:async|await) |^    Methods are awaited.*\n\n", re.MULTILINE)
LISTED = re.compile(r"for (\w+) in (.+):\n\s+yield \1\n")


def without_asyncio(source: str) -> str:
    """The same program for those who wait."""
    told = ast.get_docstring(ast.parse(source), clean=False)
    body = source.removeprefix(f'"""{told}"""')
    body = LISTED.sub(r"yield from \2\n", GONE.sub("", body))
    made = HEAD + re.sub(r"\w+", lambda one: WORDS.get(one[0], one[0]), body)
    for command in (["check", "--select", "I", "--fix"], ["format"]):
        words = [
            sys.executable,
            "-m",
            "ruff",
            *command,
            "--quiet",
            "--stdin-filename",
            str(MADE),
            "-",
        ]
        done = subprocess.run(words, input=made, capture_output=True, text=True, check=True)
        made = done.stdout
    return made


def test_the_client_without_asyncio_is_fresh() -> None:
    made = without_asyncio(SOURCE.read_text(encoding="utf-8"))
    if os.environ.get("PLIMSOLL_REWRITE_GOLDEN"):
        MADE.write_text(made, encoding="utf-8")
    assert MADE.read_text(encoding="utf-8") == made, "run it with PLIMSOLL_REWRITE_GOLDEN=1"


def test_nothing_of_asyncio_is_left() -> None:
    tree = ast.parse(MADE.read_text(encoding="utf-8"))
    waiting = (ast.Await, ast.AsyncFor, ast.AsyncFunctionDef, ast.AsyncWith)
    assert not [one for one in ast.walk(tree) if isinstance(one, waiting)]
    names = {one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute)}
    assert not {one for one in names if one.startswith(("aclose", "aiter", "aread", "Async"))}


def test_both_have_the_same_methods_with_the_same_arguments() -> None:
    mine, theirs = (
        {
            name: inspect.signature(one)
            for name, one in vars(kind).items()
            if inspect.isfunction(one) and not name.startswith("_")
        }
        for kind in (Plimsoll, AsyncPlimsoll)
    )
    assert mine.keys() == theirs.keys()
    for name, one in mine.items():
        assert one.parameters == theirs[name].parameters, name
    assert {"Plimsoll", "AsyncPlimsoll"} < set(api.__all__)
