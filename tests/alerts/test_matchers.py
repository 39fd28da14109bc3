"""Matchers in both grammars of Alertmanager, and what no matcher is."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.matchers import MatcherError, in_order, matches, parse, parse_one, shown
from storage.series import Match, Matcher

EQ, NE, RE, NR = Match.EQUAL, Match.NOT_EQUAL, Match.REGEX, Match.NOT_REGEX

# Most are from the documentation and the tests of Alertmanager (Apache-2.0).
READ = [
    ("foo=bar", [("foo", EQ, "bar")]),
    (' foo = "bar" ', [("foo", EQ, "bar")]),
    ('{foo="bar"}', [("foo", EQ, "bar")]),
    ('foo!="bar"', [("foo", NE, "bar")]),
    ('foo=~"[a-z]+"', [("foo", RE, "[a-z]+")]),
    ('foo!~"5.."', [("foo", NR, "5..")]),
    ("foo=", [("foo", EQ, "")]),
    ('foo=""', [("foo", EQ, "")]),
    ('{foo = "bar", dings != "bums", }', [("foo", EQ, "bar"), ("dings", NE, "bums")]),
    ("foo=bar,dings!=bums", [("foo", EQ, "bar"), ("dings", NE, "bums")]),
    ('quote="She said: \\"Hi, ladies!\\""', [("quote", EQ, 'She said: "Hi, ladies!"')]),
    ("statuscode=~5..", [("statuscode", RE, "5..")]),
    ("foo=~.*=~.*", [("foo", RE, ".*=~.*")]),
    ("tricky=~~=!=~", [("tricky", RE, "~=!=~")]),
    (r"foo=\n", [("foo", EQ, "\n")]),
    (r"foo=\t", [("foo", EQ, r"\t")]),
    (r"foo=b\"ar\\", [("foo", EQ, 'b"ar\\')]),
    # Only the newer grammar reads these.
    ('"föö"="bär"', [("föö", EQ, "bär")]),
    ("föö=bar", [("föö", EQ, "bar")]),
    ('{"foo bar"="b,z"}', [("foo bar", EQ, "b,z")]),
    ('"a\\u00e4\\x41"=b', [("aäA", EQ, "b")]),
    ('foo="bar",föö=~"b.r"', [("foo", EQ, "bar"), ("föö", RE, "b.r")]),
    ("🙂=🙂", [("🙂", EQ, "🙂")]),
    # Where the two disagree the classic one counts.
    (r'foo="\t"', [("foo", EQ, r"\t")]),
    ("", []),
    ("{}", []),
]


@pytest.mark.parametrize(("text", "expected"), READ)
def test_matchers_are_read(text: str, expected: list[tuple[str, Match, str]]) -> None:
    assert parse(text) == tuple(Matcher(*one) for one in expected)


@pytest.mark.parametrize(
    "text",
    [
        "foo",
        "=bar",
        'foo="bar',
        'foo=bar"',
        'foo="b"ar"',
        "foo=~[",
        "foo=~(?P<x",
        'foo=~"[[:alpha:]]"',
        'foo=~"\\\\pL"',
        "foo=bar,,",
        ",foo=bar",
        '"föö="bar"',
        '"f\\xff"=b',
        '"f\\q"=ü',
        '{"föö"="b"',
        "föö = 1 ü=2",
        "1foo! = bar",
    ],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    with pytest.raises(MatcherError):
        parse(text)


def test_one_matcher_is_one_without_braces() -> None:
    assert parse_one("a=b") == Matcher("a", EQ, "b")
    for text in ("{a=b}", "a=b,c=d", ""):
        with pytest.raises(MatcherError):
            parse_one(text)


def test_an_absent_label_is_the_empty_text() -> None:
    assert matches(parse('a="",b!="x",c=~".*",d!~".+"'), {})
    assert not matches(parse('a=~".+"'), {})


def test_regular_expressions_are_anchored() -> None:
    assert matches(parse('a=~"b|bc"'), {"a": "bc"})
    assert not matches(parse('a=~"b"'), {"a": "abc"})


@given(
    st.lists(
        st.tuples(
            st.from_regex("[a-zA-Z_][a-zA-Z0-9_]*", fullmatch=True),
            st.sampled_from((EQ, NE)),
            st.text(st.characters(exclude_categories=["Cs"])),
        )
    )
)
def test_what_is_shown_is_read_as_what_it_was(parts: list[tuple[str, Match, str]]) -> None:
    made = in_order(Matcher(*one) for one in parts)
    assert parse(shown(made)) == made


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(MatcherError):
        parse(text)
