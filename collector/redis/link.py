"""A connection to a Redis server: logged in, asked, bounded. The only file here with a socket."""

import ssl

from collector.addresses import Resolve, checked
from collector.config import RedisTarget
from collector.connect import READ_BYTES, Secrets, Streams, connect_any, places, trust
from collector.failure import CollectFailure, Failure
from collector.redis.resp import Parser, Refusal, Reply, encoded
from collector.watched import split_address

NAME = "plimsoll"
Command = tuple[bytes | str | int, ...]

REASONS = {
    "NOAUTH": (Failure.AUTH, "wants a password; none is configured"),
    "WRONGPASS": (Failure.AUTH, "refused user or password"),
    "LOADING": (Failure.REFUSED, "it is still loading its data"),
    "MASTERDOWN": (Failure.REFUSED, "it has lost its primary and does not answer"),
    "DENIED": (Failure.PERMISSION, "protected mode: it wants a password or a local connection"),
}
"""Error replies that are the same for every command."""


class Link:
    """One logged-in connection. While it `waits` replies are due: it is of no use to another."""

    def __init__(self, streams: Streams, most_bytes: int) -> None:
        self._reader, self._writer = streams
        self.parser = Parser(most_bytes)
        self.waits = False

    async def ask(self, *commands: Command) -> list[Reply]:
        """The replies to these commands, in one round trip; a refusal is a reply."""
        self.waits = True
        self._writer.write(b"".join(encoded(*command) for command in commands))
        replies = [await self.read() for _ in commands]
        self.waits = False
        return replies

    async def read(self) -> Reply:
        """The next reply."""
        while (found := self.parser.next()) is None:
            await self.more()
        return found[0]

    async def more(self) -> None:
        """Wait for more bytes."""
        try:
            data = await self._reader.read(READ_BYTES)
        except (OSError, ssl.SSLError):
            data = b""
        if not data:
            raise CollectFailure(Failure.PROTOCOL, "it ended the connection")
        self.parser.feed(data)

    def close(self) -> None:
        """At once: a server that does not answer our goodbye would keep the socket open."""
        self._writer.transport.abort()


class Door:
    """How a target is reached: opens links to it."""

    def __init__(
        self, target: RedisTarget, timeout_seconds: float, most_bytes: int, resolve: Resolve
    ) -> None:
        self._target = target
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes
        self._resolve = resolve
        self._trusted: ssl.SSLContext | None = None
        self._secrets = Secrets(target.name)

    async def open(self) -> Link:
        """A new link; every way to fail is a CollectFailure."""
        target = self._target
        host, port = split_address(target.address)
        if target.tls and self._trusted is None:
            self._trusted = trust(target.ca_file)
        addresses = await checked(host, port, self._resolve)
        streams = await connect_any(
            places(addresses, port, self._timeout_seconds, self._trusted, host)
        )
        link = Link(streams, self._most_bytes)
        try:
            await self._log_in(link)
        except BaseException:
            link.close()
            raise
        return link

    async def _log_in(self, link: Link) -> None:
        target = self._target
        if target.password is not None or target.password_file is not None:
            password = await self._secrets.read(target.password, target.password_file, "password")
            user = () if target.username is None else (target.username,)
            (reply,) = await link.ask(("AUTH", *user, password))
            if isinstance(reply, Refusal):
                raise CollectFailure(Failure.AUTH, "refused user or password")
        (reply,) = await link.ask(("CLIENT", "SETNAME", NAME))
        # Only for those who look at CLIENT LIST; a user who may not is as good.
        if isinstance(reply, Refusal) and reply.code != "NOPERM":
            raise refused(reply, "client|setname")
        if target.database:
            (reply,) = await link.ask(("SELECT", target.database))
            checked_reply(reply, "select")


def checked_reply(reply: Reply, command: str) -> Reply:
    """The reply, or a CollectFailure when the command was refused."""
    if isinstance(reply, Refusal):
        raise refused(reply, command)
    return reply


def refused(refusal: Refusal, command: str) -> CollectFailure:
    """Why a command was refused, in our own words."""
    if refusal.code == "NOPERM":
        return CollectFailure(Failure.PERMISSION, f"the user lacks +{command}")
    known = REASONS.get(refusal.code)
    if known is not None:
        return CollectFailure(*known)
    return CollectFailure(Failure.PROTOCOL, f"it does not know {command}, or refuses it")
