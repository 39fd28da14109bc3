"""What began about when something was deployed, chosen by both databases."""

from sqlalchemy import select

from detector.book import Book
from detector.deployed import began_at, newest
from detector.regression import Phase
from detector.tables import NAMED, RegressionRow, columns
from storage.state import State
from tests.detector.regressions import MINUTE_MS, NOON_MS, deployment, regression

DAY_MS = 86_400_000
FITS = (
    (0, 0, None, True),
    (-DAY_MS + 1, 1, None, True),
    (-DAY_MS + 1, DAY_MS, None, True),
    (30 * MINUTE_MS, 31 * MINUTE_MS, None, True),
    (30 * MINUTE_MS + 1, 31 * MINUTE_MS, None, False),  # later than half an hour
    (-MINUTE_MS, -1, None, False),  # it had begun
    (-MINUTE_MS, DAY_MS + 1, None, False),  # some time within days
    (-MINUTE_MS, MINUTE_MS, -1, False),  # over by then
    (-MINUTE_MS, MINUTE_MS, 1, True),
)


def test_what_began_about_then_is_chosen_by_the_database(state: State) -> None:
    one, book = deployment(0), Book()
    fits = []
    with state.unit() as session:
        book.add_deployment(session, one)
        book.add_deployment(session, deployment(-90 * 24 * 60, version="1.4.0"))
        for number, (lo, hi, resolved, chosen) in enumerate(FITS):
            made = regression(
                id=f"reg_{number}",
                fingerprint=f"print_{number}",
                began_lo_ms=NOON_MS + lo,
                began_hi_ms=NOON_MS + hi,
                phase=Phase.OPEN if resolved is None else Phase.RESOLVED,
                resolved_ms=None if resolved is None else NOON_MS + resolved,
            )
            session.add(RegressionRow.of(made))
            fits += [made.id] * chosen
    with state.reading() as session:
        found = [each.id for each in book.began_about(session, [one])]
        assert list(book.began_about(session, [])) == []
    assert sorted(found) == fits


def test_it_is_looked_for_where_it_began(migrated_sqlite: object, state: State) -> None:
    if state.engine.dialect.name != "sqlite":
        return  # PostgreSQL rightly reads a small table as a whole
    row = columns(RegressionRow)
    asked = select(*(row[name] for name in NAMED)).where(began_at([deployment(0)]))
    text = str(asked.compile(state.engine, compile_kwargs={"literal_binds": True}))
    with state.reading() as session:
        connection = session.connection()
        plan = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all())
    assert "SEARCH regression USING INDEX ix_regression_began (began_hi_ms>? AND" in plan


def test_the_newest_come_first_and_no_more_than_asked_for(state: State) -> None:
    book, some = Book(), [(0, "shop"), (5, "till"), (5, "shop"), (9, "shop"), (-7, "shop")]
    made = [deployment(minute, service) for minute, service in some]
    with state.unit() as session:
        for one in made:
            book.add_deployment(session, one)
    until_ms = NOON_MS + 5 * MINUTE_MS
    with state.reading() as session:
        known = book.deployments(session, NOON_MS, until_ms)[::-1]
    with state.looking() as view:
        assert newest(view, NOON_MS, until_ms, 50) == known
        assert newest(view, NOON_MS, until_ms, 2) == known[:2]
        mine = [one for one in known if one.service == "shop"]
        assert newest(view, NOON_MS, until_ms, 1, "shop") == mine[:1]
        assert newest(view, NOON_MS, until_ms, 9, "shop") == mine == [made[2], made[0]]
