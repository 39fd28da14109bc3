"""Fetching one page from real servers, good ones and bad ones."""

import asyncio
import gc
import gzip
import logging
import tracemalloc
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.config import CollectorConfig, Target
from collector.failure import CollectFailure, Failure
from collector.scrape import Scrape
from collector.source import Collected
from tests.collector import servers
from tests.collector.servers import Server, page, serving

NOW = 1_760_000_000_000


def leading(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """A resolver that knows one answer."""

    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


async def scraped(url: str, resolve: Any = None, limits: Any = None, **target: Any) -> Collected:
    described = {"timeout": target.pop("seconds", 3), "limits": limits or {}}
    config = CollectorConfig.model_validate(described)
    source = Scrape(
        Target.model_validate({"name": "shop", "url": url, **target}), config, resolve=resolve
    )
    try:
        async with asyncio.timeout(source.timeout_seconds):
            return await source.collect(NOW)
    finally:
        await source.close()


def failure(
    answer: servers.Answer, *, host: str = "127.0.0.1", tls: bool = False, **options: Any
) -> CollectFailure:
    async def attempt() -> None:
        async with serving(answer, tls=tls) as server:
            await scraped(server.url(host), **options)

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    return caught.value


def success(
    answer: servers.Answer, *, host: str = "127.0.0.1", tls: bool = False, **options: Any
) -> tuple[Collected, Server]:
    async def attempt() -> tuple[Collected, Server]:
        async with serving(answer, tls=tls) as server:
            return await scraped(server.url(host), **options), server

    return asyncio.run(attempt())


def test_a_good_page_becomes_samples_with_the_labels_of_the_target() -> None:
    collected, server = success(servers.GOOD, labels={"team": "checkout"})
    (labels,) = collected.samples.series
    assert str(labels) == 'http_requests_total{code="200",target="shop",team="checkout"}'
    assert collected.samples.at_ms.tolist() == [NOW]
    request = server.requests[0].decode().lower()
    assert request.startswith("get /metrics http/1.1")
    assert "accept: text/plain;version=0.0.4;q=1" in request
    assert "accept-encoding: gzip\r\n" in request
    assert f"host: 127.0.0.1:{server.port}\r\n" in request
    assert "authorization" not in request


def test_a_gzip_page_in_several_members_is_read() -> None:
    packed = gzip.compress(servers.METRICS) + gzip.compress(b"a 1\n")
    collected, _ = success(page(packed, headers={"Content-Encoding": "gzip"}))
    assert collected.samples.values.tolist() == [5, 1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (servers.HTML, Failure.PARSE),
        (page(b"<html>hello</html>"), Failure.PARSE),
        (servers.JSON, Failure.PARSE),
        (servers.BAD_UTF8, Failure.PARSE),
        (page(b"", status="401 Unauthorized"), Failure.AUTH),
        (page(b"", status="403 Forbidden"), Failure.PERMISSION),
        (page(b"", status="404 Not Found"), Failure.HTTP_STATUS),
        (page(b"", status="500 Internal Server Error"), Failure.HTTP_STATUS),
        (page(b"", status="204 No Content"), Failure.HTTP_STATUS),
        (servers.REDIRECT, Failure.HTTP_STATUS),
        (servers.flood, Failure.TOO_LARGE),
        (page(b"", announced=50_000_000), Failure.TOO_LARGE),
        (servers.bomb(), Failure.TOO_LARGE),
        (servers.HALF, Failure.PROTOCOL),
        (page(b'a 1\nb{c="d"} 12', announced=-1), Failure.PROTOCOL),
        (servers.close_at_once, Failure.PROTOCOL),
        (page(b"x", headers={"Content-Encoding": "br"}), Failure.PROTOCOL),
        (page(b"a 1\n", headers={"Content-Encoding": "gzip"}), Failure.PROTOCOL),
        (
            page(gzip.compress(servers.METRICS)[:-6], headers={"Content-Encoding": "gzip"}),
            Failure.PROTOCOL,
        ),
    ],
)
def test_every_way_to_answer_badly_has_its_reason(answer: servers.Answer, reason: Failure) -> None:
    assert failure(answer).reason is reason


def test_something_that_does_not_speak_http_is_a_failure_of_protocol() -> None:
    async def ssh(writer: asyncio.StreamWriter, _request: bytes) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")

    assert failure(ssh).reason is Failure.PROTOCOL


def test_a_page_without_a_length_is_read_when_its_last_line_is_whole() -> None:
    collected, _ = success(page(b"a 1\nb 12\n", announced=-1))
    assert collected.samples.values.tolist() == [1, 12]


def test_a_bomb_is_never_unpacked_far_beyond_the_limit() -> None:
    answer = servers.bomb()
    tracemalloc.start()
    try:
        late = failure(answer, limits={"body_bytes": 1_000_000})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert late.reason is Failure.TOO_LARGE
    assert peak < 16_000_000


def test_gzip_members_without_content_do_not_go_on_for_ever() -> None:
    empty = gzip.compress(b"") * 1000
    late = failure(
        page(empty, headers={"Content-Encoding": "gzip"}, announced=-1), limits={"body_bytes": 1024}
    )
    assert late.reason is Failure.TOO_LARGE


def test_a_page_just_at_the_limit_is_read_and_one_byte_more_is_not() -> None:
    for packed in (False, True):
        body = b"a 1\n" + b"#" * 1019 + b"\n"
        sent = gzip.compress(body) if packed else body
        headers = {"Content-Encoding": "gzip"} if packed else {}
        assert len(body) == 1024
        success(page(sent, headers=headers), limits={"body_bytes": 1024})
        sent = gzip.compress(body + b"\n") if packed else body + b"\n"
        late = failure(page(sent, headers=headers, announced=-1), limits={"body_bytes": 1024})
        assert late.reason is Failure.TOO_LARGE


def test_a_closed_port_is_refused() -> None:
    async def attempt() -> None:
        async with serving(servers.GOOD) as server:
            url = server.url()
        await scraped(url)

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.REFUSED


@pytest.mark.parametrize("answer", [servers.hang, servers.drip])
def test_whoever_never_ends_is_cut_off_by_the_callers_time_limit(answer: servers.Answer) -> None:
    async def attempt() -> None:
        async with serving(answer) as server, asyncio.timeout(0.2):
            await scraped(server.url())

    with pytest.raises(TimeoutError):
        asyncio.run(attempt())


def test_a_name_server_that_hangs_is_cut_off_too() -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    async def attempt() -> None:
        async with asyncio.timeout(0.1):
            await scraped("http://shop.internal/metrics", resolve)

    with pytest.raises(TimeoutError):
        asyncio.run(attempt())


@pytest.mark.parametrize(
    "addresses",
    [("169.254.169.254",), ("127.0.0.1", "169.254.169.254"), ("::ffff:169.254.169.254",)],
)
def test_a_name_that_leads_to_metadata_is_denied_before_any_connection(
    addresses: tuple[str, ...],
) -> None:
    async def attempt() -> None:
        async with serving(servers.GOOD) as server:
            try:
                await scraped(server.url("metadata.shop.test"), leading(*addresses))
            finally:
                assert server.requests == []

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.DENIED


def test_the_connection_goes_to_the_checked_address_and_the_name_stays_in_the_header() -> None:
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    _, server = success(servers.GOOD, host="shop.test", resolve=resolve)
    assert asked == ["shop.test"]
    assert f"Host: shop.test:{server.port}\r\n" in server.requests[0].decode()


def test_a_dead_address_is_passed_over_for_the_next_one() -> None:
    collected, _ = success(
        servers.GOOD, host="shop.test", resolve=leading("127.0.0.9", "::1", "127.0.0.1")
    )
    assert len(collected.samples) == 1


def test_an_ipv6_address_is_scraped() -> None:
    async def attempt() -> Server:
        async with serving(servers.GOOD, address="::1") as server:
            await scraped(server.url("[::1]"))
            return server

    try:
        server = asyncio.run(attempt())
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert f"Host: [::1]:{server.port}\r\n" in server.requests[0].decode()


def test_a_redirect_is_not_followed() -> None:
    async def attempt() -> None:
        async with serving(servers.GOOD) as other:
            move = page(b"", status="301 Moved", headers={"Location": other.url()})
            async with serving(move) as server:
                try:
                    await scraped(server.url())
                finally:
                    assert other.requests == []

    with pytest.raises(CollectFailure, match="redirects are not followed"):
        asyncio.run(attempt())


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    collected, _ = success(servers.GOOD)
    assert len(collected.samples) == 1


def test_a_certificate_is_checked_against_the_name_in_the_url() -> None:
    trusted: dict[str, Any] = {"ca_file": str(servers.CERTIFICATE), "resolve": leading("127.0.0.1")}
    collected, _ = success(servers.GOOD, host="shop.test", tls=True, **trusted)
    assert len(collected.samples) == 1
    wrong_name = failure(servers.GOOD, host="other.test", tls=True, **trusted)
    assert wrong_name.reason is Failure.TLS
    unknown = failure(servers.GOOD, host="shop.test", tls=True, resolve=leading("127.0.0.1"))
    assert unknown.reason is Failure.TLS


def test_plain_http_on_a_tls_port_is_a_failure_of_tls() -> None:
    async def attempt() -> None:
        async with serving(servers.GOOD, listens=False) as server:
            await scraped(server.url().replace("http:", "https:"))

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.TLS


def test_a_handshake_that_hangs_is_a_timeout_that_leaves_no_socket_open() -> None:
    async def attempt() -> None:
        async with serving(servers.hang, listens=False) as server:
            await scraped(server.url().replace("http:", "https:"), seconds=0.5)
        gc.collect()  # an open socket would warn here, and warnings are errors

    with pytest.raises(CollectFailure) as caught:
        asyncio.run(attempt())
    assert caught.value.reason is Failure.TIMEOUT


def test_a_ca_file_that_holds_no_certificate_is_a_failure_of_tls(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("no certificate")
    broken = failure(servers.GOOD, tls=True, ca_file=str(file))
    assert broken.reason is Failure.TLS
    assert "ca_file" in broken.detail


def test_credentials_are_sent_and_their_files_are_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "secret"

    async def attempt() -> list[bytes]:
        config = CollectorConfig()
        async with serving(servers.GOOD) as server:
            url = server.url()
            file.write_text("one\n")
            rotating = Scrape(
                Target.model_validate({"name": "a", "url": url, "token_file": str(file)}), config
            )
            await rotating.collect(NOW)
            file.write_text("two\n")
            await rotating.collect(NOW)
            await rotating.close()
            await scraped(url, token="three")
            await scraped(url, username="bob", password="pä:ss")
            file.write_text("four\n")
            await scraped(url, username="bob", password_file=str(file))
            return server.requests

    sent = [
        line.split(": ", 1)[1]
        for request in asyncio.run(attempt())
        for line in request.decode().split("\r\n")
        if line.startswith("Authorization")
    ]
    assert sent == [
        "Bearer one",
        "Bearer two",
        "Bearer three",
        "Basic Ym9iOnDDpDpzcw==",
        "Basic Ym9iOmZvdXI=",
    ]


@pytest.mark.parametrize("content", ["", "hunter2\nhunter2", "hünter2", None])
def test_a_token_that_cannot_be_used_is_a_failure_of_auth_that_does_not_show_it(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "token"
    file.write_text(content or "")
    target = Target.model_validate({"name": "a", "url": "http://127.0.0.1:9/", "token_file": file})
    if content is None:
        file.unlink()
    with pytest.raises(CollectFailure) as caught:
        asyncio.run(Scrape(target, CollectorConfig()).collect(NOW))
    assert caught.value.reason is Failure.AUTH
    assert "nter2" not in str(caught.value)


def test_secrets_are_in_no_log_no_repr_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    echo = b"your token hunter2 is wrong"
    for answer in (
        page(echo, status="401 Unauthorized"),
        page(echo),
        page(echo, status="500 Oh no"),
        servers.close_at_once,
        servers.GOOD,
    ):
        secrets: list[dict[str, Any]] = [
            {"token": "hunter2"},
            {"username": "bob", "password": "hunter2"},
        ]
        for secret in secrets:
            try:
                success(answer, **secret)
            except CollectFailure as caught:
                seen += [str(caught), repr(caught), caught.detail]
    target = Target.model_validate({"name": "a", "url": "http://shop/", "token": "hunter2"})
    seen += [repr(Scrape(target, CollectorConfig())), caplog.text]
    assert len(seen) == 8 * 3 + 2
    for text in seen:
        assert "hunter2" not in text
        assert "Ym9iOmh1bnRlcjI" not in text


@pytest.mark.parametrize(
    ("target", "interval", "timeout"),
    [
        ({}, 15, 10),
        ({"interval": "5s"}, 5, 4),
        ({"interval": "1m"}, 60, 10),
        ({"timeout": "2s"}, 15, 2),
        ({"timeout": "60s"}, 15, 12),
    ],
)
def test_a_fetch_ends_before_the_next_one_begins(
    target: dict[str, str], interval: float, timeout: float
) -> None:
    described = Target.model_validate({"name": "a", "url": "http://shop/", **target})
    source = Scrape(described, CollectorConfig())
    assert (source.interval_seconds, source.timeout_seconds) == (interval, timeout)
