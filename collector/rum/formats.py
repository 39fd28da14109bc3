"""Payloads of other SDKs as beacons: Grafana Faro, and OpenTelemetry's `browser.web_vital` events.

One parser each, into the same shape, so that every limit and guard holds for them too. Neither has
a sequence: what comes last of a metric's id wins, and lost requests cannot be told. Neither groups
addresses into routes, so those with ids in them end up in `__other__` unless templates are
configured.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct, field

from collector.rum.beacon import MOST_METRICS, Attribution, Beacon, Metric
from collector.rum.refusal import Refusal, RefusedError
from collector.rum.vitals import VITALS

MOST_FOREIGN_BYTES = 64 * 1024
UNNUMBERED = -1
"""The sequence of a beacon that has none; `views` numbers them as they come."""
EVENT = "browser.web_vital"
MOST_ITEMS = 500

Numbers = dict[str, float | None]
Texts = dict[str, str | None]


class FaroApp(Struct, gc=False):
    """Whose page it is."""

    version: str = ""


class FaroPage(Struct, gc=False):
    """Where it is; `id` is the page's template where the site gives one."""

    url: str = ""
    id: str = ""


class FaroSession(Struct, gc=False):
    """The session, as a random id."""

    id: str = ""


class FaroBrowser(Struct, gc=False):
    """The browser; Faro tells `mobile` by the user agent."""

    mobile: bool = False


class FaroMeta(Struct):
    """What holds for all items."""

    app: FaroApp = field(default_factory=FaroApp)
    page: FaroPage = field(default_factory=FaroPage)
    session: FaroSession = field(default_factory=FaroSession)
    browser: FaroBrowser = field(default_factory=FaroBrowser)


class FaroMeasurement(Struct):
    """One measurement: `values` holds the vital under its name in lower case."""

    type: str = ""
    values: Numbers = field(default_factory=dict)
    context: Texts = field(default_factory=dict)


class FaroBody(Struct):
    """One request of Faro; logs, events, exceptions and traces are not read."""

    meta: FaroMeta = field(default_factory=FaroMeta)
    measurements: Annotated[list[FaroMeasurement], Meta(max_length=MOST_ITEMS)] = field(
        default_factory=list
    )


class AnyValue(Struct, rename="camel"):
    """A value of OTLP; integers are strings in its JSON, and some exporters write numbers."""

    string_value: str = ""
    double_value: float | None = None
    int_value: int | str | None = None
    bool_value: bool = False


class KeyValue(Struct):
    """One attribute."""

    key: str
    value: AnyValue = field(default_factory=AnyValue)


class LogRecord(Struct, rename="camel"):
    """One log record; an event where it has a name."""

    event_name: str = ""
    attributes: list[KeyValue] = field(default_factory=list)


class ScopeLogs(Struct, rename="camel"):
    """The records of one instrumentation."""

    log_records: Annotated[list[LogRecord], Meta(max_length=MOST_ITEMS)] = field(
        default_factory=list
    )


class Resource(Struct):
    """Who tells it."""

    attributes: list[KeyValue] = field(default_factory=list)


class ResourceLogs(Struct, rename="camel"):
    """The records of one page."""

    resource: Resource = field(default_factory=Resource)
    scope_logs: Annotated[list[ScopeLogs], Meta(max_length=MOST_ITEMS)] = field(
        default_factory=list
    )


class OtlpBody(Struct, rename="camel"):
    """One request of an OTLP exporter."""

    resource_logs: Annotated[list[ResourceLogs], Meta(max_length=MOST_ITEMS)] = field(
        default_factory=list
    )


_faro = msgspec.json.Decoder(FaroBody)
_otlp = msgspec.json.Decoder(OtlpBody)


def faro(body: bytes, key: str) -> Iterator[Beacon]:
    """The beacons in a request of Faro, one at most; `RefusedError` where it is none."""
    sent: FaroBody = _decoded(_faro, body)
    meta = sent.meta
    found = [
        Metric(
            name=name.upper(),
            id=(one.context.get("id") or f"{name}-unnamed")[:64],
            value=value,
            navigation=(one.context.get("navigation_type") or "navigate")[:24],
            route=_path(meta.page.id if meta.page.id.startswith("/") else meta.page.url),
            attribution=_element(
                one.context.get("element") or one.context.get("interaction_target")
            ),
        )
        for one in sent.measurements
        if one.type == "web-vitals"
        for name, value in one.values.items()
        if value is not None and name.upper() in VITALS
    ]
    if found:
        view = _view("faro", meta.session.id, meta.page.url)
        device = "m" if meta.browser.mobile else "d"
        yield _beacon(key, view, found, release=meta.app.version, device=device)


def otlp(body: bytes, key: str) -> Iterator[Beacon]:
    """The beacons in a request of OTLP/HTTP, one a resource; `RefusedError` where it is none."""
    sent: OtlpBody = _decoded(_otlp, body)
    for one in sent.resource_logs:
        about = _attributes(one.resource.attributes)
        records = [
            _attributes(record.attributes)
            for scope in one.scope_logs
            for record in scope.log_records
            if EVENT in (record.event_name, _attributes(record.attributes).get("event.name"))
        ]
        found = [metric for record in records if (metric := _metric(record)) is not None]
        if found:
            session = next((str(r["session.id"]) for r in records if "session.id" in r), "")
            view = _view("otlp", session or str(about.get("session.id", "")), found[0].id)
            device = "m" if about.get("browser.mobile") is True else "d"
            release = str(about.get("service.version", ""))
            yield _beacon(key, view, found, release=release, device=device)


Decoded = TypeVar("Decoded")


def _decoded(decoder: "msgspec.json.Decoder[Decoded]", body: bytes) -> Decoded:
    try:
        return decoder.decode(body)
    except RecursionError:
        raise RefusedError(Refusal.NESTED) from None
    except (msgspec.MsgspecError, ValueError):
        raise RefusedError(Refusal.MALFORMED) from None


def _beacon(key: str, view: str, metrics: list[Metric], *, release: str, device: str) -> Beacon:
    return Beacon(
        version=1,
        key=key,
        view=view,
        sequence=UNNUMBERED,
        metrics=metrics[:MOST_METRICS],
        release=release[:64],
        device="m" if device == "m" else "d",
    )


def _metric(record: Mapping[str, str | float | bool]) -> Metric | None:
    value, name = record.get(f"{EVENT}.value"), str(record.get(f"{EVENT}.name", "")).upper()
    if isinstance(value, str | bool | None) or name not in VITALS:
        return None
    url = record.get("url.full") or record.get("url.path") or "/"
    return Metric(
        name=name,
        id=(str(record.get(f"{EVENT}.id", "")) or f"{name}-unnamed")[:64],
        value=float(value),
        navigation=str(record.get(f"{EVENT}.navigation_type", "navigate"))[:24],
        route=_path(str(url)),
    )


def _attributes(pairs: list[KeyValue]) -> dict[str, str | float | bool]:
    found: dict[str, str | float | bool] = {}
    for one in pairs:
        value = one.value
        if value.double_value is not None:
            found[one.key] = value.double_value
        elif isinstance(value.int_value, int) or (value.int_value or "").isdecimal():
            found[one.key] = float(value.int_value or 0)
        elif value.bool_value:
            found[one.key] = True
        else:
            found[one.key] = value.string_value
    return found


def _element(said: str | None) -> Attribution | None:
    return Attribution(element=said[-80:]) if said else None


def _path(url: str) -> str:
    """The path of an address; `/` where it has none or is none."""
    try:
        path = urlsplit(url).path
    except ValueError:
        return "/"
    return path[:200] or "/"


def _view(*what: str) -> str:
    """An id of a page view made of what is known of it; not to be turned back into that."""
    return blake2b("\0".join(what).encode("utf-8", "replace"), digest_size=12).hexdigest()
