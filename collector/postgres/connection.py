"""A connection to PostgreSQL or pgbouncer. The only file of this package that knows psycopg.

Nothing is prepared and nothing is set for the session, so that it works through a pooler that gives
every transaction another server connection, and leaves nothing behind there. What the server says
in an error is never passed on: it may quote statements, values and addresses.
"""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from pydantic import SecretStr

from collector.addresses import Resolve, checked
from collector.failure import CollectFailure, Failure
from collector.postgres.config import Login, PostgresTarget, SslMode
from collector.postgres.scrub import OWN

Rows = Sequence[tuple[Any, ...]]

APPLICATION = "plimsoll"
MOST_ADDRESSES = 4
SHARE_TO_CONNECT = 0.45
LONGEST_CONNECT_SECONDS = 5
UNTRUSTED = (SslMode.DISABLE, SslMode.PREFER)
TEXTS = ("text", "varchar", "name", "bpchar", '"char"', 705)
"""Types whose values are text; the last is that of constants without a type."""
BEFORE_THE_ROWS = 3
"""Results of BEGIN and two SET LOCAL, which come before that of the query."""

LOGIN = "the server refused the login: check user, password and pg_hba.conf"
TLS = "no TLS as sslmode asks for it: check sslmode, ca_file and the server's ssl"
NOBODY = "nobody takes connections there"
LATE = "no connection in time"
FULL = "all connections that this role may have are taken"
SAID: tuple[tuple[str, Failure, str], ...] = (
    # Before the words about logins, which a server that is full uses too.
    ("too many connections", Failure.REFUSED, FULL),
    ("remaining connection slots", Failure.REFUSED, FULL),
    ("no more connections allowed", Failure.REFUSED, FULL),
    ("password authentication failed", Failure.AUTH, LOGIN),
    ("no password supplied", Failure.AUTH, LOGIN),
    ("pg_hba.conf", Failure.AUTH, LOGIN),
    ("authentication", Failure.AUTH, LOGIN),
    ("no such user", Failure.AUTH, LOGIN),
    ("SCRAM", Failure.AUTH, LOGIN),
    ("role ", Failure.AUTH, LOGIN),
    (
        "permission denied",
        Failure.PERMISSION,
        "the role may not connect to this database: GRANT CONNECT",
    ),
    ("SSL", Failure.TLS, TLS),
    ("certificate", Failure.TLS, TLS),
    ("Connection refused", Failure.REFUSED, NOBODY),
    ("No such file or directory", Failure.REFUSED, NOBODY),
    ("timeout", Failure.TIMEOUT, LATE),
    ("timed out", Failure.TIMEOUT, LATE),
)
"""Words of libpq and of the server, the first that are found: a failed connection has no code."""

ENDED = (
    "the server ended the connection: it may be starting or shutting down, or the database does "
    "not exist"
)
QUERIES: tuple[tuple[type[psycopg.Error], Failure, str], ...] = (
    (errors.InsufficientPrivilege, Failure.PERMISSION, "the role may not read this"),
    (errors.AdminShutdown, Failure.PROTOCOL, "the server ended the connection"),
    (errors.CrashShutdown, Failure.PROTOCOL, "the server ended the connection"),
    (errors.CannotConnectNow, Failure.PROTOCOL, "the server is starting or stopping"),
    (
        errors.CharacterNotInRepertoire,
        Failure.PROTOCOL,
        "a text there is none in this database's encoding; a database in SQL_ASCII shows it",
    ),
    (errors.LockNotAvailable, Failure.TIMEOUT, "somebody holds a lock on what it asks for"),
    (errors.QueryCanceled, Failure.TIMEOUT, "the query took longer than statement_timeout"),
    (errors.UndefinedTable, Failure.NOT_INSTALLED, "the server does not have what is asked for"),
    (errors.UndefinedFunction, Failure.NOT_INSTALLED, "the server does not have what is asked for"),
    (
        errors.ObjectNotInPrerequisiteState,
        Failure.NOT_INSTALLED,
        "the extension is not in shared_preload_libraries",
    ),
)


class Lenient(Loader):
    """Text in any encoding: a database in SQL_ASCII hands out bytes that nobody checked."""

    def load(self, data: Buffer) -> str:
        """As UTF-8, with what is none replaced."""
        return bytes(data).decode("utf-8", "replace")


class Connection:
    """A connection that is kept while it works, and made anew after any fault of it.

    Not for two tasks at once.
    """

    def __init__(self, login: Login, database: str, resolve: Resolve) -> None:
        self._login = login
        self._database = database
        self._resolve = resolve
        self._encoding = "UTF8"
        self._open: psycopg.AsyncConnection[tuple[Any, ...]] | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that works, as far as is known."""
        return self._open is not None and not self._open.closed

    async def open(self, seconds: float) -> None:
        """Connect if that is not done; CollectFailure says why it cannot be."""
        if self.is_open:
            return
        await self.close()
        parameters = {**self._place(seconds), **await self._address()}
        made = await connect(parameters, self._encoding)
        raw = made.pgconn.parameter_status(b"server_encoding") == b"SQL_ASCII"
        if raw != (self._encoding == "SQL_ASCII"):
            # Bytes that nobody checked cannot be asked for as UTF-8: every such row is an error.
            self._encoding = "SQL_ASCII" if raw else "UTF8"
            made.pgconn.finish()
            made = await connect(parameters, self._encoding)
        for name in TEXTS:
            made.adapters.register_loader(name, Lenient)
        self._open = made

    async def ask(self, query: str, statement_seconds: float, lock_seconds: float) -> Rows:
        """The rows of one query, in a transaction that only reads and gives up soon."""
        message = (
            f"{OWN} BEGIN READ ONLY; "
            f"{OWN} SET LOCAL statement_timeout = {milliseconds(statement_seconds)}; "
            f"{OWN} SET LOCAL lock_timeout = {milliseconds(lock_seconds)}; "
            f"{OWN} {query}; {OWN} COMMIT"
        )
        connection = self._connected()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(message.encode())
                for _ in range(BEFORE_THE_ROWS):
                    cursor.nextset()
                return await cursor.fetchall()
        except psycopg.Error as error:
            failure = failed(error)
            await self._clear()
            raise failure from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def show(self, command: str) -> tuple[list[str], Rows]:
        """Names and rows of a command of pgbouncer's console, which knows no transactions."""
        connection = self._connected()
        try:
            async with connection.cursor() as cursor:
                await cursor.execute(command.encode())
                names = [one.name for one in cursor.description or ()]
                return names, await cursor.fetchall()
        except psycopg.Error as error:
            await self.close()
            raise failed(error) from None
        except asyncio.CancelledError:
            await self.close()
            raise

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._open = self._open, None
        if connection is not None:
            # Not close(), which a pool may wait for: the socket, at once.
            connection.pgconn.finish()

    def _connected(self) -> psycopg.AsyncConnection[tuple[Any, ...]]:
        if self._open is None or self._open.closed:
            raise CollectFailure(Failure.PROTOCOL, "the connection was lost")
        return self._open

    async def _clear(self) -> None:
        """End the transaction of a query that failed; a connection that cannot is given up."""
        connection = self._open
        if connection is None or connection.closed:
            await self.close()
            return
        try:
            await connection.execute(f"{OWN} ROLLBACK".encode())
        except psycopg.Error:
            await self.close()

    async def _address(self) -> dict[str, str]:
        """Where to connect: the name for the certificate, and addresses that were checked."""
        host, port = self._login.host, self._login.port
        if host.startswith("/"):
            return {"host": host, "port": str(port)}
        found = (await checked(host, port, self._resolve))[:MOST_ADDRESSES]
        return {
            "host": ",".join([host] * len(found)),
            "hostaddr": ",".join(found),
            "port": str(port),
        }

    def _place(self, seconds: float) -> dict[str, Any]:
        login = self._login
        parameters: dict[str, Any] = {
            "user": login.user,
            "password": secret(login.password, login.password_file),
            "dbname": self._database,
            "application_name": APPLICATION,
            "connect_timeout": max(
                2, min(LONGEST_CONNECT_SECONDS, round(SHARE_TO_CONNECT * seconds))
            ),
            "tcp_user_timeout": milliseconds(seconds),
            "gssencmode": "disable",
            "options": "",  # not those of the environment: a pooler refuses them
            "target_session_attrs": "any",
        }
        tls = login.tls if isinstance(login, PostgresTarget) else SslMode.PREFER
        parameters["sslmode"] = tls.value
        if isinstance(login, PostgresTarget):
            files = {
                "sslrootcert": login.ca_file,
                "sslcert": login.cert_file,
                "sslkey": login.key_file,
            }
            parameters |= {name: str(path) for name, path in files.items() if path is not None}
        if tls in UNTRUSTED and not login.host.startswith("/"):
            # Whoever pretends to be the server could ask for the password as it is.
            parameters["require_auth"] = "!password"
        return parameters


async def connect(
    parameters: dict[str, Any], encoding: str
) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """A new connection; CollectFailure says why there is none."""
    try:
        return await psycopg.AsyncConnection.connect(
            **parameters, client_encoding=encoding, autocommit=True, prepare_threshold=None
        )
    except psycopg.Error as error:
        raise refused(error) from None


def secret(value: SecretStr | None, file: Path | None) -> str | None:
    """A password, as given or from its file."""
    if file is None:
        return None if value is None else value.get_secret_value()
    try:
        return file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeError):
        raise CollectFailure(
            Failure.AUTH, f"the file with the password cannot be read: {os.fspath(file)}"
        ) from None


def refused(error: psycopg.Error) -> CollectFailure:
    """Why there is no connection, in words of ours."""
    if isinstance(error, errors.ConnectionTimeout):
        return CollectFailure(Failure.TIMEOUT, LATE)
    text = str(error)
    for words, reason, told in SAID:
        if words in text:
            return CollectFailure(reason, told)
    return CollectFailure(Failure.PROTOCOL, ENDED)


def failed(error: psycopg.Error) -> CollectFailure:
    """Why a query failed, in words of ours."""
    for kind, reason, words in QUERIES:
        if isinstance(error, kind):
            return CollectFailure(reason, words)
    if error.sqlstate is None:
        return CollectFailure(Failure.PROTOCOL, "the connection was lost")
    return CollectFailure(
        Failure.PROTOCOL, f"the server refused the query (SQLSTATE {error.sqlstate})"
    )


def milliseconds(seconds: float) -> int:
    """Whole milliseconds, as the server takes them; never 0, which would mean no limit."""
    return max(1, round(seconds * 1000))
