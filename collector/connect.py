"""One connection over TCP, or TLS on it, to one address that was checked before.

The name is for the TLS handshake only: the address was resolved and checked once, and nothing
resolves it again. Connecting has a limit of its own, so that a dead address leaves time for the
next one; the whole is limited by whoever runs the collection.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from collector.failure import CollectFailure, Failure
from collector.sidethread import SideThread, StillBusyError

READ_BYTES = 256 * 1024
SHARE_OF_INTERVAL = 0.8
SHARE_TO_CONNECT = 0.45
MOST_ADDRESSES = 4

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class ConnectError(Exception):
    """No connection; the message is the system's."""


class ConnectTimeoutError(Exception):
    """No connection in time."""


class TLSError(Exception):
    """Connected, but not to whom it should be, or not in TLS."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where to connect to: a literal address; for TLS also whom to trust, and the name to check."""

    address: str
    port: int
    connect_seconds: float
    """At most so long for TCP, and once more for TLS."""
    tls: ssl.SSLContext | None
    name: str


async def connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection; ConnectError, ConnectTimeoutError or TLSError say why there is none."""
    family = socket.AF_INET6 if ":" in place.address else socket.AF_INET
    plain = socket.socket(family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(place.connect_seconds):
                await loop.sock_connect(plain, (place.address, place.port))
        except TimeoutError:
            raise ConnectTimeoutError from None
        except OSError as error:
            said = os.strerror(error.errno) if error.errno else "cannot connect"
            raise ConnectError(said) from None
        return await _streams(plain, place)
    except BaseException:
        plain.close()
        raise


async def _streams(
    plain: socket.socket, place: Place
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    name = place.name if place.tls is not None else None
    try:
        async with asyncio.timeout(place.connect_seconds):
            return await asyncio.open_connection(
                sock=plain, ssl=place.tls, server_hostname=name, limit=READ_BYTES
            )
    except TimeoutError:
        raise ConnectTimeoutError from None
    except ssl.SSLCertVerificationError as error:
        raise TLSError(f"the certificate is refused: {error.verify_message}") from None
    except OSError:
        raise TLSError("the TLS handshake failed") from None


async def connect_any(places: Sequence[Place]) -> Streams:
    """A connection to the first place that takes one; CollectFailure when none does."""
    failure = CollectFailure(Failure.DNS, "no address")
    for place in places:
        try:
            return await connect(place)
        except TLSError as error:
            raise CollectFailure(Failure.TLS, str(error)) from None
        except ConnectTimeoutError:
            failure = CollectFailure(Failure.TIMEOUT, "no connection in time")
        except ConnectError as error:
            failure = CollectFailure(Failure.REFUSED, str(error))
    raise failure


def places(
    addresses: Sequence[str],
    port: int,
    timeout_seconds: float,
    tls: ssl.SSLContext | None,
    name: str,
) -> list[Place]:
    """The addresses to try, each with its share of the time.

    The share counts once for TCP and once for TLS, and both should end before the whole.
    """
    tried = addresses[:MOST_ADDRESSES]
    seconds = SHARE_TO_CONNECT * timeout_seconds / max(1, len(tried))
    return [Place(address, port, seconds, tls, name) for address in tried]


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """Whom to believe: the system's authorities, or those of a file."""
    try:
        return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except (OSError, ssl.SSLError):
        raise CollectFailure(
            Failure.TLS, "the ca_file cannot be read, or holds no certificates in PEM form"
        ) from None


class Secrets:
    """Reads the secrets of one target, their files anew each time, because secrets are rotated.

    Beside the event loop: a file on a share that hangs must not stop every other target.
    """

    def __init__(self, target: str) -> None:
        self._thread = SideThread(f"plimsoll-secret-{target}")

    async def read(self, value: SecretStr | None, file: Path | None, what: str) -> str:
        """The secret; CollectFailure when it is empty or its file cannot be read."""
        if value is not None:
            text = value.get_secret_value().strip()
        else:
            text = await self._of_file(Path(str(file)), what)
        if not text:
            raise CollectFailure(Failure.AUTH, f"the {what} is empty")
        return text

    async def _of_file(self, file: Path, what: str) -> str:
        try:
            return (await self._thread.run(lambda: file.read_text(encoding="utf-8"))).strip()
        except StillBusyError:
            raise CollectFailure(
                Failure.TIMEOUT, f"reading the {what}_file has not come back; does a disk hang?"
            ) from None
        except (OSError, UnicodeDecodeError):
            raise CollectFailure(Failure.AUTH, f"the {what}_file cannot be read") from None
