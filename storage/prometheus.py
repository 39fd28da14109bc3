"""Asking any Prometheus-compatible HTTP API. Knows HTTP; `storage.matrix` knows the answers.

Queries go as a form by POST, so that long ones fit. Redirects and the proxies of the environment
are not followed. A name is resolved once for each request, every address is checked, and the
connection goes to a checked one; the host's name stays in the Host header and in the handshake.
"""

import base64
import ipaddress
import os
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic

import httpx
from pydantic import SecretStr

from storage.addresses import denied
from storage.config import Engine, Partial, PrometheusConfig
from storage.matrix import Answer, Outcome, QueryFailure, read, refused

MOST_ADDRESSES = 4
MOST_CONNECT_SECONDS = 10.0
MOST_ERROR_BYTES = 65_536
# Only VictoriaMetrics knows this function; to Prometheus it is a syntax error.
PROBE = 'label_set(1, "plimsoll", "probe")'

Resolve = Callable[[str, int], Sequence[str]]
"""Addresses of a host name and port, in the order in which to try them."""


def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the operating system says; an OSError or UnicodeError when it knows none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Prometheus:
    """One API. Safe to call from several threads; never more than `concurrency` queries at once."""

    def __init__(self, config: PrometheusConfig, *, resolve: Resolve = system_addresses) -> None:
        self.config = config
        self._resolve = resolve
        self._url = httpx.URL(config.url)
        self._places = threading.BoundedSemaphore(config.concurrency)
        self._opening = threading.Lock()
        self._client: httpx.Client | None = None

    def __repr__(self) -> str:
        return f"Prometheus({self.config.url!r})"

    def engine(self, at_ms: int) -> Engine:
        """Which engine answers, as configured or as an expression of one of them shows."""
        if self.config.engine is not Engine.AUTO:
            return self.config.engine
        try:
            self.query(PROBE, at_ms)
        except QueryFailure as failure:
            if failure.outcome is Outcome.BAD_QUERY:
                return Engine.PROMETHEUS
            raise
        return Engine.VICTORIAMETRICS

    def query(self, query: str, at_ms: int) -> Answer:
        """An expression at one time; every way to fail is a `QueryFailure`."""
        return self._ask("query", {"query": query, "time": seconds(at_ms)})

    def query_range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> Answer:
        """An expression at `start`, at each step, and at `end`; `QueryFailure` when it fails."""
        span = {"start": seconds(start_ms), "end": seconds(end_ms), "step": seconds(step_ms)}
        return self._ask("query_range", {"query": query, **span})

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _ask(self, path: str, form: dict[str, str]) -> Answer:
        until = monotonic() + self.config.timeout
        if not self._places.acquire(timeout=self.config.timeout):
            raise QueryFailure(Outcome.TIMEOUT, "no place among the queries that are under way")
        try:
            answer = read(self._post(path, {**form, **self._wishes()}, until))
        finally:
            self._places.release()
        if len(answer.samples.series) > self.config.max_series:
            raise QueryFailure(
                Outcome.TOO_MANY_SERIES,
                f"the answer has {len(answer.samples.series)} series, more than max_series: make "
                "the signal's selector or its `by` narrower",
            )
        if answer.partial and self.config.partial_responses is Partial.REFUSE:
            said = answer.warnings[0] if answer.warnings else "the server says that data is missing"
            raise QueryFailure(Outcome.PARTIAL, said)
        return answer

    def _wishes(self) -> dict[str, str]:
        """What is asked of servers that understand it: no cache, no waiting, nothing by halves.

        Each window is asked for once, or again because samples came late: a cache would only hide
        them. Whoever does not know a parameter ignores it.
        """
        whole = self.config.partial_responses is Partial.REFUSE
        return {
            "timeout": f"{self.config.timeout:g}s",
            "nocache": "1",  # VictoriaMetrics
            "partial_response": "false" if whole else "true",  # Thanos
            "deny_partial_response": "1" if whole else "0",  # VictoriaMetrics cluster
        }

    def _post(self, path: str, form: dict[str, str], until: float) -> bytes:
        addresses = self._addresses()
        client, headers = self._open(), self._headers()
        for position, address in enumerate(addresses):
            try:
                return self._send(client, path, form, headers, address, until)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                tls = _cause(error, ssl.SSLError) is not None
                if tls or position == len(addresses) - 1:
                    raise _failure(error) from None
            except httpx.HTTPError as error:
                raise _failure(error) from None
        raise QueryFailure(Outcome.DNS, "there is no address")  # pragma: no cover

    def _send(
        self,
        client: httpx.Client,
        path: str,
        form: dict[str, str],
        headers: dict[str, str],
        address: str,
        until: float,
    ) -> bytes:
        limit = self.config.timeout
        url = self._url.copy_with(host=address, path=f"{self._url.path.rstrip('/')}/api/v1/{path}")
        with client.stream(
            "POST",
            url,
            data=form,
            headers=headers,
            timeout=httpx.Timeout(limit, connect=min(limit, MOST_CONNECT_SECONDS)),
            extensions={"sni_hostname": self._server_name()},
        ) as response:
            try:
                return self._answered(response, until)
            except (httpx.RemoteProtocolError, httpx.ReadError):
                raise QueryFailure(Outcome.TRUNCATED, "the answer ends too early") from None

    def _answered(self, response: httpx.Response, until: float) -> bytes:
        fine = response.status_code == 200
        most = self.config.max_bytes if fine else MOST_ERROR_BYTES
        chunks, room = [], most
        for chunk in unpacked(response, most + 1):
            if monotonic() > until:
                raise QueryFailure(Outcome.TIMEOUT, f"took longer than {self.config.timeout:g} s")
            room -= len(chunk)
            if room < 0 and fine:
                raise QueryFailure(Outcome.TOO_LARGE, f"the answer is longer than {most} bytes")
            if room < 0:
                break  # an error page; its beginning tells enough
            chunks.append(chunk)
        if not fine:
            after = response.headers.get("retry-after", "")
            raise silent(
                refused(response.status_code, b"".join(chunks), after), self._sent(response)
            )
        return b"".join(chunks)

    def _sent(self, response: httpx.Response) -> list[str]:
        """The secrets that went along with the request."""
        names = ["authorization", *self.config.headers, *self.config.header_files]
        found = [response.request.headers.get(one, "") for one in names]
        return [part for value in found for part in (value, value.rpartition(" ")[2]) if part]

    def _addresses(self) -> list[str]:
        """The checked addresses to connect to."""
        host = self._url.raw_host.decode("ascii")
        port = self._url.port or (443 if self._url.scheme == "https" else 80)
        try:
            found = [str(ipaddress.ip_address(host.strip("[]")))]
        except ValueError:
            try:
                found = list(dict.fromkeys(self._resolve(host, port)))
            except (OSError, UnicodeError):
                found = []
        if not found:
            raise QueryFailure(Outcome.DNS, f"{host} cannot be resolved")
        for address in found:
            kind = denied(address)
            if kind is not None:
                raise QueryFailure(
                    Outcome.DENIED,
                    f"{host} leads to {address} ({kind}), which is never connected to",
                )
        return found[:MOST_ADDRESSES]

    def _server_name(self) -> str:
        return self.config.server_name or self._url.raw_host.decode("ascii")

    def _open(self) -> httpx.Client:
        with self._opening:
            if self._client is None:
                self._client = httpx.Client(
                    verify=self._trust(), trust_env=False, follow_redirects=False
                )
            return self._client

    def _trust(self) -> ssl.SSLContext:
        if self._url.scheme == "http":
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used; trusts nobody
        config = self.config
        try:
            context = ssl.create_default_context(
                cafile=None if config.ca_file is None else str(config.ca_file)
            )
        except (OSError, ssl.SSLError):
            raise QueryFailure(
                Outcome.TLS, "the ca_file cannot be read, or holds no certificates in PEM form"
            ) from None
        if config.cert_file is not None and config.key_file is not None:
            try:
                context.load_cert_chain(config.cert_file, config.key_file, password="")
            except (OSError, ssl.SSLError):
                raise QueryFailure(
                    Outcome.TLS, "cert_file and key_file cannot be read, or do not belong together"
                ) from None
        if config.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _headers(self) -> dict[str, str]:
        config = self.config
        headers = {
            "Host": self._url.netloc.decode("ascii"),
            "User-Agent": "plimsoll",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Cache-Control": "no-store",  # Mimir and Thanos keep results; see _wishes
        }
        if config.tenant is not None:
            headers["X-Scope-OrgID"] = config.tenant
        headers |= {name: value.get_secret_value() for name, value in config.headers.items()}
        for name, file in config.header_files.items():
            headers[name] = _secret(None, file, f"header_files.{name}")
        if config.token is not None or config.token_file is not None:
            headers["Authorization"] = f"Bearer {_secret(config.token, config.token_file, 'token')}"
        elif config.username is not None:
            password = _secret(config.password, config.password_file, "password", ascii_only=False)
            pair = base64.b64encode(f"{config.username}:{password}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        return headers


def silent(failure: QueryFailure, secrets: Sequence[str]) -> QueryFailure:
    """The same failure without the secrets, because servers quote what they were sent."""
    for secret in secrets:
        failure.detail = failure.detail.replace(secret, "***")
    return failure


def seconds(ms: int) -> str:
    """Milliseconds as the seconds of the API, to the last digit."""
    return f"{ms // 1000}.{ms % 1000:03d}"


def unpacked(response: httpx.Response, most: int) -> Iterator[bytes]:
    """The body, decompressed in pieces that are never longer than `most`."""
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in ("", "identity"):
        yield from response.iter_raw()
        return
    if encoding not in ("gzip", "x-gzip"):
        raise QueryFailure(Outcome.PROTOCOL, "compressed in a way that was not asked for")
    packed = zlib.decompressobj(16 + zlib.MAX_WBITS)
    for raw in response.iter_raw():
        while raw and not packed.eof:
            try:
                piece = packed.decompress(raw, most)
            except zlib.error:
                raise QueryFailure(Outcome.PROTOCOL, "the answer is not proper gzip") from None
            raw = packed.unconsumed_tail
            yield piece
    if not packed.eof:
        raise QueryFailure(Outcome.TRUNCATED, "the gzip data ends too early")


def _secret(
    value: SecretStr | None, file: Path | None, what: str, *, ascii_only: bool = True
) -> str:
    """The secret, its file read anew, because secrets are rotated."""
    if value is not None:
        secret = value.get_secret_value().strip()
    else:
        try:
            secret = Path(str(file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise QueryFailure(Outcome.AUTH, f"the file of {what} cannot be read") from None
    if not secret:
        raise QueryFailure(Outcome.AUTH, f"{what} is empty")
    if ascii_only and not (secret.isascii() and secret.isprintable()):
        raise QueryFailure(Outcome.AUTH, f"{what} holds characters that a header cannot carry")
    return secret


def _failure(error: httpx.HTTPError) -> QueryFailure:
    """The reason behind an exception of httpx, whose own text may quote headers."""
    if isinstance(error, httpx.TimeoutException):
        return QueryFailure(Outcome.TIMEOUT, "did not answer in time")
    tls = _cause(error, ssl.SSLError)
    if isinstance(tls, ssl.SSLCertVerificationError):
        return QueryFailure(Outcome.TLS, f"the certificate is refused: {tls.verify_message}")
    if tls is not None:
        return QueryFailure(Outcome.TLS, "the TLS handshake failed")
    if isinstance(error, httpx.ConnectError):
        system = _cause(error, OSError)
        code = system.errno if isinstance(system, OSError) else None
        return QueryFailure(Outcome.REFUSED, os.strerror(code) if code else "cannot connect")
    return QueryFailure(Outcome.PROTOCOL, "the connection broke, or it did not speak HTTP")


def _cause(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The exception of this kind in the chain behind an error."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, kind):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None
