"""What is read from a page, and what is refused."""

import math
from collections.abc import Mapping

import pytest

from collector.config import Limits
from collector.exposition import Exposition
from collector.failure import CollectFailure, Failure
from collector.lines import FORGET_AFTER_MS
from collector.source import Collected, Drop

TEXT = "text/plain; version=0.0.4"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
NOW = 1_760_000_000_000


def exposition(
    limits: Mapping[str, int] | None = None,
    *,
    added: Mapping[str, str] | None = None,
    allow: str | None = None,
    any_content_type: bool = False,
) -> Exposition:
    return Exposition(
        {"target": "shop", **(added or {})},
        Limits.model_validate(limits or {}),
        allow=allow,
        any_content_type=any_content_type,
    )


def table(collected: Collected) -> dict[str, float]:
    samples = collected.samples
    assert len(set(samples.series)) == len(samples.series)
    return {
        str(samples.series[i]): float(value)
        for i, value in zip(samples.index.tolist(), samples.values, strict=True)
    }


def read(text: str, content_type: str = TEXT) -> dict[str, float]:
    """Read a page twice, so that both ways are taken."""
    page = exposition()
    cold = table(page.read(text.encode(), content_type, NOW))
    warm = table(page.read(text.encode(), content_type, NOW + 15_000))
    assert repr(cold) == repr(warm)
    return cold


def test_a_page_of_all_metric_kinds_keeps_the_names_of_its_samples() -> None:
    text = """\
# HELP http_request_duration_seconds How long.
# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.1"} 3
http_request_duration_seconds_bucket{le="+Inf"} 4
http_request_duration_seconds_sum 0.5
http_request_duration_seconds_count 4
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} NaN
rpc_seconds_sum 1.5e-3
# TYPE requests_total counter
requests_total{path="/a b",method="GET"} 1027
# TYPE pg_stat_database_xact_commit counter
pg_stat_database_xact_commit{datname="shop"} 12
memory_bytes -Inf
"""
    found = read(text)
    assert math.isnan(found.pop('rpc_seconds{quantile="0.5",target="shop"}'))
    assert found == {
        'http_request_duration_seconds_bucket{le="0.1",target="shop"}': 3.0,
        'http_request_duration_seconds_bucket{le="+Inf",target="shop"}': 4.0,
        'http_request_duration_seconds_sum{target="shop"}': 0.5,
        'http_request_duration_seconds_count{target="shop"}': 4.0,
        'rpc_seconds_sum{target="shop"}': 0.0015,
        'requests_total{method="GET",path="/a b",target="shop"}': 1027.0,
        'pg_stat_database_xact_commit{datname="shop",target="shop"}': 12.0,
        'memory_bytes{target="shop"}': -math.inf,
    }


def test_every_sample_is_as_old_as_the_scrape_whatever_the_page_says() -> None:
    page = exposition()
    for at_ms in (NOW, NOW + 15_000):
        collected = page.read(b'a 1 1395066363000\nb 2\nc{d="e"} 3 1\n', TEXT, at_ms)
        assert collected.samples.at_ms.tolist() == [at_ms] * 3
        assert collected.samples.values.tolist() == [1, 2, 3]


def test_a_known_line_is_read_again_with_its_new_value() -> None:
    page = exposition()
    for value in ("1", "2.5", "+Inf", "1e3", "-7"):
        body = f'# TYPE a gauge\na{{b="c d"}} {value}\n'.encode()
        assert table(page.read(body, TEXT, NOW)) == {'a{b="c d",target="shop"}': float(value)}


def test_escaped_quotes_line_ends_and_braces_stay_in_the_value() -> None:
    found = read('a{b="say \\"hi\\", {x} \\\\ \\n end"} 1\r\n')
    assert list(found) == ['a{b="say \\"hi\\", {x} \\\\ \\n end",target="shop"}']


def test_an_empty_label_is_no_label() -> None:
    assert read('a{b="",c="d"} 1\n') == {'a{c="d",target="shop"}': 1.0}


def test_an_empty_page_is_a_page_without_samples() -> None:
    assert read("") == {}
    assert read("# only a comment\n\n") == {}


def test_a_label_that_collides_with_ours_is_kept_as_exported() -> None:
    page = exposition(added={"env": "prod"})
    body = b'up{target="db",exported_target="x",env="test"} 1\nup{target="",env="a"} 2\n'
    assert table(page.read(body, TEXT, NOW)) == {
        'up{env="prod",exported_env="test",exported_exported_target="db",exported_target="x",'
        'target="shop"}': 1.0,
        'up{env="prod",exported_env="a",target="shop"}': 2.0,
    }


def test_of_a_series_that_stands_twice_the_first_line_counts() -> None:
    page = exposition()
    for _ in range(2):
        collected = page.read(b'a{b="1",c="2"} 1\nd 3\na{c="2",b="1"} 2\n', TEXT, NOW)
        assert collected.samples.values.tolist() == [1, 3]
        assert collected.dropped == {Drop.DUPLICATE: 1}


@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html></html>",
        b"\n <?xml version='1.0'?>",
        b'{"status": "ok"}',
        b'a{b="\xff"} 1\n',
        b"# TYPE a gauge \xff\na 1\n",
        b"a\n",
        b"a one\n",
        b"a 1_000\n",
        b'a{b="c} 1\n',
        b'a{b="c",b="d"} 1\n',
        b"1a 5\n",
        b"# TYPE 1a gauge\n",
        b"\x00\x01\x02",
        b"a 1 later\n",
    ],
)
def test_what_is_no_page_is_refused_as_parse_also_after_a_good_one(body: bytes) -> None:
    page = exposition()
    for _ in range(2):
        with pytest.raises(CollectFailure) as caught:
            page.read(body, TEXT, NOW)
        assert caught.value.reason is Failure.PARSE
        page.read(b'a 1\na{b="c"} 1\n', TEXT, NOW)


def test_the_message_names_the_line_and_never_quotes_it() -> None:
    with pytest.raises(CollectFailure, match="line 3 is not in the text format") as caught:
        exposition().read(b"a 1\nb 2\npassword hunter2\n", TEXT, NOW)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "kind", ["text/html", "application/json", "application/vnd.google.protobuf"]
)
def test_a_wrong_content_type_is_refused_unless_the_target_says_otherwise(kind: str) -> None:
    with pytest.raises(CollectFailure, match="any_content_type"):
        exposition().read(b"a 1\n", kind, NOW)
    page = exposition(any_content_type=True)
    assert table(page.read(b"a 1\n", kind, NOW)) == {'a{target="shop"}': 1.0}


@pytest.mark.parametrize("kind", ["", "text/plain", "Text/Plain; charset=utf-8"])
def test_text_is_read_without_a_version_too(kind: str) -> None:
    assert table(exposition().read(b"a 1\n", kind, NOW)) == {'a{target="shop"}': 1.0}


def test_openmetrics_is_read_with_its_own_parser() -> None:
    text = (
        '# TYPE a counter\na_total{b="c"} 5 1.5 # {trace_id="x"} 1\na_created{b="c"} 1 1.5\n# EOF\n'
    )
    assert read(text, OPENMETRICS) == {
        'a_total{b="c",target="shop"}': 5.0,
        'a_created{b="c",target="shop"}': 1.0,
    }
    with pytest.raises(CollectFailure) as caught:
        exposition().read(b"a_total 5\n", OPENMETRICS, NOW)  # no EOF
    assert caught.value.reason is Failure.PARSE


def test_a_native_histogram_is_left_out_and_counted() -> None:
    text = (
        "# TYPE a histogram\n"
        "a {count:24,sum:100,schema:0,zero_threshold:0.001,zero_count:4,positive_spans:[0:2,1:2],"
        "positive_deltas:[2,1,-3,3]}\n# EOF\n"
    )
    collected = exposition().read(text.encode(), OPENMETRICS, NOW)
    assert len(collected.samples) == 0
    assert collected.dropped == {Drop.NATIVE_HISTOGRAM: 1}


@pytest.mark.parametrize("content_type", [TEXT, OPENMETRICS])
def test_samples_beyond_the_limit_are_left_out_and_counted(content_type: str) -> None:
    page = exposition({"samples": 3})
    body = b"# TYPE a gauge\n" + b"".join(b'a{b="%d"} 1\n' % i for i in range(10))
    for _ in range(2):
        collected = page.read(
            body + (b"# EOF\n" if content_type != TEXT else b""), content_type, NOW
        )
        assert len(collected.samples) == 3
        assert collected.dropped == {Drop.SAMPLES: 7}


def test_series_beyond_the_limit_are_left_out_while_the_known_ones_go_on() -> None:
    page = exposition({"series": 2})
    page.read(b'a{b="1"} 1\na{b="2"} 2\n', TEXT, NOW)
    for at_ms in (NOW + 15_000, NOW + 30_000):
        collected = page.read(b'a{b="3"} 3\na{b="2"} 2\na{b="1"} 1\n', TEXT, at_ms)
        assert collected.samples.values.tolist() == [2, 1]
        assert collected.dropped == {Drop.SERIES: 1}


def test_a_series_that_is_gone_makes_room_after_five_minutes_and_not_before() -> None:
    page = exposition({"series": 2})
    page.read(b'a{b="1"} 1\na{b="2"} 2\n', TEXT, NOW)
    body = b'a{b="3"} 3\na{b="2"} 2\n'
    early = page.read(body, TEXT, NOW + FORGET_AFTER_MS)
    assert early.samples.values.tolist() == [2]
    late = page.read(body, TEXT, NOW + FORGET_AFTER_MS + 1)
    assert table(late) == {'a{b="3",target="shop"}': 3.0, 'a{b="2",target="shop"}': 2.0}
    assert late.dropped == {}
    again = page.read(b'a{b="2"} 5\na{b="1"} 6\na{b="3"} 7\n', TEXT, NOW + FORGET_AFTER_MS + 2)
    assert table(again) == {'a{b="3",target="shop"}': 7.0, 'a{b="2",target="shop"}': 5.0}


def test_too_many_labels_or_too_long_ones_cost_the_series_alone() -> None:
    page = exposition({"labels": 2, "label_value_bytes": 8})
    body = 'a{b="1",c="2",d="3"} 1\na{b="äöüß"} 2\na{b="äöüß1"} 3\na 4\n'.encode()
    for _ in range(2):
        collected = page.read(body, TEXT, NOW)
        assert collected.samples.values.tolist() == [2, 4]
        assert collected.dropped == {Drop.LABELS: 1, Drop.LABEL_VALUE: 1}


def test_a_name_is_no_longer_than_a_value_may_be() -> None:
    page = exposition({"label_value_bytes": 8})
    body = b'a{seven_7="x"} 1\na{nine_999_="x"} 2\nlonger_than_8 3\n'
    for _ in range(2):
        collected = page.read(body, TEXT, NOW)
        assert collected.samples.values.tolist() == [1]
        assert collected.dropped == {Drop.LABEL_VALUE: 2}


@pytest.mark.parametrize(
    ("line", "allow"),
    [
        (b'a{b="%d"} 1', None),
        (b'a {b="x"}%*s 1', None),
        (b"# comment %d", None),
        (b'a{b="c",d="e",f="%d"} 1', None),
        (b"metric_%d 1", "nothing"),
    ],
)
def test_lines_that_are_new_every_time_do_not_fill_the_memory(
    line: bytes, allow: str | None
) -> None:
    page = exposition({"body_bytes": 5000, "labels": 2}, allow=allow)
    most = 0
    for number in range(200):
        text = line % (number % 90, b"") if b"*" in line else line % number
        page.read(text + b"\nkept 1\n", TEXT, NOW)
        most = max(most, page.remembered_bytes)
    assert 5000 < most <= 20_000


def test_what_is_left_out_for_its_labels_still_counts_as_work() -> None:
    page = exposition({"samples": 5, "labels": 1})
    body = b"".join(b'a{b="%d",c="d"} 1\n' % i for i in range(10)) + b"good 1\n"
    for _ in range(2):
        collected = page.read(body, TEXT, NOW)
        assert collected.dropped == {Drop.LABELS: 5, Drop.SAMPLES: 6}


def test_only_allowed_metrics_are_read_with_or_without_their_suffix() -> None:
    page = exposition(allow="http_requests|rpc_seconds|up")
    body = (
        b'http_requests_total{a="b"} 1\nrpc_seconds_bucket{le="1"} 2\nrpc_seconds_count 3\n'
        b"upper 4\nup 5\nsome garbage that nobody reads\n"
    )
    for _ in range(2):
        collected = page.read(body, TEXT, NOW)
        assert collected.samples.values.tolist() == [1, 2, 3, 5]
        assert collected.dropped == {}


def test_a_line_whose_name_cannot_be_seen_at_once_goes_to_the_parser_before_it_is_left_out() -> (
    None
):
    page = exposition(allow="kept")
    assert table(page.read(b'{"kept"} 1\n{"other"} 2\n', TEXT, NOW)) == {'kept{target="shop"}': 1.0}
    with pytest.raises(CollectFailure):
        page.read(b"kept 1\n!!!\n", TEXT, NOW)


@pytest.mark.parametrize("allow", [None, "a|b|c"])
def test_a_page_that_was_seen_needs_the_official_parser_no_more(
    monkeypatch: pytest.MonkeyPatch, allow: str | None
) -> None:
    page = exposition({"labels": 1}, allow=allow)
    body = (
        b'# HELP a b\n# TYPE a counter\n\na 1\na{d="e"} 2 1395066363000\nb{d="e f"} 3\r\n'
        b'c{d="1",e="2"} 4\nc{d="1",e="2"} 4 1395066363000\n'
    )
    cold = page.read(body, TEXT, NOW)

    def forbidden(line: bytes, _number: int) -> None:
        pytest.fail(f"parsed again: {line!r}")

    monkeypatch.setattr("collector.lines.official", forbidden)
    monkeypatch.setattr("collector.exposition.official", forbidden)
    warm = page.read(body, TEXT, NOW)
    assert table(warm) == table(cold)
    assert warm.dropped == cold.dropped == {Drop.LABELS: 2}


def test_allowing_is_done_before_the_limit_counts() -> None:
    page = exposition({"samples": 2}, allow="kept")
    body = b'other{a="1"} 1\n' * 5 + b"kept 1\n" + b'kept{a="1"} 1\n' + b"other 1\n"
    assert page.read(body, TEXT, NOW).dropped == {}
    assert len(page.read(body, TEXT, NOW).samples) == 2


def test_a_number_too_large_for_a_float_is_infinite() -> None:
    assert read(f"a 1{'0' * 400}\nb -1{'0' * 400}\n") == {
        'a{target="shop"}': math.inf,
        'b{target="shop"}': -math.inf,
    }


def test_pages_with_the_same_lines_share_their_series() -> None:
    page = exposition()
    read = [
        page.read(b'# HELP a b\na{l="x y"} %d\nb %d\n' % (n, 2 * n), TEXT, NOW + n).samples
        for n in range(4)
    ]
    assert all(one.series is read[0].series and one.index is read[0].index for one in read)
    assert [one.values.tolist() for one in read] == [[0, 0], [1, 2], [2, 4], [3, 6]]
    assert [one.at_ms.tolist() for one in read] == [[NOW + n] * 2 for n in range(4)]
    other = page.read(b"b 7\n", TEXT, NOW).samples
    assert [str(one) for one in other.series] == ['b{target="shop"}']


def test_what_is_left_out_is_counted_on_every_page_alike() -> None:
    page = exposition({"labels": 1}, allow="a|b|c")
    body = b'a 1\na 2\nb{x="1",y="2"} 3\nunwanted 4\nc 5 \n'
    for number in range(5):
        collected = page.read(body.replace(b"4", b"%d x" % number), TEXT, NOW)
        assert collected.dropped == {Drop.DUPLICATE: 1, Drop.LABELS: 1}
        assert list(table(collected).values()) == [1.0, 5.0]


def test_a_series_that_was_given_up_does_not_come_back_under_another_name() -> None:
    page = exposition({"series": 2})
    for number in range(3):
        page.read(b"a 1\nb 2\n", TEXT, NOW + number)
    later = NOW + FORGET_AFTER_MS + 60_000
    assert table(page.read(b"c 3\n", TEXT, later)) == {'c{target="shop"}': 3.0}
    assert table(page.read(b"c 4\na 1\n", TEXT, later)) == {
        'c{target="shop"}': 4.0,
        'a{target="shop"}': 1.0,
    }
    assert table(page.read(b"a 1\nb 2\n", TEXT, later)) == {'a{target="shop"}': 1.0}
