"""Statements on disk, on both databases that a state can be in."""

import pytest
from sqlalchemy import text

from collector.postgres.book import StatementBook
from storage.state import State

NAME = "ab12ab12ab12ab12"


@pytest.fixture
def book(state: State) -> StatementBook:
    return StatementBook(state)


def test_a_statement_keeps_when_it_was_first_and_last_seen(book: StatementBook) -> None:
    book.note("main", {("shop", NAME): "select ?"}, 1000)
    book.note("main", {("shop", NAME): ""}, 9000)
    book.note("main", {("shop", NAME): "select ?"}, 5000)
    (known,) = book.find({NAME, "another"}).values()
    assert (known.first_seen_ms, known.last_seen_ms, known.text) == (1000, 9000, "select ?")


def test_the_same_statement_elsewhere_is_another_row(book: StatementBook) -> None:
    book.note("main", {("shop", NAME): "select ?", ("stock", NAME): "select ?"}, 1000)
    book.note("copy", {("shop", NAME): "select ?"}, 1000)
    assert set(book.find({NAME})) == {
        ("main", "shop", NAME),
        ("main", "stock", NAME),
        ("copy", "shop", NAME),
    }
    assert book.find(set()) == {}


def test_what_was_not_seen_for_long_is_forgotten(book: StatementBook, state: State) -> None:
    book.note("main", {("shop", NAME): "select ?"}, 1000)
    book.note("main", {("shop", "new"): "select ?"}, 3000)
    book.retain(2000)
    assert book.find({NAME}) == {}
    with state.reading() as session:
        assert session.connection().execute(text("SELECT count(*) FROM statement")).scalar() == 1
