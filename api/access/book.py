"""Tokens, sessions and the audit log on disk."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, or_, update
from sqlmodel import Session, col, select

from api.access.tables import AuditRow, SessionRow, TokenRow
from api.access.token import Scope, Token, digest_of, mint

PATH_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One entry of the audit log; `id` grows with every entry."""

    id: int
    at_ms: int
    actor: str
    token_id: str
    method: str
    path: str
    status: int


def create(
    session: Session, name: str, scopes: Sequence[Scope], now_ms: int, expires_ms: int | None
) -> tuple[Token, str]:
    """A new token and its text, which is nowhere else from then on."""
    text, id_, digest = mint()
    row = TokenRow(
        id=id_,
        name=name,
        scopes=[one.value for one in dict.fromkeys(scopes)],
        digest=digest,
        created_ms=now_ms,
        expires_ms=expires_ms,
    )
    session.add(row)
    session.flush()
    return row.domain(), text


def tokens(session: Session) -> list[Token]:
    """All of them, the newest first."""
    rows = session.exec(select(TokenRow).order_by(col(TokenRow.created_ms).desc(), TokenRow.id))
    return [one.domain() for one in rows]


NOBODYS = ""
"""The digest of a token that has no secret: no secret has an empty one."""


def stand_for(session: Session, name: str, scopes: Sequence[Scope], now_ms: int) -> Token:
    """The token of sessions that were opened without one, by what they may do; made when needed.

    So each session has a token, which can be listed and revoked like any other. Nobody can send it.
    """
    wanted = [one.value for one in dict.fromkeys(scopes)]
    rows = session.exec(
        select(TokenRow).where(
            TokenRow.name == name, TokenRow.digest == NOBODYS, col(TokenRow.revoked_ms).is_(None)
        )
    )
    for row in rows:
        if row.scopes == wanted:
            return row.domain()
    _, id_, _ = mint()
    row = TokenRow(id=id_, name=name, scopes=wanted, digest=NOBODYS, created_ms=now_ms)
    session.add(row)
    session.flush()
    return row.domain()


def find(session: Session, id_: str) -> Token | None:
    """The token with this id."""
    row = session.get(TokenRow, id_)
    return None if row is None else row.domain()


def revoke(session: Session, id_: str, now_ms: int) -> Token | None:
    """End a token and every session that was opened with it; a second time changes nothing."""
    row = session.get(TokenRow, id_)
    if row is None:
        return None
    if row.revoked_ms is None:
        row.revoked_ms = now_ms
        session.add(row)
    session.exec(delete(SessionRow).where(col(SessionRow.token_id) == id_))
    session.flush()
    return row.domain()


def any_live(session: Session, now_ms: int) -> bool:
    """Whether any token lets somebody in; those that nobody has do not count."""
    alive = select(func.count()).where(
        TokenRow.digest != NOBODYS,
        col(TokenRow.revoked_ms).is_(None),
        or_(col(TokenRow.expires_ms).is_(None), col(TokenRow.expires_ms) > now_ms),
    )
    return bool(session.exec(alive.select_from(TokenRow)).one())


def used(session: Session, id_: str, now_ms: int) -> None:
    """Note when a token was used last."""
    session.exec(update(TokenRow).where(col(TokenRow.id) == id_).values(used_ms=now_ms))


def open_session(session: Session, token: Token, person: str, now_ms: int, expires_ms: int) -> str:
    """Let a browser in; the value of its cookie. Sessions that are over are forgotten."""
    session.exec(delete(SessionRow).where(col(SessionRow.expires_ms) <= now_ms))
    value = secrets.token_hex(32)
    session.add(
        SessionRow(
            digest=digest_of(value),
            token_id=token.id,
            person=person,
            opened_ms=now_ms,
            expires_ms=expires_ms,
        )
    )
    return value


def session_of(session: Session, value: str) -> tuple[str, int, Token] | None:
    """Who has this cookie, when it ends, and with which token he came."""
    row = session.get(SessionRow, digest_of(value))
    token = None if row is None else find(session, row.token_id)
    return None if row is None or token is None else (row.person, row.expires_ms, token)


def close_session(session: Session, value: str) -> None:
    """Forget a browser."""
    session.exec(delete(SessionRow).where(col(SessionRow.digest) == digest_of(value)))


def note(
    session: Session, at_ms: int, actor: str, token_id: str, request: tuple[str, str], status: int
) -> None:
    """Write down a change: method and path as they were asked, without the query."""
    method, path = request
    session.add(
        AuditRow(
            at_ms=at_ms,
            actor=actor,
            token_id=token_id,
            method=method,
            path=path[:PATH_LENGTH],
            status=status,
        )
    )


def changes(session: Session, before: int | None, limit: int) -> list[Change]:
    """Entries older than the entry `before`, the newest first."""
    asked = select(AuditRow).order_by(col(AuditRow.id).desc()).limit(limit)
    if before is not None:
        asked = asked.where(col(AuditRow.id) < before)
    return [
        Change(
            id=row.id or 0,
            at_ms=row.at_ms,
            actor=row.actor,
            token_id=row.token_id,
            method=row.method,
            path=row.path,
            status=row.status,
        )
        for row in session.exec(asked)
    ]


def retain(session: Session, before_ms: int) -> None:
    """Forget changes that are older."""
    session.exec(delete(AuditRow).where(col(AuditRow.at_ms) < before_ms))
