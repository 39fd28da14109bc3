"""Texts without what people put into them, and names that stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.postgres.scrub import fingerprint, is_own, scrubbed

SECRET = "hunter2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM t WHERE a = 'it''s' and b=$1", "SELECT * FROM t WHERE a = ? and b = ?"),
        ("select e'a\\'hunter2', b'101', x'ff'", "select ?, ?, ?"),
        ("select $$ hunter2 $$, $a$ x $$ hunter2 $a$", "select ?, ?"),
        ("select U&'hunter2', n'hunter2'", "select ?, ?"),
        ("select 1.5e-3, 0xFF, 1_000, .5, 12hunter2", "select ?, ?, ?, ?, ?"),
        ("select a -- hunter2\nfrom t", "select a from t"),
        ("select /* a /* hunter2 */ hunter2 */ a", "select a"),
        ("select /* hunter2", "select"),
        ("select a=/*hunter2*/5", "select a = ?"),
        ("select a<--hunter2\n5", "select a < ?"),
        ("select 'hunter2", "select ?"),
        ("select $$hunter2", "select ?"),
        ("select e'hunter2\\", "select ?"),
        ("select 'a'\n'hunter2'", "select ?"),
        ("select null, true where a is not null", "select ?, ? where a is not null"),
        ("select a - 5 where b = -5 and c in (-1, -2)", "select a - ? where b = ? and c in (?, ?)"),
        ('select "Weird ""name""" from "T"', 'select "Weird ""name""" from "T"'),
        ("set app.token = hunter2", "set app.token = ?"),
        ("alter database x set app.token to hunter2", "alter database x set app.token to ?"),
        ("do $x$ begin perform hunter2; end $x$", "do ?"),
        ("update t set a = 5, b = b + 1;", "update t set a = ?, b = b + ?"),
    ],
)
def test_of_constants_and_comments_nothing_is_left(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


def test_behind_a_backslash_that_may_or_may_not_escape_nothing_is_kept() -> None:
    # With standard_conforming_strings off the string goes on behind \'.
    assert scrubbed("select 'a\\', hunter2, ' from t") == "select ?"


@pytest.mark.parametrize(
    "text",
    [
        "CREATE ROLE bob PASSWORD 'hunter2'",
        "  alter /* x */ user bob with password 'hunter2'",
        "create user mapping for bob server s options (password 'hunter2')",
        "CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p",
        "alter system set x = 'hunter2'",
        "create server s foreign data wrapper f options (password 'hunter2')",
        "copy t from program 'curl -d password=hunter2'",
        "",
        " -- only a comment",
    ],
)
def test_whatever_makes_passwords_is_not_kept_at_all(text: str) -> None:
    assert scrubbed(text) is None


def test_a_column_that_is_called_password_is_no_secret() -> None:
    found = scrubbed("select password from users where name = 'bob'")
    assert found == "select password from users where name = ?"


literals = st.sampled_from(
    ["'{}'", "E'{}\\n'", "$$ {} $$", "$tag$ {} $tag$", "/* {} */", "-- {}\n", "'it''s {}'", "N'{}'"]
)


@given(st.lists(st.one_of(literals, st.sampled_from(["a", "=", "(", ")", ",", "1", "-", '"Q"']))))
def test_no_mix_of_literals_and_comments_lets_a_secret_through(parts: list[str]) -> None:
    text = "select " + " ".join(one.format(SECRET) for one in parts)
    assert SECRET not in (scrubbed(text) or "")


@given(st.text(alphabet="a1'\"$-/*\\ e(),;=\n", max_size=60))
def test_scrubbing_ends_and_does_not_change_what_is_scrubbed(text: str) -> None:
    once = scrubbed(text)
    if once:
        again = scrubbed(once)
        assert again is not None
        assert fingerprint(again) == fingerprint(once)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select * from t where a in ($1,$2)", "SELECT *  FROM t WHERE a IN ($1)"),
        ("select * from t where a in ($1 /*, ... */)", "select * from t where a in (1, 2, 3)"),
        ("insert into t values ($1,$2),($3,$4)", "insert into t values ($1, $2)"),
        ("select 1 from t where a = -5", "select $1 from t where a = $2"),
        ("select a::text from t where b = 'x'", "select a::text\nfrom t where b=$1"),
        ("select f(array[$1,$2])", "select f(array[$1])"),
        ("select null", "select $1"),
    ],
)
def test_one_statement_has_one_name_however_it_is_spelt(one: str, other: str) -> None:
    first, second = scrubbed(one), scrubbed(other)
    assert first is not None
    assert second is not None
    assert fingerprint(first) == fingerprint(second)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a from t", "select b from t"),
        ('select "A" from t', 'select "a" from t'),
        ("insert into t values (?, ?)", "insert into t(a) values (?, ?)"),
        ("select a - ? from t", "select a from t"),
    ],
)
def test_different_statements_have_different_names(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_a_fingerprint_does_not_change_with_versions_of_anything() -> None:
    # Baselines hang on it: whoever changes it loses the past of every statement.
    assert fingerprint("select * from t where a in (?, ?)") == "9587d12125f57fd7"


def test_our_own_statements_are_known_by_their_beginning() -> None:
    assert is_own("/* plimsoll */ SELECT 1")
    assert is_own("  /* plimsoll */ COMMIT")
    assert not is_own("SELECT 1 /* plimsoll */")
