"""Who may send, what is answered, and that each refusal is counted under its reason."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from collector.rum import asgi
from collector.rum.refusal import STATUS, Refusal
from tests.collector.rum.sending import (
    CHROME,
    NOON_MS,
    ORIGIN,
    Door,
    beacon,
    config,
    metric,
    whole,
)


@pytest.fixture
def door() -> Door:
    return Door(config())


def refused(door: Door) -> dict[str, int]:
    return {reason.value: n for reason, n in door.receiver.refused.items() if n}


@pytest.mark.parametrize("kind", ["text/plain;charset=UTF-8", "application/json", None])
def test_a_beacon_is_taken_whatever_its_content_type(door: Door, kind: str | None) -> None:
    status, headers = door.answer(whole("view-0001"), headers={"content-type": kind})
    assert (status, headers) == (204, {"access-control-allow-origin": ORIGIN, "vary": "origin"})
    assert door.site.beacons == 1
    assert refused(door) == {}


def test_a_value_is_counted_when_its_view_is_over_and_not_before(door: Door) -> None:
    door.send(whole("view-0001"))
    door.settle(599_999)
    assert door.n() == 0
    door.settle(1)
    assert door.n() == 1
    assert door.n("CLS") == door.n("INP") == door.n("TTFB") == door.n("FCP") == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Refusal.MALFORMED),
        (b"{}", Refusal.MALFORMED),
        (b"\xff\xfe", Refusal.MALFORMED),
        (b"[]", Refusal.MALFORMED),
        (b'{"v":1', Refusal.MALFORMED),
        (b"[" * 16_000, Refusal.MALFORMED),
        (b'{"x":' * 3_000, Refusal.NESTED),
        (json.dumps(beacon(v=2)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(s=-1)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(s=1000)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(s=True)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(r=0)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(dt="x")).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(view="short")).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(view="eight\nch")).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(rel="r" * 65)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon("view-0001", *[metric("LCP", 1)] * 41)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon(e=[{"m": "x"}] * 6)).encode(), Refusal.MALFORMED),
        (json.dumps(beacon("view-0001", metric("LCP", 1, u="/" * 201))).encode(), "malformed"),
        (json.dumps(beacon(k="nobody")).encode(), Refusal.KEY),
    ],
)
def test_what_is_no_beacon_is_refused(door: Door, body: bytes, reason: Refusal) -> None:
    assert door.send(body) in (400, 403)
    assert refused(door) == {str(reason): 1}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", '"5"', "true", "null"])
def test_what_is_no_number_makes_a_beacon_invalid(door: Door, number: str) -> None:
    body = json.dumps(beacon("view-0001", metric("LCP", 12345))).replace("12345", number)
    assert door.send(body) == 400
    assert refused(door) == {"malformed": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("LCP", v) for v in (-1, 0, 60_001, 1e12, -1e12)],
        *[("FCP", v) for v in (-1, 0, 60_001)],
        *[("TTFB", v) for v in (-1, 60_001)],
        *[("INP", v) for v in (-8, 60_001)],
        *[("CLS", v) for v in (-0.1, 100.1)],
    ],
)
def test_an_impossible_value_is_left_out_and_the_others_are_taken(
    door: Door, name: str, value: float
) -> None:
    other = "CLS" if name != "CLS" else "INP"
    assert door.send(beacon("view-0001", metric(name, value), metric(other, 0))) == 204
    door.settle()
    assert door.n(name) == 0
    assert door.n(other) == 1
    assert {r.value: n for r, n in door.site.views.left_out.items() if n} == {
        "value_out_of_range": 1
    }


def test_a_negative_zero_is_a_zero(door: Door) -> None:
    body = json.dumps(beacon("view-0002", metric("CLS", 12345))).replace("12345", "-0.0")
    assert door.send(body) == 204
    door.settle()
    assert door.cell("CLS").counts[0] == 1
    assert str(door.cell("CLS").total) == "0.0"


def test_a_cls_above_five_is_in_the_last_bucket(door: Door) -> None:
    door.send(beacon("view-0001", metric("CLS", 99)))
    door.settle()
    assert door.cell("CLS").counts[-1] == 1


@pytest.mark.parametrize(
    ("origin", "taken"),
    [
        (ORIGIN, True),
        ("https://SHOP.example", False),
        ("http://shop.example", False),
        ("https://shop.example:8443", False),
        ("https://evil.example", False),
        ("https://shop.example.evil.example", False),
        ("null", False),
        (None, False),
    ],
)
def test_only_the_origins_of_the_app_may_send(
    door: Door, origin: str | None, *, taken: bool
) -> None:
    status, headers = door.answer(whole("view-0001"), headers={"origin": origin})
    assert status == (204 if taken else 403)
    assert ("access-control-allow-origin" in headers) == taken
    assert refused(door) == ({} if taken else {"origin": 1})


def test_a_missing_origin_is_taken_where_it_is_allowed() -> None:
    door = Door(config({"allow_missing_origin": True}))
    assert door.send(whole("view-0001"), headers={"origin": None}) == 204
    assert door.send(whole("view-0002"), headers={"origin": "https://evil.example"}) == 403


def test_the_origin_of_another_app_is_refused() -> None:
    other = {"name": "blog", "key": "k2", "origins": ["https://blog.example"]}
    both = config()
    door = Door(both.model_validate({"apps": [both.apps[0].model_dump(), other]}))
    assert door.send(whole("view-0001"), headers={"origin": "https://blog.example"}) == 403
    assert door.send(whole("view-0001", k="k2"), headers={"origin": "https://blog.example"}) == 204


def test_a_preflight_is_answered_without_credentials(door: Door) -> None:
    status, headers = door.answer(b"", method="OPTIONS")
    assert status == 204
    assert headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-methods"] == "POST"
    assert "access-control-allow-credentials" not in headers
    status, headers = door.answer(b"", method="OPTIONS", headers={"origin": "https://evil.example"})
    assert (status, headers.get("access-control-allow-origin")) == (403, None)


def test_other_methods_are_refused(door: Door) -> None:
    status, headers = door.answer(b"", method="GET")
    assert (status, headers["allow"]) == (405, "POST, OPTIONS")
    assert refused(door) == {"method": 1}


@pytest.mark.parametrize("coding", ["gzip", "br", "identity"])
def test_a_body_with_a_coding_is_refused_unread(door: Door, coding: str) -> None:
    asked: list[bytes] = []
    status, _ = asyncio.run(
        door.request([b"x"], headers={"content-encoding": coding}, told=asked.append)
    )
    assert (status, asked) == (415, [])
    assert refused(door) == {"encoding": 1}


def test_a_long_body_is_refused_by_its_length_unread(door: Door) -> None:
    asked: list[bytes] = []
    for length in ("16385", "50000000", "9" * 5000, "-1", "1e3"):
        answer = door.request([b"x"], headers={"content-length": length}, told=asked.append)
        assert asyncio.run(answer)[0] == 413
    assert asked == []
    assert refused(door) == {"too_large": 5}


def test_of_fifty_megabytes_in_chunks_hardly_more_than_the_cap_is_read(door: Door) -> None:
    asked: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        for _ in range(50_000):
            yield b"x" * 1024

    assert asyncio.run(door.request(chunks(), told=asked.append))[0] == 413
    assert len(asked) == 17
    assert refused(door) == {"too_large": 1}


def test_a_body_of_exactly_the_cap_is_read(door: Door) -> None:
    body = json.dumps(beacon("view-0001", metric("CLS", 0)))
    assert door.send(body + " " * (16 * 1024 - len(body))) == 204
    assert door.send(body + " " * (16 * 1024 - len(body) + 1)) == 413


def test_a_body_that_does_not_come_is_given_up(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asgi, "BODY_SECONDS", 0.01)

    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def run() -> int:
        answers: list[Any] = []

        async def send(message: Any) -> None:
            answers.append(message)

        headers = [(b"origin", ORIGIN.encode()), (b"user-agent", CHROME.encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/rum",
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 1),
        }
        await door.endpoint(scope, never, send)
        status: int = answers[0]["status"]
        return status

    assert asyncio.run(run()) == 408
    assert refused(door) == {"timeout": 1}


def test_too_many_open_requests_are_refused() -> None:
    door = Door(config(open_requests=1))
    status: list[int] = []

    async def second(_: bytes) -> None:
        status.append((await door.request([b"{}"]))[0])

    async def run() -> None:
        waiting = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await waiting.wait()
            return {"type": "http.request", "body": b"{}"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                status.append(message["status"])

        headers = [(b"origin", ORIGIN.encode()), (b"user-agent", CHROME.encode())]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/rum",
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 1),
        }
        first = asyncio.create_task(door.endpoint(scope, receive, send))
        await asyncio.sleep(0)
        await second(b"")
        waiting.set()
        await first

    asyncio.run(run())
    assert status == [503, 400]
    assert refused(door) == {"overload": 1, "malformed": 1}


def test_one_network_may_send_a_burst_and_then_so_many_a_second() -> None:
    door = Door(config(prefix_per_second=10, prefix_burst=50))
    statuses = [door.send(beacon(f"view-{i:04}")) for i in range(60)]
    assert statuses == [204] * 50 + [429] * 10
    door.peer = "192.0.2.77"
    assert door.send(beacon("view-9001")) == 429
    door.peer = "192.0.3.1"
    assert door.send(beacon("view-9002")) == 204
    door.peer, door.now_ms = "192.0.2.1", NOON_MS + 1000
    assert [door.send(beacon(f"view-1{i:03}")) for i in range(12)] == [204] * 10 + [429] * 2
    status, headers = door.answer(beacon("view-9003"))
    assert (status, headers["retry-after"]) == (429, "60")
    assert refused(door) == {"prefix_rate": 14}


def test_one_app_may_send_so_many_from_everywhere() -> None:
    door = Door(config(app_burst=20, app_per_second=1))
    for i in range(30):
        door.peer = f"10.0.{i}.1"
        door.send(beacon(f"view-{i:04}"))
    assert refused(door) == {"app_rate": 10}


def test_a_spoofed_forwarded_address_changes_nothing_without_a_proxy() -> None:
    door = Door(config(prefix_burst=5))
    for i in range(20):
        door.send(beacon(f"view-{i:04}"), headers={"x-forwarded-for": f"10.{i}.0.1"})
    assert refused(door) == {"prefix_rate": 15}


def test_behind_a_proxy_the_address_is_read_from_the_right() -> None:
    door = Door(config(prefix_burst=5, trusted_proxies=["192.0.2.0/24"]))
    for i in range(20):
        spoofed = f"10.{i}.0.1, 198.51.100.7, 192.0.2.9"
        door.send(beacon(f"view-{i:04}"), headers={"x-forwarded-for": spoofed})
    assert refused(door) == {"prefix_rate": 15}
    lines = [(b"x-forwarded-for", b"203.0.113.1"), (b"x-forwarded-for", b"192.0.2.9")]
    assert asyncio.run(door.request([json.dumps(beacon("view-9001")).encode()], lines=lines)) == (
        204,
        {"access-control-allow-origin": ORIGIN, "vary": "origin"},
    )


def test_a_country_is_believed_from_a_trusted_proxy_only() -> None:
    for peers, told, known in (
        (["192.0.2.0/24"], "de", "DE"),
        (["192.0.2.0/24"], "d1", "ZZ"),
        (["192.0.2.0/24"], "deu", "ZZ"),
        (["10.0.0.0/8"], "de", "ZZ"),
        ([], "de", "ZZ"),
    ):
        door = Door(config(trusted_proxies=peers, country_header="CF-IPCountry"))
        door.send(whole("view-0001"), headers={"cf-ipcountry": told})
        assert door.site.views._open["view-0001"].sender.country == known


@pytest.mark.parametrize(
    "agent",
    [
        CHROME.replace("Chrome", "HeadlessChrome"),
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "python-requests/2.32",
        "curl/8.5",
        CHROME + " Chrome-Lighthouse",
        None,
    ],
)
def test_robots_are_answered_as_everybody_and_not_counted(door: Door, agent: str | None) -> None:
    assert door.send(whole("view-0001"), headers={"user-agent": agent}) == 204
    door.settle()
    assert door.n() == 0
    assert refused(door) == {"bot": 1}


def test_a_driven_browser_is_a_robot_unless_the_app_is_a_test() -> None:
    door = Door(config())
    door.send(whole("view-0001", wd=1))
    assert refused(door) == {"bot": 1}
    door = Door(config({"automation": True}))
    headless = {"user-agent": CHROME.replace("Chrome", "HeadlessChrome")}
    assert door.send(whole("view-0001", wd=1), headers=headless) == 204
    door.settle()
    assert door.n() == 1


def test_a_phone_says_so_in_a_header(door: Door) -> None:
    door.send(whole("view-0001"), headers={"sec-ch-ua-mobile": "?1"})
    door.send(whole("view-0002", dt="t"), headers={"sec-ch-ua-mobile": "?1"})
    door.settle()
    assert (door.n(device="mobile"), door.n(device="tablet"), door.n()) == (1, 1, 0)


def test_every_reason_has_an_answer() -> None:
    assert set(STATUS) == set(Refusal)
