"""What an answer means: samples, or a named reason why there are none."""

import json
import math
from typing import Any

import pytest

from storage.matrix import MOST_WORDS, Outcome, QueryFailure, read, refused
from storage.series import Labels


def matrix(*series: tuple[dict[str, str], list[list[Any]]], **more: Any) -> bytes:
    result = [{"metric": labels, "values": values} for labels, values in series]
    document = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    return json.dumps(document, separators=(",", ":")).encode()


def test_a_matrix_is_read_into_columns() -> None:
    answer = read(
        matrix(
            ({"route": "/cart"}, [[1772452800, "0.25"], [1772452860.5, "1e+06"]]),
            ({"route": "/pay"}, [[1772452860, "-3"]]),
        )
    )
    assert answer.samples.series == (Labels.of(route="/cart"), Labels.of(route="/pay"))
    assert answer.samples.index.tolist() == [0, 0, 1]
    assert answer.samples.at_ms.tolist() == [1772452800000, 1772452860500, 1772452860000]
    assert answer.samples.values.tolist() == [0.25, 1e6, -3.0]
    assert answer.outcome is Outcome.ANSWERED
    assert (answer.partial, answer.warnings) == (False, ())


def test_no_number_is_no_sample_and_infinity_is_one() -> None:
    answer = read(matrix(({}, [[1, "NaN"], [2, "+Inf"], [3, "-Inf"]]), ({"a": "b"}, [[1, "NaN"]])))
    assert answer.samples.values.tolist() == [math.inf, -math.inf]
    assert answer.samples.series == (Labels(),)


def test_nothing_there_is_no_data() -> None:
    assert read(matrix()).outcome is Outcome.NO_DATA
    assert read(matrix(({"a": "b"}, []))).outcome is Outcome.NO_DATA


def test_a_vector_is_read_as_well() -> None:
    result = [{"metric": {"a": "b"}, "value": [1772452800.5, "7"]}]
    body = {"status": "success", "data": {"resultType": "vector", "result": result}}
    answer = read(json.dumps(body).encode())
    assert answer.samples.at_ms.tolist() == [1772452800500]
    assert answer.samples.values.tolist() == [7.0]


def test_an_answer_with_blanks_is_the_same() -> None:
    tight = matrix(({"a": "b"}, [[1, "2"], [3, "NaN"], [4, "+Inf"]]))
    wide = json.dumps(json.loads(tight), indent=2).encode()
    assert wide != tight
    for one in (read(tight), read(wide)):
        assert one.samples.series == (Labels.of(a="b"),)
        assert one.samples.at_ms.tolist() == [1000, 4000]
        assert one.samples.values.tolist() == [2.0, math.inf]


@pytest.mark.parametrize("text", ['"values":[[1,"2"]]', "]]", "\\", '\\"values":[[', "é ☃"])
def test_labels_may_hold_anything(text: str) -> None:
    answer = read(matrix(({"path": text}, [[1, "2"]]), ({"path": "x"}, [[1, "3"]])))
    assert [one.get("path") for one in answer.samples.series] == [text, "x"]
    assert answer.samples.values.tolist() == [2.0, 3.0]


def test_native_histograms_are_passed_over() -> None:
    result = [{"metric": {}, "histograms": [[1, {"count": "3"}]]}]
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}}
    assert read(json.dumps(body).encode()).outcome is Outcome.NO_DATA


@pytest.mark.parametrize(
    ("more", "partial"),
    [
        ({"isPartial": False}, False),
        ({"isPartial": True}, True),
        ({"warnings": ["receive series from Addr: store-1: rpc error"]}, True),
        ({"warnings": ['PromQL warning: bucket label "le" is missing']}, False),
        ({"infos": ["PromQL info: metric might not be a counter"]}, False),
    ],
)
def test_an_answer_that_lacks_data_says_so(more: dict[str, Any], partial: bool) -> None:
    answer = read(matrix(({}, [[1, "2"]]), **more))
    assert answer.partial is partial
    assert list(answer.warnings) == [*more.get("warnings", ()), *more.get("infos", ())]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"<!doctype html><title>Sign in</title>", Outcome.HTML),
        (b"\n <html>", Outcome.HTML),
        (b"", Outcome.INVALID_JSON),
        (b"no healthy upstream", Outcome.INVALID_JSON),
        (matrix(({}, [[1, "2"]]))[:-3], Outcome.INVALID_JSON),
        (matrix(({}, [[1, "2"], [2, "3"]]))[:-14], Outcome.INVALID_JSON),
        (b"[" * 100_000, Outcome.INVALID_JSON),
        (b"[]", Outcome.UNEXPECTED),
        (b'{"status":"success"}', Outcome.UNEXPECTED),
        (b'{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}',
         Outcome.UNEXPECTED),
        (b'{"status":"error","data":{"resultType":"matrix","result":[]}}', Outcome.UNEXPECTED),
        (matrix(({}, [[1, "2;5"]])), Outcome.UNEXPECTED),
        (matrix(({}, [[1, "2", "3"]])), Outcome.UNEXPECTED),
        (b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":3,"values":[]}]}}',
         Outcome.UNEXPECTED),
        (b'{"status":"success","data":{"resultType":"matrix","result":[7]}}', Outcome.UNEXPECTED),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_named(body: bytes, outcome: Outcome) -> None:
    with pytest.raises(QueryFailure) as failure:
        read(body)
    assert failure.value.outcome is outcome


def error(kind: str, text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


@pytest.mark.parametrize(
    ("status", "body", "outcome", "told"),
    [
        (400, error("bad_data", "1:3: parse error: unexpected <by>"), Outcome.BAD_QUERY, "parse"),
        (422, error("execution", "multiple matches for labels"), Outcome.BAD_QUERY, "multiple"),
        (400, error("bad_data", "exceeded maximum resolution of 11,000 points per timeseries."),
         Outcome.TOO_MUCH, "11,000"),
        (422, error("execution", "query processing would load too many samples into memory"),
         Outcome.TOO_MUCH, "samples"),
        (422, error("422", "cannot exceed -search.maxPointsPerTimeseries=30000"),
         Outcome.TOO_MUCH, "30000"),
        (422, error("execution", "the query time range exceeds the limit (err-mimir-max-query)"),
         Outcome.TOO_MUCH, "limit"),
        (413, b"", Outcome.TOO_MUCH, "413"),
        (401, b"", Outcome.AUTH, "credentials"),
        (403, b"", Outcome.PERMISSION, "403"),
        (404, b"404 page not found", Outcome.NOT_FOUND, "path before /api/v1"),
        (405, b"", Outcome.NOT_FOUND, "405"),
        (302, b"", Outcome.REDIRECT, "final URL"),
        (429, error("too_many_requests", "too many outstanding requests"), Outcome.THROTTLED,
         "outstanding"),
        (503, error("timeout", "query timed out in expression evaluation"), Outcome.TIMEOUT,
         "timed out"),
        (503, b"", Outcome.UNAVAILABLE, "503"),
        (502, b"<html>Bad Gateway</html>", Outcome.UNAVAILABLE, "502"),
        (500, error("internal", "expanding series: store unreachable"), Outcome.UNAVAILABLE,
         "unreachable"),
        (504, b"", Outcome.TIMEOUT, "504"),
        (418, b"", Outcome.HTTP_STATUS, "418"),
    ],
)  # fmt: skip
def test_every_status_is_named(status: int, body: bytes, outcome: Outcome, told: str) -> None:
    failure = refused(status, body)
    assert failure.outcome is outcome
    assert told in failure.detail
    assert "<html>" not in failure.detail


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("", None), ("-1", None), ("inf", None), ("nan", None),
     ("Sat, 21 Nov 2026 15:00:00 GMT", None)],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept(status: int, header: str, seconds: float | None) -> None:
    assert refused(status, b"", header).retry_seconds == seconds


def test_what_a_server_says_fits_on_one_line() -> None:
    detail = refused(422, error("execution", "a\nb\x00" + "x" * 5000)).detail
    assert "\n" not in detail
    assert "\x00" not in detail
    assert len(detail) < MOST_WORDS + 20
