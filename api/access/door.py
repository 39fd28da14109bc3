"""Who is at the door: tokens and cookies looked up in the state, and remembered for seconds."""

from collections import OrderedDict
from dataclasses import dataclass, field

from api.access import book
from api.access.token import Refusal, Token, fits, taken_apart
from api.access.who import Who
from storage.state import State

REMEMBERED_MS = 5_000
"""So long a revoked token may still work in another process than the one that revoked it."""

USED_EVERY_MS = 60_000
MOST_REMEMBERED = 1_000


@dataclass(slots=True)
class Door:
    """Answers who somebody is. Its methods read the state: call them in a thread."""

    state: State
    _known: OrderedDict[str, tuple[int, Token | None]] = field(default_factory=OrderedDict)
    _used: dict[str, int] = field(default_factory=dict)
    _demanded: tuple[int, bool] = (-REMEMBERED_MS, False)

    def demanded_lately(self, now_ms: int) -> bool | None:
        """The same, where it was asked for not too long ago; reads nothing."""
        at_ms, answer = self._demanded
        return answer if 0 <= now_ms - at_ms < REMEMBERED_MS else None

    def demanded(self, now_ms: int) -> bool:
        """Whether anybody is asked at all: as soon as there is one token that lets somebody in."""
        at_ms, answer = self._demanded
        if not 0 <= now_ms - at_ms < REMEMBERED_MS:
            with self.state.reading() as session:
                answer = book.any_live(session, now_ms)
            self._demanded = now_ms, answer
        return answer

    def by_token(self, text: str, now_ms: int) -> Who | Refusal:
        """Who sends this as his token, or why he is not let in."""
        parts = taken_apart(text)
        if parts is None:
            return Refusal.UNKNOWN
        id_, secret = parts
        token = self._remembered(id_, now_ms)
        if token is None:
            with self.state.reading() as session:
                token = book.find(session, id_)
            self._remember(id_, token, now_ms)
        if token is None or not fits(token, secret):
            return Refusal.UNKNOWN
        refusal = token.refusal(now_ms)
        if refusal is not None:
            return refusal
        self._note_use(token, now_ms)
        return Who(token=token)

    def by_cookie(self, value: str, now_ms: int) -> Who | Refusal:
        """Who sends this cookie; a session ends with its token."""
        with self.state.reading() as session:
            found = book.session_of(session, value)
        if found is None:
            return Refusal.MISSING
        person, expires_ms, token = found
        if now_ms >= expires_ms:
            return Refusal.EXPIRED
        return token.refusal(now_ms) or Who(token=token, person=person)

    def forget(self) -> None:
        """Look everybody up anew: tokens have changed here."""
        self._known.clear()
        self._demanded = -REMEMBERED_MS, False

    def _remembered(self, key: str, now_ms: int) -> Token | None:
        at_ms, found = self._known.get(key, (now_ms - REMEMBERED_MS, None))
        return found if 0 <= now_ms - at_ms < REMEMBERED_MS else None

    def _remember(self, key: str, found: Token | None, now_ms: int) -> None:
        self._known[key] = now_ms, found
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _note_use(self, token: Token, now_ms: int) -> None:
        last_ms = max(self._used.get(token.id, 0), token.used_ms or 0)
        if now_ms - last_ms >= USED_EVERY_MS:
            self._used[token.id] = now_ms
            with self.state.unit() as session:
                book.used(session, token.id, now_ms)
