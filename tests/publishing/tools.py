"""Tools that the scripts bring along and the tests use."""

import os
import shutil
from pathlib import Path

from tests.servers import missing

BROUGHT = Path(__file__).parents[2] / ".tools" / "bin" / "uv"


def uv() -> str:
    """The uv of the lock, that of the environment variable `UV`, or one on the path."""
    if BROUGHT.is_file():
        return str(BROUGHT)
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        missing("uv is not there: run scripts/test")
    return found
