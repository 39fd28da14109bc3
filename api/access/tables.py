"""The tables of who may come in and of what they changed."""

from sqlmodel import Field, SQLModel

from api.access.token import Scope, Token
from detector.tables import document, milliseconds


class TokenRow(SQLModel, table=True):
    """One token; revoked ones stay, so that the audit log can name them."""

    __tablename__ = "access_token"

    id: str = Field(primary_key=True)
    name: str
    scopes: list[str] = document()
    digest: str
    created_ms: int = milliseconds()
    expires_ms: int | None = milliseconds(nullable=True)
    revoked_ms: int | None = milliseconds(nullable=True)
    used_ms: int | None = milliseconds(nullable=True)

    def domain(self) -> Token:
        """What the row stands for."""
        return Token(
            id=self.id,
            name=self.name,
            scopes=tuple(Scope(one) for one in self.scopes),
            digest=self.digest,
            created_ms=self.created_ms,
            expires_ms=self.expires_ms,
            revoked_ms=self.revoked_ms,
            used_ms=self.used_ms,
        )


class SessionRow(SQLModel, table=True):
    """One browser that signed in with a token; `digest` is that of the cookie's value."""

    __tablename__ = "access_session"

    digest: str = Field(primary_key=True)
    token_id: str = Field(foreign_key="access_token.id", index=True)
    person: str
    opened_ms: int = milliseconds()
    expires_ms: int = milliseconds(index=True)


class AuditRow(SQLModel, table=True):
    """One change that somebody made: who, when, what, and how it was answered."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = milliseconds(index=True)
    actor: str
    token_id: str
    method: str
    path: str
    status: int
