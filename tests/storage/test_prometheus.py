"""Asking over HTTP: what is sent, whom it goes to, and every way to fail by its name.

The servers are real sockets. What Mimir, Thanos and clusters answer is imitated after their
documentation, see `tests.front`.
"""

import base64
import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from storage.config import PrometheusConfig
from storage.matrix import Outcome, QueryFailure
from storage.prometheus import Prometheus
from tests.front import EMPTY, Asked, Authority, Front, Told, authority, failed, front, said
from tests.servers import free_port

AT_MS = 1_772_452_800_000
ONE = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1772452800, "5"]]}]},
}


@contextmanager
def client(url: str, resolve: Any = None, **more: Any) -> Iterator[Prometheus]:
    config = PrometheusConfig.model_validate({"url": url, "timeout": "5s", **more})
    made = Prometheus(config) if resolve is None else Prometheus(config, resolve=resolve)
    with closing(made):
        yield made


def ask(url: str, **more: Any) -> list[float]:
    with client(url, **more) as made:
        return list(made.query_range("up", AT_MS, AT_MS, 60_000).samples.values)


def fails(url: str, **more: Any) -> QueryFailure:
    with pytest.raises(QueryFailure) as failure:
        ask(url, **more)
    return failure.value


@pytest.fixture
def answering() -> Iterator[Front]:
    with front(lambda _: said(ONE)) as made:
        yield made


def test_a_range_is_asked_for_by_post_in_the_seconds_of_the_api(answering: Front) -> None:
    query = "sum by (instance) (rate(up[1m]))" + " or up" * 2000
    with client(f"{answering.url}/select/0/prometheus/") as made:
        answer = made.query_range(query, AT_MS + 5, AT_MS + 60_005, 15_000)
    (asked,) = answering.requests
    assert answer.samples.values.tolist() == [5.0]
    assert asked.path == "/select/0/prometheus/api/v1/query_range"
    assert asked.form["query"] == query
    assert asked.form["start"] == "1772452800.005"
    assert asked.form["end"] == "1772452860.005"
    assert asked.form["step"] == "15.000"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["host"] == answering.url.removeprefix("http://")


def test_no_cache_is_asked_and_no_half_answer(answering: Front) -> None:
    ask(answering.url)
    (asked,) = answering.requests
    assert asked.headers["cache-control"] == "no-store"
    wishes = {"nocache": "1", "partial_response": "false", "deny_partial_response": "1"}
    assert wishes.items() <= asked.form.items()
    assert asked.form["timeout"] == "5s"


@pytest.mark.parametrize(
    ("config", "sent"),
    [
        ({}, {}),
        ({"tenant": "shop|stock"}, {"x-scope-orgid": "shop|stock"}),
        ({"token": "abc"}, {"authorization": "Bearer abc"}),
        ({"username": "ann", "password": "pä:ss"},
         {"authorization": "Basic " + base64.b64encode("ann:pä:ss".encode()).decode()}),
        ({"headers": {"X-Team": "pay", "AccountID": "7"}}, {"x-team": "pay", "accountid": "7"}),
    ],
)  # fmt: skip
def test_what_identifies_us_is_sent(
    answering: Front, config: dict[str, Any], sent: dict[str, str]
) -> None:
    ask(answering.url, **config)
    (asked,) = answering.requests
    names = ("authorization", "x-scope-orgid", "x-team", "accountid")
    assert {name: asked.headers[name] for name in names if name in asked.headers} == sent


def test_secrets_in_files_are_read_anew_for_every_request(answering: Front, tmp_path: Path) -> None:
    token, key = tmp_path / "token", tmp_path / "key"
    token.write_text("first\n")
    key.write_text("one\n")
    more = {"token_file": str(token), "header_files": {"X-Key": str(key)}}
    with client(answering.url, **more) as made:
        made.query("up", AT_MS)
        token.write_text("second\n")
        key.write_text("two\n")
        made.query("up", AT_MS)
        token.write_text("\n")
        with pytest.raises(QueryFailure) as empty:
            made.query("up", AT_MS)
        token.unlink()
        with pytest.raises(QueryFailure) as gone:
            made.query("up", AT_MS)
    sent = [(one.headers["authorization"], one.headers["x-key"]) for one in answering.requests]
    assert sent == [("Bearer first", "one"), ("Bearer second", "two")]
    assert (empty.value.outcome, gone.value.outcome) == (Outcome.AUTH, Outcome.AUTH)
    assert str(tmp_path) not in gone.value.detail


def test_a_server_that_quotes_a_secret_does_not_spread_it(answering: Front) -> None:
    def quoting(asked: Asked) -> Told:
        return failed(422, "execution", f"bad header {asked.headers['authorization']} and k-7")

    answering.answer = quoting
    failure = fails(answering.url, token="s3cret", headers={"X-Key": "k-7"})
    assert failure.outcome is Outcome.BAD_QUERY
    assert failure.detail == "answered 422: bad header *** and ***"


def test_secrets_are_in_no_repr() -> None:
    secrets = {"token": "s3cret", "headers": {"X-Key": "k-7"}}
    with client("http://127.0.0.1:1", **secrets) as made:
        shown = repr(made) + repr(made.config) + str(made.config)
    assert "s3cret" not in shown
    assert "k-7" not in shown


# --- failing -----------------------------------------------------------------------------------


def cut(body: bytes, keep: int, **headers: str) -> Callable[[Asked], Told]:
    return lambda _: Told(200, body, headers, cut=keep)


FAILURES: dict[str, tuple[Callable[[Asked], Told], Outcome]] = {
    "bad query": (lambda _: failed(422, "execution", "no"), Outcome.BAD_QUERY),
    "too many points": (
        lambda _: failed(400, "bad_data", "exceeded maximum resolution of 11,000 points"),
        Outcome.TOO_MUCH,
    ),
    "unavailable": (lambda _: Told(503), Outcome.UNAVAILABLE),
    "redirect": (lambda _: Told(307, headers={"Location": "/login"}), Outcome.REDIRECT),
    "unauthorised": (lambda _: Told(401), Outcome.AUTH),
    "forbidden": (lambda _: Told(403), Outcome.PERMISSION),
    "no such path": (lambda _: Told(404, b"404 page not found"), Outcome.NOT_FOUND),
    "a login page": (lambda _: Told(200, b"<html>Sign in</html>"), Outcome.HTML),
    "no JSON": (lambda _: Told(200, b"ok"), Outcome.INVALID_JSON),
    "another API": (lambda _: said({"ok": True}), Outcome.UNEXPECTED),
    "cut by length": (cut(b"x" * 100, 10), Outcome.TRUNCATED),
    "cut gzip": (
        lambda _: Told(200, gzip.compress(b"x" * 99)[:-12], {"Content-Encoding": "gzip"}),
        Outcome.TRUNCATED,
    ),
    "no gzip": (lambda _: Told(200, b"plain", {"Content-Encoding": "gzip"}), Outcome.PROTOCOL),
    "brotli": (lambda _: Told(200, b"plain", {"Content-Encoding": "br"}), Outcome.PROTOCOL),
    "partial as VictoriaMetrics' cluster says": (
        lambda _: said({**ONE, "isPartial": True}), Outcome.PARTIAL,
    ),
    "partial as Thanos says": (
        lambda _: said({**ONE, "warnings": ["No StoreAPIs matched for this query"]}),
        Outcome.PARTIAL,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_each_way_to_fail_has_a_name(answering: Front, case: str) -> None:
    answering.answer, outcome = FAILURES[case]
    assert fails(answering.url).outcome is outcome
    assert len(answering.requests) == 1, "a redirect is not followed, nothing is tried again"


def test_a_throttled_query_says_for_how_long(answering: Front) -> None:
    answering.answer = lambda _: failed(
        429, "too_many_requests", "too many outstanding requests", **{"Retry-After": "17"}
    )
    failure = fails(answering.url)
    assert (failure.outcome, failure.retry_seconds) == (Outcome.THROTTLED, 17.0)


def test_partial_answers_are_taken_where_that_is_wanted(answering: Front) -> None:
    answering.answer = lambda _: said({**ONE, "isPartial": True, "warnings": ["store-1 is away"]})
    with client(answering.url, partial_responses="accept") as made:
        answer = made.query_range("up", AT_MS, AT_MS, 60_000)
    assert answer.samples.values.tolist() == [5.0]
    assert answer.partial
    assert answer.warnings == ("store-1 is away",)
    (asked,) = answering.requests
    wishes = {"partial_response": "true", "deny_partial_response": "0"}
    assert wishes.items() <= asked.form.items()


def test_an_empty_answer_is_no_data_and_no_failure(answering: Front) -> None:
    answering.answer = lambda _: said(EMPTY)
    with client(answering.url) as made:
        assert made.query_range("up", AT_MS, AT_MS, 60_000).outcome is Outcome.NO_DATA


@pytest.mark.parametrize("compressed", [False, True])
def test_an_answer_beyond_the_limit_is_given_up_unread(answering: Front, compressed: bool) -> None:
    body = b" " * 10_000_000
    answering.answer = lambda _: (
        Told(200, gzip.compress(body), {"Content-Encoding": "gzip"})
        if compressed
        else Told(200, body)
    )
    failure = fails(answering.url, max_bytes=100_000)
    assert failure.outcome is Outcome.TOO_LARGE
    assert "100000 bytes" in failure.detail


def test_nobody_listens() -> None:
    assert fails(f"http://127.0.0.1:{free_port()}").outcome is Outcome.REFUSED


def test_a_server_that_says_nothing_is_left_after_the_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        failure = fails(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout="300ms")
    assert failure.outcome is Outcome.TIMEOUT


def test_a_server_that_drips_is_left_after_the_time_out() -> None:
    stop = threading.Event()

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            while not stop.wait(0.05):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=drip, args=(listener,))
        thread.start()
        failure = fails(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout="400ms")
        stop.set()
        thread.join()
    assert failure.outcome is Outcome.TIMEOUT


def test_never_more_queries_at_once_than_allowed(answering: Front) -> None:
    inside, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    def slow(_: Asked) -> Told:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == 2:
                gate.set()
        gate.wait(5)
        with lock:
            inside -= 1
        return said(ONE)

    answering.answer = slow
    with client(answering.url, concurrency=2) as made:
        threads = [
            threading.Thread(target=made.query, args=("up", AT_MS), daemon=True) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(answering.requests) == 8
    assert most == 2


# --- addresses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "0.0.0.0", "[::ffff:169.254.1.1]", "224.0.0.1"]
)
def test_some_addresses_are_never_connected_to(host: str) -> None:
    assert fails(f"http://{host}:9090").outcome is Outcome.DENIED


def test_a_name_that_leads_to_a_metadata_service_is_refused(answering: Front) -> None:
    port = answering.url.rpartition(":")[2]
    failure = fails(
        f"http://prometheus.test:{port}", resolve=lambda *_: ["127.0.0.1", "169.254.169.254"]
    )
    assert failure.outcome is Outcome.DENIED
    assert answering.requests == []


def test_a_name_is_resolved_once_and_kept_in_the_host_header(answering: Front) -> None:
    port, looked_up = answering.url.rpartition(":")[2], []

    def resolve(host: str, at: int) -> list[str]:
        looked_up.append((host, at))
        return ["127.0.0.1"]

    ask(f"http://prometheus.test:{port}", resolve=resolve)
    assert looked_up == [("prometheus.test", int(port))]
    assert answering.requests[0].headers["host"] == f"prometheus.test:{port}"


def test_the_next_address_is_tried_where_nobody_listens(answering: Front) -> None:
    port = answering.url.rpartition(":")[2]
    addresses = ["127.0.0.9", "127.0.0.1"]  # the server listens on the second alone
    assert ask(f"http://prometheus.test:{port}", resolve=lambda *_: addresses) == [5.0]


def test_a_name_that_nobody_knows() -> None:
    def unknown(*_: object) -> list[str]:
        raise socket.gaierror(8, "unknown")

    assert fails("http://prometheus.test", resolve=unknown).outcome is Outcome.DNS


# --- TLS ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tls"))


def local(*_: object) -> list[str]:
    return ["127.0.0.1"]


def test_a_certificate_is_trusted_by_its_authority_and_name(certificates: Authority) -> None:
    with front(lambda _: said(ONE), certificates.server()) as made:
        by_name = made.url.replace("127.0.0.1", "prometheus.test")
        ca = {"ca_file": str(certificates.ca)}
        assert ask(made.url, **ca) == [5.0]
        assert ask(by_name, resolve=local, **ca) == [5.0]
        other = by_name.replace("prometheus", "other")
        assert ask(other, resolve=local, server_name="prometheus.test", **ca) == [5.0]
        for refused in (
            fails(other, resolve=local, **ca),
            fails(made.url),
            fails(made.url, server_name="other.test", **ca),
        ):
            assert refused.outcome is Outcome.TLS
            assert "certificate" in refused.detail
        assert ask(other, resolve=local, insecure_skip_verify=True) == [5.0]


def test_a_server_may_want_a_certificate_of_ours(certificates: Authority) -> None:
    ca = {"ca_file": str(certificates.ca)}
    mine = {
        "cert_file": str(certificates.file("client.pem")),
        "key_file": str(certificates.file("client.key")),
    }
    with front(lambda _: said(ONE), certificates.server(wants_client=True)) as made:
        assert ask(made.url, **ca, **mine) == [5.0]
        assert fails(made.url, **ca).outcome in (Outcome.TLS, Outcome.TRUNCATED, Outcome.PROTOCOL)


@pytest.mark.parametrize("broken", ["ca_file", "cert_file"])
def test_files_that_hold_no_certificate(
    certificates: Authority, tmp_path: Path, broken: str
) -> None:
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("nothing\n")
    files = {
        "ca_file": str(certificates.ca),
        "cert_file": str(certificates.file("client.pem")),
        "key_file": str(certificates.file("client.key")),
        broken: str(nothing),
    }
    failure = fails("https://127.0.0.1:1", **files)
    assert failure.outcome is Outcome.TLS
    assert broken in failure.detail


def test_plain_http_where_tls_is_spoken(certificates: Authority, answering: Front) -> None:
    plain_as_tls = answering.url.replace("http:", "https:")
    assert fails(plain_as_tls, ca_file=str(certificates.ca)).outcome is Outcome.TLS
