"""The section `collector.postgres`: which servers, as whom, how often, how much of each."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    field_validator,
    model_validator,
)

from collector.watched import Watched
from storage.duration import Seconds, written

LONGEST_INTERVAL_SECONDS = 240.0
"""Counters that are apart for more than five minutes are a gap; this leaves room for jitter."""


class Group(StrEnum):
    """The groups of queries; each is a part of a run, and fails alone."""

    ACTIVITY = "activity"
    DATABASES = "databases"
    STATEMENTS = "statements"
    LOCKS = "locks"
    REPLICATION = "replication"
    IO = "io"
    TABLES = "tables"
    INDEXES = "indexes"
    SIZES = "sizes"
    PGBOUNCER = "pgbouncer"


class SslMode(StrEnum):
    """The words of libpq for how much TLS is asked for."""

    DISABLE = "disable"
    PREFER = "prefer"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


def short_enough(value: float) -> float:
    """An interval within which counters can still be compared."""
    if value > LONGEST_INTERVAL_SECONDS:
        raise ValueError(
            f"is longer than {written(LONGEST_INTERVAL_SECONDS)}: counters that are further apart "
            "are a gap"
        )
    return value


Pace = Annotated[Seconds, AfterValidator(short_enough)]


class Login(BaseModel):
    """Where a server is and who asks it."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    host: str = Field(
        "127.0.0.1",
        min_length=1,
        description="Name or address of the server, or the directory of its socket (`/run/...`).",
    )
    port: int = Field(5432, ge=1, le=65535, description="Its port.")
    user: str = Field("plimsoll", min_length=1, description="The role; see `plimsoll setup`.")
    password: SecretStr | None = Field(None, description="Its password.")
    password_file: FilePath | None = Field(
        None, description="A file with its password; read anew for every connection."
    )

    @field_validator("host")
    @classmethod
    def _one_host(cls, value: str) -> str:
        if any(one in value for one in ", =@?'\"") or "://" in value:
            raise ValueError(
                "is no host: give one name, address or directory, and the rest in keys of their own"
            )
        return value

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.password is not None and self.password_file is not None:
            raise ValueError("password and password_file are both given; keep one")
        return self


class Pooler(Login):
    """The console of a pgbouncer, which tells of its pools."""

    port: int = Field(6432, ge=1, le=65535, description="Its port.")
    user: str = Field("plimsoll", min_length=1, description="One of its `stats_users`.")


class Paces(BaseModel):
    """How often each group is read; the rest is read at every `interval` of the target."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    statements: Pace = Field(60.0, description="pg_stat_statements.")
    locks: Pace = Field(60.0, description="Locks, and who waits for whom.")
    io: Pace = Field(60.0, description="pg_stat_io, from PostgreSQL 16 on.")
    tables: Pace = Field(120.0, description="Tables and indexes.")
    sizes: Pace = Field(240.0, description="Sizes of databases, which the server has to add up.")


class Statements(BaseModel):
    """How many statements have series of their own."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    shown: int = Field(
        50,
        ge=1,
        le=1000,
        description="Statements with series of their own: those that took most time in the last "
        "hour, each for a day at least; up to three times as many. All others are one series, "
        "`__other__`.",
    )
    text_chars: int = Field(
        2000, ge=100, le=20_000, description="Longest text of a statement that is kept, scrubbed."
    )


class PostgresTarget(Watched, Login):
    """A PostgreSQL server that is asked again and again, 12 or newer."""

    database: str = Field(
        "postgres",
        min_length=1,
        description="The database to connect to: tables and indexes are those of this one.",
    )
    sslmode: SslMode | None = Field(
        None,
        description="How much TLS is asked for; `verify-full` with a `ca_file`, else `prefer`.",
    )
    ca_file: FilePath | None = Field(
        None, description="Certificates (PEM) of which one must have signed the server's."
    )
    cert_file: FilePath | None = Field(None, description="A certificate (PEM) to show.")
    key_file: FilePath | None = Field(None, description="Its private key (PEM, not encrypted).")
    interval: Pace | None = Field(
        None, description="How often it is asked, if not as `collector.interval` says."
    )
    statement_timeout: Seconds = Field(
        3.0, ge=0.001, description="How long one query may take before the server ends it."
    )
    lock_timeout: Seconds = Field(
        0.2, ge=0.001, description="How long a query waits for a lock before the server ends it."
    )
    intervals: Paces = Field(default_factory=Paces, description="How often each group is read.")
    statements: Statements = Field(
        default_factory=Statements, description="How much of pg_stat_statements is kept."
    )
    tables: int = Field(
        100,
        ge=1,
        le=1000,
        description="Largest tables with series of their own, and twice as many indexes; the rest "
        "is added up as `__other__`.",
    )
    pgbouncer: Pooler | None = Field(None, description="A pgbouncer in front of it.")
    skip: list[Group] = Field(
        default_factory=list,
        description=f"Groups of queries that are not asked, of {', '.join(Group)}.",
    )

    @model_validator(mode="after")
    def _certificates_agree(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both or none")
        weak = (SslMode.DISABLE, SslMode.PREFER, SslMode.REQUIRE)
        if self.ca_file is not None and self.sslmode in weak:
            raise ValueError(
                f"a ca_file is given, but sslmode {self.sslmode} does not look at certificates; "
                "leave sslmode out"
            )
        return self

    @property
    def tls(self) -> SslMode:
        """How much TLS is asked for."""
        if self.sslmode is not None:
            return self.sslmode
        return SslMode.PREFER if self.ca_file is None else SslMode.VERIFY_FULL
