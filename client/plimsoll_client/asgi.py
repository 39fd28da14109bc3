"""The shapes of ASGI, spelt out so that no web framework has to be imported."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> str:
    """The value of a request header, several joined by commas; empty when absent.

    `name` is in lower case, as ASGI servers hand them over.
    """
    values = [value for key, value in scope.get("headers", ()) if key == name]
    return b",".join(values).decode("latin-1")
