"""Who asks, known to everything that happens on behalf of one request."""

from contextvars import ContextVar
from dataclasses import dataclass

from api.access.token import Scope, Token

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Somebody who was let in: by a token (`person` is empty), or by a session opened with one."""

    token: Token
    person: str = ""

    @property
    def name(self) -> str:
        """What stands in the audit log: `ada (ops)`, or the token's name."""
        return f"{self.person} ({self.token.name})" if self.person else self.token.name

    def called(self, said: str) -> str:
        """Who an action is written down for, when the request itself names somebody.

        A person who signed in is that person. A program acts for whom it says, and is named too.
        """
        if self.person or not said or said == self.token.name:
            return self.name
        return f"{said} ({self.token.name})"


CURRENT: ContextVar[Who | None] = ContextVar("who", default=None)


def signed(said: str) -> str:
    """The actor of what is done now; as the request says where nobody had to sign in."""
    who = CURRENT.get()
    return said if who is None else who.called(said)


def person() -> str:
    """Who is signed in on a page; empty for nobody."""
    who = CURRENT.get()
    return "" if who is None else who.person or who.token.name


def may_write() -> bool:
    """Whether who asks may change something; nobody is asked while there is no token."""
    who = CURRENT.get()
    return who is None or who.token.allows(Scope.WRITE)
