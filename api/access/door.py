"""Who is at the door: tokens and cookies looked up in the state, and remembered for seconds."""

from collections import OrderedDict
from dataclasses import dataclass, field

from api.access import book
from api.access.token import Refusal, Token, digest_of, fits, taken_apart
from api.access.who import Who
from storage.state import State

REMEMBERED_MS = 5_000
"""So long a token or a session may still work in another process than the one that ended it."""

USED_EVERY_MS = 60_000
MOST_REMEMBERED = 1_000


@dataclass(frozen=True, slots=True)
class Session:
    """One browser that was let in: who, until when, and with which token."""

    person: str
    expires_ms: int
    token: Token


@dataclass(slots=True)
class Door:
    """Answers who somebody is. Its methods read the state: call them in a thread."""

    state: State
    sso: bool = False
    """Whether people may come in through a provider: then everybody is asked, token or not."""

    _known: OrderedDict[str, tuple[int, Token | None]] = field(default_factory=OrderedDict)
    _used: dict[str, int] = field(default_factory=dict)
    _demanded: tuple[int, bool] = (-REMEMBERED_MS, False)
    _sessions: OrderedDict[str, tuple[int, Session]] = field(default_factory=OrderedDict)
    _forgotten: int = 0

    def demanded_lately(self, now_ms: int) -> bool | None:
        """The same, where it was asked for not too long ago; reads nothing."""
        if self.sso:
            return True
        at_ms, answer = self._demanded
        return answer if 0 <= now_ms - at_ms < REMEMBERED_MS else None

    def demanded(self, now_ms: int) -> bool:
        """Whether anybody is asked at all: as soon as there is one token that lets somebody in."""
        if self.sso:
            return True
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

    def by_token_lately(self, text: str, now_ms: int) -> Who | Refusal | None:
        """The same, where the token was looked up not too long ago; reads and writes nothing."""
        id_, secret = taken_apart(text) or ("", "")
        token = self._remembered(id_, now_ms)
        if token is None or not fits(token, secret) or self._is_due(token, now_ms):
            return None
        return token.refusal(now_ms) or Who(token=token)

    def by_cookie_lately(self, value: str, now_ms: int) -> Who | Refusal | None:
        """The same, where the session was looked up not too long ago; reads nothing."""
        at_ms, found = self._sessions.get(digest_of(value), (0, None))
        if found is None or not 0 <= now_ms - at_ms < REMEMBERED_MS:
            return None
        return self._admitted(found, now_ms)

    def by_cookie(self, value: str, now_ms: int) -> Who | Refusal:
        """Who sends this cookie; a session ends with its token."""
        known = self.by_cookie_lately(value, now_ms)
        if known is not None:
            return known
        forgotten = self._forgotten
        with self.state.reading() as session:
            row = book.session_of(session, value)
        if row is None:
            return Refusal.MISSING
        found = Session(*row)
        # What was read before somebody signed out here must not be remembered after it.
        if forgotten == self._forgotten:
            self._sessions[digest_of(value)] = now_ms, found
            while len(self._sessions) > MOST_REMEMBERED:
                self._sessions.popitem(last=False)
        return self._admitted(found, now_ms)

    def _admitted(self, found: Session, now_ms: int) -> Who | Refusal:
        if now_ms >= found.expires_ms:
            return Refusal.EXPIRED
        if found.token.digest == book.NOBODYS and not self.sso:
            return Refusal.REVOKED  # the provider that vouched for it is not asked any more
        return found.token.refusal(now_ms) or Who(token=found.token, person=found.person)

    def forget_session(self, value: str) -> None:
        """Look a cookie up anew: its session has ended here."""
        self._forgotten += 1
        self._sessions.pop(digest_of(value), None)

    def forget(self) -> None:
        """Look everybody up anew: tokens have changed here."""
        self._forgotten += 1
        self._known.clear()
        self._sessions.clear()
        self._demanded = -REMEMBERED_MS, False

    def _remembered(self, key: str, now_ms: int) -> Token | None:
        at_ms, found = self._known.get(key, (now_ms - REMEMBERED_MS, None))
        return found if 0 <= now_ms - at_ms < REMEMBERED_MS else None

    def _remember(self, key: str, found: Token | None, now_ms: int) -> None:
        self._known[key] = now_ms, found
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)

    def _is_due(self, token: Token, now_ms: int) -> bool:
        """Whether it is time to write down that a token is used."""
        return now_ms - max(self._used.get(token.id, 0), token.used_ms or 0) >= USED_EVERY_MS

    def _note_use(self, token: Token, now_ms: int) -> None:
        if self._is_due(token, now_ms):
            self._used[token.id] = now_ms
            with self.state.unit() as session:
                book.used(session, token.id, now_ms)
