"""The groups of alerts on disk: all of them are read in a round, what changed is written back.

A row is written only as it was read: with the revision it had then. Whoever finds another one there
has lost the race, and his whole unit of work is undone.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import delete, func, update
from sqlmodel import Session, col, select

from alerts.dispatch import Dispatch, Routing
from alerts.group import Entry, Group, Subject, Wait
from alerts.tables import GroupRow


class OvertakenError(Exception):
    """Another process was a moment faster; the round is to be done anew."""


class Groups:
    """The book of groups for one unit of work."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.revisions: dict[str, int] = {}

    @staticmethod
    def next_ms(session: Session) -> int | None:
        """When the next group must be looked at; None while there is none."""
        return session.exec(select(func.min(GroupRow.due_ms))).one()

    @staticmethod
    def dissolve(session: Session) -> list[str]:
        """Forget all groups; the incidents that were in them."""
        rows = session.exec(select(GroupRow).order_by(GroupRow.id)).all()
        for row in rows:
            session.delete(row)
        held = (one["about"] for row in rows for one in row.content["members"])
        return list(dict.fromkeys(held))

    def load(self, routing: Routing) -> Dispatch:
        """All groups, ready to be worked with."""
        rows = self.session.exec(select(GroupRow).order_by(GroupRow.id)).all()
        self.revisions = {row.id: row.revision for row in rows}
        return Dispatch(routing, [read(row.content) for row in rows])

    def save(self, dispatch: Dispatch, now_ms: int) -> None:
        """Write what changed; an OvertakenError when another process wrote any of it."""
        for key in sorted(dispatch.drop(now_ms)):
            self._remove(identity(key))
        for key in sorted(dispatch.changed):
            self._write(dispatch.groups[key], dispatch.due_ms(dispatch.groups[key]))
        self.session.flush()

    def _write(self, group: Group, due_ms: int | None) -> None:
        id_, content = identity(group.key), written(group)
        before = self.revisions.get(id_)
        if before is None:
            self.session.add(GroupRow(id=id_, revision=1, due_ms=due_ms, content=content))
            return
        done = self.session.exec(
            update(GroupRow)
            .where(col(GroupRow.id) == id_, col(GroupRow.revision) == before)
            .values(revision=before + 1, due_ms=due_ms, content=content)
            .execution_options(synchronize_session=False)
        )
        if done.rowcount != 1:
            raise OvertakenError(f"the group {group.key} was changed by another process")

    def _remove(self, id_: str) -> None:
        before = self.revisions.get(id_)
        if before is not None:
            mine = col(GroupRow.id) == id_, col(GroupRow.revision) == before
            done = self.session.exec(
                delete(GroupRow).where(*mine).execution_options(synchronize_session=False)
            )
            if done.rowcount != 1:
                raise OvertakenError("a group was changed by another process")


def identity(key: str) -> str:
    """The row of a group."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def written(group: Group) -> dict[str, Any]:
    """A group as JSON."""
    entry = group.entry
    return {
        "key": group.key,
        "route": group.route,
        "labels": dict(group.labels),
        "next_ms": group.next_ms,
        "flushed": group.flushed,
        "emptied_ms": group.emptied_ms,
        "members": [{**asdict(one), "labels": dict(one.labels)} for one in group.members.values()],
        "entry": entry
        and {
            "at_ms": entry.at_ms,
            "firing": sorted(entry.firing),
            "resolved": sorted(entry.resolved),
        },
        "waits": {about: [one.since_ms, one.escalated] for about, one in group.waits.items()},
    }


def read(content: Mapping[str, Any]) -> Group:
    """A group from JSON."""
    entry = content["entry"]
    members = [Subject(**one) for one in content["members"]]
    return Group(
        key=content["key"],
        route=content["route"],
        labels=content["labels"],
        next_ms=content["next_ms"],
        flushed=content["flushed"],
        emptied_ms=content["emptied_ms"],
        members={one.fingerprint: one for one in members},
        entry=entry
        and Entry(entry["at_ms"], frozenset(entry["firing"]), frozenset(entry["resolved"])),
        waits={about: Wait(since, done) for about, (since, done) in content["waits"].items()},
    )
