"""A table of statements that is too small: entries go and come back while we look away."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.collector.postgres.watching import (
    PRELOADED,
    Notes,
    metric,
    runs,
    source_of,
    total,
    watched,
)
from tests.postgres import Postgres, postgres

SMALLEST = 100


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server that keeps a hundred statements."""
    with postgres(*PRELOADED, f"pg_stat_statements.max={SMALLEST}") as made:
        watched(made, "shop")
        yield made


def test_evictions_are_told_and_never_count_backwards(server: Postgres) -> None:
    with server.connected("shop") as connection:
        connection.execute("CREATE TABLE t (a int)")
        for number in range(300):
            connection.execute(f"ALTER TABLE t ADD COLUMN c{number} int".encode())
    notes = Notes()

    def crowd() -> None:
        with server.connected("shop") as connection:
            for number in range(300):
                connection.execute(f"SELECT c{number} FROM t".encode())
            for _ in range(40):
                connection.execute("SELECT count(*) FROM t")

    found = runs(source_of(server, "shop", write=notes), *[crowd] * 4)

    assert total(found[-1], "pg_stat_statements_max_entries") == SMALLEST
    assert total(found[-1], "pg_stat_statements_dealloc_total") > 0
    assert total(found[-1], "pg_stat_statements_partial_intervals_total") == 4
    assert total(found[0], "pg_stat_statements_dealloc_total") == 0
    name = notes.of("count(*) FROM t")
    calls = [total(one, "pg_statement_calls_total", fingerprint=name) for one in found]
    assert calls == sorted(calls)
    assert 0 < calls[-1] <= 160
    for before, after in pairwise(found):
        fell = {
            labels: (value, now)
            for labels, value in metric(before, "pg_statement_exec_seconds_total").items()
            if (now := metric(after, "pg_statement_exec_seconds_total").get(labels, value)) < value
        }
        assert fell == {}


def test_all_that_ran_is_never_more_than_what_was_sent(server: Postgres) -> None:
    sent = 0

    def some() -> None:
        nonlocal sent
        with server.connected("shop") as connection:
            for number in range(150):
                connection.execute(f"SELECT c{number}, 1 FROM t".encode())
                sent += 1

    found = runs(source_of(server, "shop"), *[some] * 3)
    counted = total(found[-1], "pg_statement_calls_total", datname="shop")
    assert 0 < counted <= sent
