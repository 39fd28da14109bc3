"""Asking a running Plimsoll over REST, with types: `Plimsoll`, and `AsyncPlimsoll` beside it.

    with Plimsoll("https://plimsoll.example") as plimsoll:
        for one in plimsoll.regressions(state="open", severity="critical"):
            print(one["heading"], one["links"]["page"])

Lists come page by page while they are read. What did not change is not sent again (ETag), and a GET
that fails for a passing reason is sent again, as `Retry-After` says. Changes are sent once. The
token comes from `PLIMSOLL_TOKEN`, or from the file that `PLIMSOLL_TOKEN_FILE` names.

Needs httpx (the extra `rest`).
"""

from plimsoll_client.api_async import AsyncPlimsoll
from plimsoll_client.api_sync import Plimsoll
from plimsoll_client.conversation import PlimsollError, ProblemError, UnreachableError
from plimsoll_client.listening import Update

__all__ = [
    "AsyncPlimsoll",
    "Plimsoll",
    "PlimsollError",
    "ProblemError",
    "UnreachableError",
    "Update",
]
