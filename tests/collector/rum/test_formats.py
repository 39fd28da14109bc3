"""Payloads of Faro and OpenTelemetry are beacons, too, under the same limits."""

import asyncio
import json
from typing import Any

import pytest

from collector.rum.refusal import Refusal
from tests.collector.rum.sending import ORIGIN, Door, config


def faro(name: str, value: float | None, id_: str, **context: str) -> dict[str, Any]:
    """A request of Faro with one vital, its members as the SDK 2.12 names them."""
    return {
        "meta": {
            "app": {"name": "shop-frontend", "version": "web@1", "environment": "production"},
            "session": {"id": "a1B2c3"},
            "page": {"url": "https://shop.example/checkout/17?token=secret#top"},
            "browser": {"name": "Chrome", "version": "156", "mobile": False},
            "view": {"name": "default"},
        },
        "measurements": [
            {
                "type": "web-vitals",
                "values": {name: value, "delta": value},
                "timestamp": "2026-03-02T12:00:00.000Z",
                "context": {
                    "id": id_,
                    "rating": "good",
                    "navigation_type": "navigate",
                    "navigation_entry_id": "unknown",
                    **context,
                },
            },
            {"type": "custom", "values": {"lcp": 1}},
        ],
        "events": [{"name": "session_start", "domain": "browser"}],
        "logs": [{"message": "x"}],
    }


def attribute(key: str, value: str | float) -> dict[str, Any]:
    """One attribute of OTLP."""
    kind = "stringValue" if isinstance(value, str) else "doubleValue"
    return {"key": key, "value": {kind: value}}


def otlp(name: str, value: float, id_: str, **more: str) -> dict[str, Any]:
    """A request of an OTLP exporter with one event, as the browser instrumentation writes it."""
    told: dict[str, str | float] = {
        "browser.web_vital.name": name,
        "browser.web_vital.value": value,
        "browser.web_vital.id": id_,
        "browser.web_vital.navigation_type": "navigate",
        "browser.web_vital.rating": "good",
        "session.id": "s-1",
        "url.full": "https://shop.example/checkout/17?token=secret",
        **more,
    }
    record = {
        "timeUnixNano": "1772452800000000000",
        "severityNumber": 9,
        "eventName": "browser.web_vital",
        "attributes": [attribute(key, one) for key, one in told.items()],
    }
    other = {"eventName": "browser.page_view", "attributes": []}
    resource = [attribute("service.name", "shop"), attribute("service.version", "web@1")]
    return {
        "resourceLogs": [
            {
                "resource": {"attributes": resource},
                "scopeLogs": [{"scope": {"name": "vitals"}, "logRecords": [other, record]}],
            }
        ]
    }


def post(door: Door, path: str, body: dict[str, Any] | bytes, **more: Any) -> int:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return asyncio.run(door.request([raw], path=path, **more))[0]


KEY = {"x-api-key": "k1"}


@pytest.fixture
def door() -> Door:
    return Door(config())


def test_a_measurement_of_faro_is_counted(door: Door) -> None:
    context = {"element": "#hero"}
    assert post(door, "/rum/faro", faro("lcp", 1600, "v4-1", **context), headers=KEY) == 204
    assert post(door, "/rum/faro", faro("cls", 0, "v4-2"), headers=KEY) == 204
    assert post(door, "/rum/faro", faro("inp", 96, "v4-3"), headers=KEY) == 204
    assert len(door.site.views) == 1  # requests of one session and page are one view
    door.settle()
    for name in ("LCP", "CLS", "INP"):
        assert door.n(name, route="/checkout/:id") == 1
    assert door.cell("LCP", route="/checkout/:id").total == 1.6
    assert list(door.site.hour.elements) == [("LCP", "/checkout/:id", "__other__")]
    assert door.site.lost == 0


def test_of_a_metric_without_a_sequence_the_last_value_wins(door: Door) -> None:
    for value in (0.1, 0.3):
        post(door, "/rum/faro", faro("cls", value, "v4-2"), headers=KEY)
    door.settle()
    assert door.cell("CLS", route="/checkout/:id").total == 0.3


@pytest.mark.parametrize("name", ["lcp", "LCP"])
def test_an_event_of_opentelemetry_is_counted(door: Door, name: str) -> None:
    assert post(door, "/rum/v1/logs", otlp(name, 1600, "v5-1"), headers=KEY) == 204
    assert post(door, "/rum/v1/logs", otlp("inp", 96, "v5-2"), query=b"key=k1&x=1") == 204
    door.settle()
    assert door.n("LCP", route="/checkout/:id") == door.n("INP", route="/checkout/:id") == 1


def test_whole_numbers_of_otlp_may_be_texts(door: Door) -> None:
    body = json.dumps(otlp("lcp", 77777, "v5-1"))
    for i, told in enumerate(('"intValue": "1600"', '"intValue": 1600')):
        sent = body.replace('"doubleValue": 77777', told).replace("v5-1", f"v5-{i}")
        assert post(door, "/rum/v1/logs", sent.encode(), headers=KEY) == 204
    door.settle()
    assert door.n("LCP", route="/checkout/:id") == 2


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/rum/faro", faro("lcp", 1e12, "v4-1")),
        ("/rum/v1/logs", otlp("lcp", 1e12, "v4-1")),
        ("/rum/v1/logs", otlp("lcp", -1, "v4-1")),
    ],
)
def test_the_same_bounds_hold(door: Door, path: str, body: dict[str, Any]) -> None:
    assert post(door, path, body, headers=KEY) == 204
    assert sum(door.site.views.left_out.values()) == 1


def test_the_same_refusals_hold(door: Door) -> None:
    good, evil = faro("lcp", 1600, "v4-1"), {**KEY, "origin": "https://evil.example"}
    assert post(door, "/rum/faro", good, headers={"x-api-key": "k9"}) == 403
    assert post(door, "/rum/faro", good, headers=evil) == 403
    assert post(door, "/rum/faro", b"x" * 65_537, headers=KEY) == 413
    assert post(door, "/rum/faro", b'{"meta":', headers=KEY) == 400
    assert post(door, "/rum/v1/logs", b'{"x":' * 12_000, headers=KEY) == 400
    assert post(door, "/rum/faro", b"{}", headers=KEY) == 204  # logs only: nothing for us
    robot = {**KEY, "user-agent": "HeadlessChrome"}
    assert post(door, "/rum/faro", good, headers=robot) == 204
    refused = {reason: n for reason, n in door.receiver.refused.items() if n}
    assert refused == {
        Refusal.KEY: 1,
        Refusal.ORIGIN: 1,
        Refusal.TOO_LARGE: 1,
        Refusal.MALFORMED: 1,
        Refusal.NESTED: 1,
        Refusal.BOT: 1,
    }


def test_the_preflight_of_their_sdks_is_answered(door: Door) -> None:
    status, headers = door.answer(b"", method="OPTIONS", path="/rum/faro")
    assert (status, headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert "x-api-key" in headers["access-control-allow-headers"]


def test_a_measurement_that_is_no_number_is_passed_over(door: Door) -> None:
    assert post(door, "/rum/faro", faro("lcp", None, "v4-1"), headers=KEY) == 204
    assert len(door.site.views) == 0
