"""Deployments and regressions as Grafana's own annotations, for the dashboards that you have.

They are of the whole organisation: an annotation query by the tag `plimsoll` shows them on any
dashboard, whatever its data source. Each carries its id as a tag, by which it is found again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboards.grafana import Grafana, GrafanaError, Refusal
from dashboards.push import Fate, Pushed

TAG = "plimsoll"
BY_ID = "plimsoll-id:"
MOST = 5000


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, or a span where it has an end, in milliseconds."""

    id: str
    at_ms: int
    end_ms: int
    text: str
    tags: tuple[str, ...]

    @property
    def body(self) -> dict[str, Any]:
        """As Grafana takes it."""
        tags = [TAG, *self.tags, f"{BY_ID}{self.id}"]
        return {"time": self.at_ms, "timeEnd": self.end_ms, "text": self.text, "tags": tags}


def of_deployment(one: Mapping[str, Any]) -> Mark:
    """A deployment of `GET /api/v1/deployments` as a moment."""
    at_ms = milliseconds(one["at"])
    tags = ("deployment", f"service:{one['service']}", f"version:{one['version']}")
    return Mark(one["id"], at_ms, at_ms, f"Deployment: {one['service']} {one['version']}", tags)


def of_regression(one: Mapping[str, Any], now_ms: int) -> Mark:
    """A regression of `GET /api/v1/regressions` as a span, which grows while it is open."""
    resolved = one["resolved_at"]
    end_ms = milliseconds(resolved) if resolved else now_ms
    began_ms = min(milliseconds(one["began_from"]), end_ms)
    tags = ("regression", f"signal:{one['signal']}", f"rule:{one['rule']}", one["severity"])
    return Mark(one["id"], began_ms, end_ms, one["summary"], tags)


def milliseconds(moment: str) -> int:
    """Of an RFC 3339 time."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def push_marks(grafana: Grafana, marks: Sequence[Mark], *, dry_run: bool = False) -> list[Pushed]:
    """Make Grafana have these annotations; others are left alone."""
    if not marks:
        return []
    found = grafana.read(
        "/annotations",
        {
            "tags": TAG,
            "type": "annotation",
            "limit": MOST,
            "from": min(one.at_ms for one in marks),
            "to": max(one.end_ms for one in marks) + 1,
        },
    )
    known = {
        tag.removeprefix(BY_ID): one
        for one in found or []
        for tag in one.get("tags", [])
        if tag.startswith(BY_ID)
    }
    done = []
    for mark in marks:
        try:
            done.append(put_mark(grafana, mark, known.get(mark.id), dry_run=dry_run))
        except GrafanaError as error:
            if error.refusal in (Refusal.UNAUTHORIZED, Refusal.FORBIDDEN):
                raise
            done.append(Pushed(mark.id, Fate.REFUSED, why=str(error)))
    return done


def put_mark(
    grafana: Grafana, mark: Mark, theirs: Mapping[str, Any] | None, *, dry_run: bool
) -> Pushed:
    """Make one annotation, or change the one that is there."""
    if theirs is None:
        if not dry_run:
            grafana.write("POST", "/annotations", mark.body)
        return Pushed(mark.id, Fate.WOULD_CREATE if dry_run else Fate.CREATED)
    same = all(
        sorted(theirs.get(key, [])) == sorted(value) if key == "tags" else theirs.get(key) == value
        for key, value in mark.body.items()
    )
    if same:
        return Pushed(mark.id, Fate.UNCHANGED)
    if not dry_run:
        grafana.write("PATCH", f"/annotations/{theirs['id']}", mark.body)
    return Pushed(mark.id, Fate.WOULD_CHANGE if dry_run else Fate.CHANGED)
