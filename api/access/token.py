"""Tokens and what they allow. Pure but for the randomness of a new one."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hmac import compare_digest

PREFIX = "plimsoll"
"""So that scanners of repositories and logs can tell what leaked."""

_TEXT = re.compile(rf"{PREFIX}_([0-9a-f]{{12}})_([0-9a-f]{{64}})")


class Scope(StrEnum):
    """What a token may do."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"
    INGEST = "ingest"


ALLOWS: dict[Scope, frozenset[Scope]] = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.WRITE: frozenset({Scope.READ, Scope.WRITE, Scope.INGEST}),
    Scope.ADMIN: frozenset(Scope),
    Scope.INGEST: frozenset({Scope.INGEST}),
}


class Refusal(StrEnum):
    """Why somebody is not let in; each is a label value of `plimsoll_access_refused_total`."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SCOPE = "scope"
    CROSS_SITE = "cross_site"
    THROTTLED = "throttled"
    TOO_MANY_REQUESTS = "too_many_requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a token; of its secret only the SHA-256, as hexadecimal digits.

    A plain hash is enough: the secret has 256 random bits, so there is no dictionary to try.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    digest: str
    created_ms: int
    expires_ms: int | None = None
    revoked_ms: int | None = None
    used_ms: int | None = None

    def __repr__(self) -> str:
        return f"Token({self.id!r}, {self.name!r})"

    def refusal(self, now_ms: int) -> Refusal | None:
        """Why it no longer lets anybody in; None while it does."""
        if self.revoked_ms is not None:
            return Refusal.REVOKED
        if self.expires_ms is not None and now_ms >= self.expires_ms:
            return Refusal.EXPIRED
        return None

    def allows(self, scope: Scope) -> bool:
        """Whether one of its scopes holds what is needed."""
        return scope in allowed(self.scopes)


def allowed(scopes: Iterable[Scope]) -> frozenset[Scope]:
    """All that these scopes hold: `admin` everything, `write` reading and ingesting too."""
    return frozenset().union(*(ALLOWS[one] for one in scopes))


def mint() -> tuple[str, str, str]:
    """A new token: its text, which is shown once, its id, and the digest that is kept."""
    id_, secret = secrets.token_hex(6), secrets.token_hex(32)
    return f"{PREFIX}_{id_}_{secret}", id_, digest_of(secret)


def taken_apart(text: str) -> tuple[str, str] | None:
    """Id and secret of a token's text; None where it is none."""
    found = _TEXT.fullmatch(text)
    return None if found is None else (found[1], found[2])


def digest_of(secret: str) -> str:
    """What is stored in place of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def fits(token: Token, secret: str) -> bool:
    """Whether this is the token's secret; takes as long whatever is wrong with it."""
    return compare_digest(token.digest, digest_of(secret))
