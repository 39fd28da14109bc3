"""What a Prometheus-compatible API answered: columns, or a named reason why not. Pure.

An answer of range queries is a hundred thousand pairs `[1700000000,"0.25"]`. They are cut out of
the bytes and read by NumPy, five times faster than as JSON; the rest is JSON and read as that. The
cut is unambiguous: inside of a JSON text every quote has a backslash before it.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from storage.history import Floats, Samples
from storage.series import Labels

MOST_WORDS = 200
_BEGIN, _END = b'"values":[[', b"]]"
_NOT_NUMBERS = b'[]"'
# Annotations of Prometheus 3 that tell of an expression, not of data that is missing.
_REMARK = re.compile(r"PromQL (info|warning)\b", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"too many|exceed|maximum resolution|max-(series|samples|chunks|query)|query length|too large",
    re.IGNORECASE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Outcome(StrEnum):
    """What became of one query; each is a label value of `plimsoll_source_queries_total`."""

    ANSWERED = "answered"
    NO_DATA = "no_data"
    PARTIAL = "partial"
    BAD_QUERY = "bad_query"
    TOO_MUCH = "too_much"
    TOO_LARGE = "too_large"
    TOO_MANY_SERIES = "too_many_series"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    DNS = "dns"
    DENIED = "denied"
    TLS = "tls"
    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    REDIRECT = "redirect"
    HTTP_STATUS = "http_status"
    HTML = "html"
    INVALID_JSON = "invalid_json"
    UNEXPECTED = "unexpected"
    TRUNCATED = "truncated"
    PROTOCOL = "protocol"


SMALLER = frozenset({Outcome.TOO_MUCH, Outcome.TOO_LARGE, Outcome.TIMEOUT})
"""What may go well with a shorter span."""
OF_THE_QUERY = frozenset(
    {
        Outcome.BAD_QUERY,
        Outcome.PARTIAL,
        Outcome.TOO_MUCH,
        Outcome.TOO_LARGE,
        Outcome.TOO_MANY_SERIES,
    }
)
"""What says nothing about other queries."""


class QueryFailure(Exception):  # noqa: N818 - an expected outcome with a reason, not an error
    """A query brought nothing for `outcome`; `detail` is a sentence for people, free of secrets.

    `retry_seconds` is how long the server asked to be left alone, where it did.
    """

    def __init__(self, outcome: Outcome, detail: str, retry_seconds: float | None = None) -> None:
        super().__init__(f"{outcome}: {detail}")
        self.outcome = outcome
        self.detail = detail
        self.retry_seconds = retry_seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query brought; `warnings` in the server's words, `partial` when data is missing."""

    samples: Samples
    warnings: tuple[str, ...] = ()
    partial: bool = False

    @property
    def outcome(self) -> Outcome:
        """Answered, or nothing there."""
        return Outcome.ANSWERED if len(self.samples) else Outcome.NO_DATA


def read(body: bytes) -> Answer:
    """The samples of a matrix or a vector; `QueryFailure` when the body is none of them.

    A value that is no number is no sample, as in a history.
    """
    if body.lstrip()[:1] == b"<":
        raise QueryFailure(Outcome.HTML, "a web page came instead of an answer, as of a login page")
    skeleton, columns = cut(body)
    document = parsed(skeleton)
    data = document.get("data")
    if document.get("status") != "success" or not isinstance(data, dict):
        raise QueryFailure(Outcome.UNEXPECTED, "the answer is JSON, but none of this API")
    rows = data.get("result")
    if data.get("resultType") not in ("matrix", "vector") or not isinstance(rows, list):
        raise QueryFailure(Outcome.UNEXPECTED, "the answer holds neither a matrix nor a vector")
    warnings = tuple(words(one) for one in texts(document.get("warnings")))
    missing = any(not _REMARK.match(one) for one in warnings)
    remarks = tuple(words(one) for one in texts(document.get("infos")))
    partial = missing or document.get("isPartial") is True
    return Answer(samples_of(rows, columns), (*warnings, *remarks), partial)


def cut(body: bytes) -> tuple[bytes, list[bytes]]:
    """The body with each list of pairs replaced by its number, and the lists."""
    pieces: list[bytes] = []
    lists: list[bytes] = []
    position = 0
    while (begin := body.find(_BEGIN, position)) >= 0:
        end = body.find(_END, begin)
        if end < 0:
            raise QueryFailure(Outcome.INVALID_JSON, "the answer ends in the middle")
        pieces += [body[position:begin], b'"values":%d' % len(lists)]
        lists.append(body[begin + len(_BEGIN) : end])
        position = end + len(_END)
    pieces.append(body[position:])
    return b"".join(pieces), lists


def parsed(text: bytes) -> dict[str, Any]:
    """JSON, an object."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise QueryFailure(Outcome.INVALID_JSON, "the answer is no JSON, or ends early") from None
    if not isinstance(document, dict):
        raise QueryFailure(Outcome.UNEXPECTED, "the answer is JSON, but none of this API")
    return document


def samples_of(rows: Iterable[Any], lists: list[bytes]) -> Samples:
    """The columns of all series, in the order of the answer."""
    series: list[Labels] = []
    parts: list[Floats] = []
    try:
        for row in rows:
            if "values" not in row and "value" not in row:
                continue  # native histograms stand under `histograms`
            pairs = pairs_of(row, lists)
            labels = Labels.of({str(name): str(text) for name, text in row["metric"].items()})
            kept = pairs[~np.isnan(pairs[:, 1])]
            if len(kept):
                series.append(labels)
                parts.append(kept)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, DeprecationWarning):
        raise QueryFailure(Outcome.UNEXPECTED, "a series of the answer cannot be read") from None
    if not parts:
        return Samples.of(())
    whole = np.concatenate(parts)
    return Samples(
        tuple(series),
        np.repeat(np.arange(len(parts)), [len(one) for one in parts]),
        np.rint(whole[:, 0] * 1000).astype(np.int64),
        np.ascontiguousarray(whole[:, 1]),
    )


def pairs_of(row: Mapping[str, Any], lists: list[bytes]) -> Floats:
    """Times in seconds and values of one series, a row each."""
    if "value" in row:
        return np.array([[float(one) for one in row["value"]]], np.float64).reshape(1, 2)
    values = row["values"]
    if isinstance(values, list):  # written with blanks, so not cut out
        return np.array([[float(at), float(one)] for at, one in values]).reshape(-1, 2)
    text = lists[values]
    count = text.count(b",") + 1
    plain = text.translate(None, _NOT_NUMBERS).decode("ascii")
    numbers = np.fromstring(plain, np.float64, count=-1, sep=",")
    if len(numbers) != count:
        raise ValueError("something stands between the numbers")
    return numbers.reshape(-1, 2)


def refused(status: int, body: bytes, retry_after: str = "") -> QueryFailure:
    """Why a status is not 200, in the server's words where it speaks this API."""
    kind, said = error_of(body)
    told = f"answered {status}" + (f": {said}" if said else "")
    match status:
        case 401:
            return QueryFailure(Outcome.AUTH, "answered 401: it wants other credentials")
        case 403:
            return QueryFailure(Outcome.PERMISSION, told)
        case 404 | 405 | 410:
            hint = "" if said else ": is the path before /api/v1 right?"
            return QueryFailure(Outcome.NOT_FOUND, told + hint)
        case 429:
            return QueryFailure(Outcome.THROTTLED, told, seconds_of(retry_after))
        case _ if 300 <= status < 400:
            return QueryFailure(
                Outcome.REDIRECT,
                f"answered {status}: redirects are not followed, give the final URL",
            )
        case _ if kind in ("timeout", "canceled") or status in (408, 504):
            return QueryFailure(Outcome.TIMEOUT, told)
        case 413:
            return QueryFailure(Outcome.TOO_MUCH, told)
        case 400 | 422:
            much = _TOO_MUCH.search(said)
            return QueryFailure(Outcome.TOO_MUCH if much else Outcome.BAD_QUERY, told)
        case _ if status >= 500:
            return QueryFailure(Outcome.UNAVAILABLE, told, seconds_of(retry_after))
    return QueryFailure(Outcome.HTTP_STATUS, told)


def error_of(body: bytes) -> tuple[str, str]:
    """The type and the text of an error of this API; empty where it is something else."""
    try:
        document = json.loads(body)
        return str(document.get("errorType", "")), words(document.get("error", ""))
    except (ValueError, AttributeError, RecursionError):
        return "", ""


def seconds_of(retry_after: str) -> float | None:
    """Retry-After in seconds; a date is not understood, since nobody here knows the time."""
    try:
        seconds = float(retry_after)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def texts(value: object) -> Iterator[str]:
    """The texts of a list; of anything else none."""
    if isinstance(value, list):
        yield from (str(one) for one in value)


def words(value: object) -> str:
    """What a server said, fit for one line."""
    plain = _CONTROL.sub(" ", str(value)).strip()
    return plain if len(plain) <= MOST_WORDS else plain[: MOST_WORDS - 1] + "…"
