"""The SQL for each version, as its documentation has the columns."""

import pytest

from collector.postgres.versions import COLUMNS, Extension, statement_info, statement_numbers
from collector.postgres.versions import statement_texts as texts

# PostgreSQL 12 to 18 ship these versions of pg_stat_statements.
SHIPPED = {12: "1.7", 13: "1.8", 14: "1.9", 15: "1.10", 16: "1.10", 17: "1.11", 18: "1.12"}
EXTENSIONS = {major: Extension.of(version, "public") for major, version in SHIPPED.items()}


@pytest.mark.parametrize("major", SHIPPED)
def test_every_version_has_as_many_columns(major: int) -> None:
    query = statement_numbers(EXTENSIONS[major])
    columns = query.removeprefix("SELECT ").partition(' FROM "public"')[0]
    depth, count = 0, 1
    for one in columns:
        depth += {"(": 1, ")": -1}.get(one, 0)
        count += one == "," and not depth
    assert count == 6 + len(COLUMNS)


@pytest.mark.parametrize(
    ("major", "there", "not_there"),
    [
        (12, ["s.total_time", "true", "s.blk_read_time"], ["toplevel", "plan_time", "wal"]),
        (13, ["s.total_exec_time", "s.total_plan_time", "s.wal_bytes"], ["toplevel", "since"]),
        (14, ["s.toplevel", "s.blk_read_time"], ["stats_since", "shared_blk_read"]),
        (15, ["s.toplevel", "s.blk_read_time"], ["stats_since", "shared_blk_read"]),
        (16, ["s.toplevel", "s.blk_read_time"], ["stats_since", "shared_blk_read"]),
        (17, ["s.shared_blk_read_time", "s.stats_since"], ["s.blk_read_time"]),
        (18, ["s.shared_blk_write_time", "s.stats_since"], ["s.blk_write_time"]),
    ],
)
def test_a_column_is_asked_for_where_it_is(
    major: int, there: list[str], not_there: list[str]
) -> None:
    query = statement_numbers(EXTENSIONS[major])
    assert [one for one in there if one not in query] == []
    assert [one for one in not_there if one in query] == []


def test_evictions_are_told_from_14_on() -> None:
    assert statement_info(EXTENSIONS[13]) is None
    assert "dealloc" in str(statement_info(EXTENSIONS[14]))


def test_the_version_of_the_extension_decides_and_ten_is_more_than_nine() -> None:
    assert Extension.of("1.10", "x").version > Extension.of("1.9", "x").version


def test_the_schema_of_the_extension_is_named_and_quoted() -> None:
    assert '"my ""schema""".pg_stat_statements(false)' in statement_numbers(
        Extension.of("1.10", 'my "schema"')
    )


def test_texts_are_asked_for_by_one_constant() -> None:
    assert "'{-5,7}'::bigint[]" in texts(EXTENSIONS[15], 100, (-5, 7))
    assert "WHERE" not in texts(EXTENSIONS[15], 100)
