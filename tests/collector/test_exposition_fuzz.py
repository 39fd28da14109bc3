"""The fast path against the official parser: the same samples, the same refusals."""

import math
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from collector import template
from collector.config import Limits
from collector.exposition import Exposition
from collector.failure import CollectFailure, Failure
from storage.series import NAME, Labels

TEXT = "text/plain; version=0.0.4"
Read = list[tuple[Labels, float]] | None

names = st.sampled_from(["a", "b_total", "c_bucket", "é", "a:b", "1a", "", "_"])
blanks = st.sampled_from([" ", " ", " ", "  ", "\t", " \t", "\u00a0", "", " \x0b", "\x1c"])
texts = st.text(alphabet='xy ,={}"\\#\t\x0bé\r', max_size=6)
values = st.one_of(
    st.sampled_from(
        ["0", "1", "-1", "+1", "1.5", "NaN", "nan", "+Inf", "-Inf", "inf", "Infinity", "1e400"]
    ),
    st.sampled_from(["1_0", "_1", "1_", "0x1", "٣", "1e3", ".5", "5.", "-0", "007", "x"]),
    st.sampled_from(["", "9" * 25, "9" * 500, "1 2", "5 5 7", "1\t2", "1 # {} 1", "#", '5"}7']),
    st.floats().map(repr),
    st.integers().map(str),
)
pairs = st.builds(
    lambda name, equals, quote, text, end: f"{name}{equals}{quote}{text}{end}",
    st.sampled_from(["l", "m", "le", "__name__", '"q r"', "é", ""]),
    st.sampled_from(["=", "=", "=", " = ", "", "=="]),
    st.sampled_from(['"', '"', '"', "", "'"]),
    texts,
    st.sampled_from(['"', '"', '"', "", '\\"']),
)
labels = st.one_of(
    st.just(""),
    st.lists(pairs, max_size=3).map(lambda found: "{" + ",".join(found) + "}"),
    st.sampled_from(["{", "}", "{}", "{,}", '{l="x",}', '{"a"}', '{"a",l="x"}']),
)
samples = st.builds(
    lambda lead, name, found, gap, value, gap2, time, end: (
        f"{lead}{name}{found}{gap}{value}{gap2 + time if time else ''}{end}"
    ),
    st.sampled_from(["", "", "", " ", "\t"]),
    names,
    labels,
    blanks,
    values,
    blanks,
    st.sampled_from(["", "", "", "1395066363000", "-5", "x", "1.5", "5 5"]),
    st.sampled_from(["", "", "", "\r", " ", "\t"]),
)
comments = st.sampled_from(
    ["", "#", "# x", "# HELP a b", "# TYPE a counter", "# TYPE b_total counter", "# TYPE a",
     "# TYPE é gauge", "#TYPE a gauge", "# HELP", " # HELP a", "# TYPE a histogram x", "\x1c"]
)  # fmt: skip
lines = st.one_of(samples, samples, samples, comments)


def officially(text: str) -> Read:
    """The official parser alone, on the whole page.

    Without the comment lines' effect: they are checked one by one, since `# TYPE a counter` makes
    the parser call its samples `a_total`.
    """
    found: list[tuple[Labels, float]] = []
    seen: set[Labels] = set()
    try:
        text = text.encode().decode()
        parts = text.split("\n")
        for part in parts:
            if part.strip().startswith("#"):
                list(text_string_to_metric_families(part))
        page = "\n".join(part for part in parts if not part.strip().startswith("#"))
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                key = Labels.of(sample.labels, **{NAME: sample.name, "target": "t"})
                try:
                    value = float(sample.value)
                except OverflowError:
                    value = math.inf if sample.value > 0 else -math.inf
                if key not in seen:
                    seen.add(key)
                    found.append((key, value))
    except Exception:
        return None
    return found


def ours(page: Exposition, text: str) -> Read:
    try:
        got = page.read(text.encode(), TEXT, 0).samples
    except CollectFailure:
        return None
    return [(got.series[i], float(v)) for i, v in zip(got.index, got.values, strict=True)]


def same(one: Read, other: Read) -> bool:
    if one is None or other is None:
        return one is other
    return [key for key, _ in one] == [key for key, _ in other] and all(
        a == b or (math.isnan(a) and math.isnan(b))
        for (_, a), (_, b) in zip(one, other, strict=True)
    )


def fresh() -> Exposition:
    limits = Limits.model_validate(
        {"label_value_bytes": 100_000}
    )  # what is parsed, not what is kept
    return Exposition({"target": "t"}, limits)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(lines, max_size=6), min_size=1, max_size=4))
@example([["a 5 5 7"], ["a 5 9"]])
@example([["a 1"], ["a 1_0"]])
@example([["a 1"], ["a 5\t1234"]])
@example([["a 1"], ["a  1234"], ["a 1 1234"]])
@example([['a{l="x} 1'], ['a{l="x 1"} 2']])
@example([["a\u00a0 1"], ["a\u00a0 2"]])
@example([["a 1 5"], ["a 2 x"], ["a 3 6"]])
@example([[" NaN"], [" 0"]])
def test_page_after_page_both_read_the_same_and_refuse_the_same(pages: list[list[str]]) -> None:
    memory = fresh()
    for rows in pages:
        text = "\n".join(rows)
        if text.lstrip()[:1] == "<":
            continue
        wanted = officially(text)
        assert same(ours(memory, text), wanted), text
        assert same(ours(memory, text), wanted), f"warm: {text}"
        assert same(ours(memory, text), wanted), f"hot: {text}"


def changed(row: str, how: int, value: str) -> list[str]:
    """A line of a page some time later: mostly another value, sometimes anything."""
    head, blank, tail = row.rpartition(" ")
    others = [[row], [row, row], [], [f"{row} "], [f"{row}\n"], [f" {row}"]]
    others += [[f"{head}  {tail}"], [f"{head}x {tail}"], [f"{head} 1 {tail}"]]
    return others[how] if how < len(others) else [f"{head}{blank}{value}"]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.one_of(lines, st.sampled_from(["a 1", "b_total 2", 'c_bucket{l="x y"} 3'])), max_size=6
    ),
    st.sampled_from([1, 8, 64]),
    st.data(),
)
def test_a_page_that_came_before_with_other_ends_means_what_the_parser_says(
    rows: list[str], piece_bytes: int, data: st.DataObject
) -> None:
    memory = fresh()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(template, "PIECE_BYTES", piece_bytes)
        for _ in range(2):
            ours(memory, "\n".join(rows))
        for _ in range(3):
            draws = [(row, data.draw(st.integers(0, 40)), data.draw(values)) for row in rows]
            text = "\n".join(line for one in draws for line in changed(*one))
            if not re.match(r"\s*<", text):
                assert same(ours(memory, text), officially(text)), text


@settings(max_examples=200, deadline=None)
@given(st.lists(samples, min_size=1, max_size=4), st.data())
def test_a_known_head_before_any_other_tail_means_what_the_parser_says(
    rows: list[str], data: st.DataObject
) -> None:
    """Teach it each line alone, then change what stands behind the last blank."""
    memory = fresh()
    for row in rows:
        ours(memory, row)
    for row in rows:
        head = row.rpartition(" ")[0]
        tail = data.draw(st.one_of(values, st.text(max_size=4)))
        text = f"{head} {tail}"
        if not re.match(r"\s*<", text):
            assert same(ours(memory, text), officially(text)), text


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    page, reasons = fresh(), set[Failure]()
    for _ in range(2):
        try:
            page.read(body, TEXT, 0)
        except CollectFailure as failure:
            reasons.add(failure.reason)
    assert reasons <= {Failure.PARSE}
