"""A small book of incidents in the same database, so that it shares the unit of work."""

import pickle
from dataclasses import replace

import sqlalchemy as sa
from sqlmodel import Session

from alerts.outbox_tables import OutboxRow
from alerts.tables import DecisionRow, GroupRow, SilenceRow, TroubleRow
from detector.actions import Wish, act
from detector.regression import Incident, Phase, Regression
from storage.state import State

# Of its own, so that the tables of the rooms are not joined by one of the tests.
METADATA = sa.MetaData()
TABLE = sa.Table(
    "book_of_tests",
    METADATA,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("id", sa.String, unique=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("announced", sa.Integer, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)


def opened(url: str) -> State:
    """A state with the outbox and the book in it."""
    state = State(url)
    METADATA.create_all(state.engine)
    ours = (OutboxRow, GroupRow, SilenceRow, DecisionRow, TroubleRow)
    tables = [OutboxRow.metadata.tables[str(one.__tablename__)] for one in ours]
    OutboxRow.metadata.create_all(state.engine, tables=tables)
    return state


class TestBook:
    """What the detector's book offers to the room."""

    __test__ = False

    def __init__(self) -> None:
        self.suspicions: dict[str, Regression] = {}

    def write(self, session: Session, incident: Incident) -> None:
        """The newest version of an incident."""
        content = pickle.dumps(incident)
        values = {"version": incident.version, "content": content}
        connection = session.connection()
        done = connection.execute(
            sa.update(TABLE).where(TABLE.c.id == incident.id).values(**values)
        )
        if done.rowcount == 0:
            connection.execute(sa.insert(TABLE).values(id=incident.id, announced=0, **values))

    def unannounced(self, session: Session) -> list[Incident]:
        rows = session.connection().execute(
            sa.select(TABLE.c.content)
            .where(TABLE.c.announced < TABLE.c.version)
            .order_by(TABLE.c.number)
        )
        return [pickle.loads(content) for (content,) in rows]

    def incident(self, session: Session, incident_id: str) -> Incident | None:
        rows = session.connection().execute(
            sa.select(TABLE.c.content).where(TABLE.c.id == incident_id)
        )
        return next((pickle.loads(content) for (content,) in rows), None)

    def open_incidents(self, session: Session) -> list[Incident]:
        rows = session.connection().execute(sa.select(TABLE.c.content).order_by(TABLE.c.number))
        found: list[Incident] = [pickle.loads(content) for (content,) in rows]
        return [one for one in found if one.phase is Phase.OPEN]

    def suspected(self, session: Session) -> list[Regression]:
        return [one for one in self.suspicions.values() if one.phase is Phase.SUSPECTED]

    def regression(self, session: Session, regression_id: str) -> Regression | None:
        return self.suspicions.get(regression_id)

    def act(self, session: Session, regression_id: str, wish: Wish) -> Regression | None:
        """As the detector's book does: the regression changes, and its incident has news."""
        rows = session.connection().execute(sa.select(TABLE.c.content))
        for one in [pickle.loads(content) for (content,) in rows]:
            for regression in one.regressions:
                if regression.id == regression_id:
                    after, steps = act(regression, wish, lambda *_: False)
                    members = tuple(after if r.id == after.id else r for r in one.regressions)
                    version = one.version + bool(steps)
                    over = all(r.phase.is_over for r in members)
                    phase = Phase.RESOLVED if over else one.phase
                    ended = wish.at_ms if over else None
                    self.write(
                        session,
                        replace(
                            one,
                            regressions=members,
                            version=version,
                            phase=phase,
                            resolved_ms=ended,
                        ),
                    )
                    return after
        return None

    def claim(self, session: Session, incident: Incident) -> bool:
        done = session.connection().execute(
            sa.update(TABLE)
            .where(TABLE.c.id == incident.id, TABLE.c.announced < incident.version)
            .values(announced=incident.version)
        )
        return done.rowcount == 1
