"""Fetching pages over HTTP. The only file of the collector that knows httpx, and just its URLs.

The page is streamed and given up as soon as it is too long, decompressed by hand, since a
decompressor without a limit turns 64 KiB into 64 MiB before anybody can look. Redirects and the
proxies of the environment are not followed. The connection goes to the address that was checked;
the host's name stays in the Host header and in the TLS handshake.
"""

import base64
import ssl
import zlib
from collections.abc import Callable, Iterator

from collector.addresses import Resolve, SystemResolver, checked
from collector.config import CollectorConfig, Target
from collector.connect import (
    SHARE_OF_INTERVAL,
    ConnectError,
    ConnectTimeoutError,
    Place,
    Secrets,
    TLSError,
    places,
    trust,
)
from collector.exposition import Exposition
from collector.failure import CollectFailure, Failure
from collector.fetch import Answer, ProtocolError, get
from collector.sidethread import SideThread, StillBusyError
from collector.source import TARGET, Collected

ACCEPT = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
"""OpenMetrics is not named: some servers prefer it whatever weight it has, and it is slower."""

READ_AT_ONCE_BYTES = 1024 * 1024
"""A page up to this size whose lines are known is read without a thread, which would cost more."""


class Scrape:
    """One target that serves a page of metrics.

    `page` gives body and content type of a page that is our own: nobody is asked over the network.
    """

    kind = "scrape"

    def __init__(
        self,
        target: Target,
        config: CollectorConfig,
        *,
        resolve: Resolve | None = None,
        immediate: bool = False,
        page: Callable[[], tuple[bytes, str]] | None = None,
    ) -> None:
        self.name = target.name
        self.interval_seconds = target.interval or config.interval
        self.timeout_seconds = min(
            target.timeout or config.timeout, SHARE_OF_INTERVAL * self.interval_seconds
        )
        self.immediate = immediate
        self._given = page
        self._target = target
        if page is None:
            import httpx  # loads only where somebody is asked over the network

            self._url = httpx.URL(target.url)
        self._body_bytes = config.limits.body_bytes
        self._resolve = resolve or SystemResolver()
        self._page = Exposition(
            {**target.labels, TARGET: target.name},
            config.limits,
            allow=target.allow,
            any_content_type=target.any_content_type,
        )
        self._reader = SideThread(f"plimsoll-page-{target.name}")
        self._trusted: ssl.SSLContext | None = None
        self._secrets = Secrets(target.name)

    def __repr__(self) -> str:
        return f"Scrape({self.name!r})"

    async def collect(self, at_ms: int) -> Collected:
        """Fetch the page and read it; every way to fail is a CollectFailure."""
        body, content_type = await self._fetch() if self._given is None else self._given()
        if len(body) <= READ_AT_ONCE_BYTES and not self._reader.busy:
            again = self._page.again(body, content_type, at_ms)  # two milliseconds at most
            if again is not None:
                return again
        try:
            # In a thread: a page of 10 MiB that was never seen takes a second to read.
            return await self._reader.run(lambda: self._page.read(body, content_type, at_ms))
        except StillBusyError:
            raise CollectFailure(Failure.TIMEOUT, "the previous page is still being read") from None

    async def close(self) -> None:
        """Every connection ended with its page: nothing to close."""

    async def _fetch(self) -> tuple[bytes, str]:
        host = self._url.raw_host.decode("ascii")
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        addresses = await checked(host, port, self._resolve)
        tls, headers = self._trust(), await self._headers()
        failure = CollectFailure(Failure.DNS, "no address")
        for place in places(addresses, port, self.timeout_seconds, tls, host):
            try:
                return await self._get(place, headers)
            except TLSError as error:
                raise CollectFailure(Failure.TLS, str(error)) from None
            except ProtocolError:
                raise CollectFailure(
                    Failure.PROTOCOL, "the connection broke, or it did not speak HTTP"
                ) from None
            except ConnectTimeoutError:
                failure = CollectFailure(Failure.TIMEOUT, "no connection in time")
            except ConnectError as error:
                failure = CollectFailure(Failure.REFUSED, str(error))
        raise failure

    async def _get(self, place: Place, headers: dict[str, str]) -> tuple[bytes, str]:
        async with get(place, self._url.raw_path, headers) as answer:
            _check_status(answer.status)
            body = await self._body(answer)
            if _may_be_cut(answer, body):
                raise CollectFailure(Failure.PROTOCOL, "the page ends in the middle of a line")
            return body, answer.headers.get("content-type", "")

    async def _body(self, answer: Answer) -> bytes:
        announced = answer.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._body_bytes:
            raise self._too_large()
        unpacker = _unpacker(answer.headers.get("content-encoding", ""))
        chunks: list[bytes] = []
        room, packed = self._body_bytes, 0
        async for raw in answer.pieces:
            packed += len(raw)
            for chunk in unpacker.unpack(raw, room + 1):
                room -= len(chunk)
                chunks.append(chunk)
                if room < 0:
                    raise self._too_large()
            if packed > self._body_bytes:
                raise self._too_large()
        unpacker.finish()
        return b"".join(chunks)

    def _too_large(self) -> CollectFailure:
        return CollectFailure(
            Failure.TOO_LARGE, f"the page is longer than {self._body_bytes} bytes"
        )

    def _trust(self) -> ssl.SSLContext | None:
        if self._url.scheme == "https" and self._trusted is None:
            self._trusted = trust(self._target.ca_file)
        return self._trusted

    async def _headers(self) -> dict[str, str]:
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "User-Agent": "plimsoll",
            "Accept": ACCEPT,
            "Accept-Encoding": "gzip",
            "Connection": "close",
        }
        target = self._target
        if target.token is not None or target.token_file is not None:
            token = _token(await self._secrets.read(target.token, target.token_file, "token"))
            headers["Authorization"] = f"Bearer {token}"
        elif target.username is not None:
            given = target.password, target.password_file
            password = await self._secrets.read(*given, "password")
            pair = base64.b64encode(f"{target.username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers


def _token(token: str) -> str:
    """A bearer token that a header can carry."""
    if not (token.isascii() and token.isprintable()):
        raise CollectFailure(Failure.AUTH, "the token holds characters that a header cannot carry")
    return token


class _Plain:
    """No compression."""

    def unpack(self, raw: bytes, most: int) -> Iterator[bytes]:
        yield raw

    def finish(self) -> None:
        return None


class _Gzip:
    """gzip, never more than asked for at once; several members in a row are one page."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._begun = False

    def unpack(self, raw: bytes, most: int) -> Iterator[bytes]:
        while raw:
            if self._zlib.eof:
                self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
            self._begun = True
            try:
                chunk = self._zlib.decompress(raw, most)
            except zlib.error:
                raise CollectFailure(Failure.PROTOCOL, "the page is not proper gzip") from None
            raw = self._zlib.unconsumed_tail or self._zlib.unused_data
            yield chunk

    def finish(self) -> None:
        if self._begun and not self._zlib.eof:
            raise CollectFailure(Failure.PROTOCOL, "the gzip data ends too early")


def _unpacker(encoding: str) -> "_Plain | _Gzip":
    match encoding.strip().lower():
        case "" | "identity":
            return _Plain()
        case "gzip" | "x-gzip":
            return _Gzip()
        case _:
            raise CollectFailure(
                Failure.PROTOCOL, "the page is compressed in a way that was not asked for"
            )


def _check_status(status: int) -> None:
    if status == 200:
        return
    if status == 401:
        raise CollectFailure(Failure.AUTH, "answered 401: it wants other credentials")
    if status == 403:
        raise CollectFailure(Failure.PERMISSION, "answered 403: these credentials may not read it")
    if 300 <= status < 400:
        raise CollectFailure(
            Failure.HTTP_STATUS,
            f"answered {status}: redirects are not followed, give the final URL",
        )
    raise CollectFailure(Failure.HTTP_STATUS, f"answered {status}")


def _may_be_cut(answer: Answer, body: bytes) -> bool:
    """Whether a connection that simply ended may have ended too early.

    With a length or in chunks the HTTP layer notices; otherwise `12345` cut to `12` would look
    like a counter that was reset.
    """
    told = "content-length" in answer.headers or "transfer-encoding" in answer.headers
    return not told and body != b"" and not body.endswith(b"\n")
