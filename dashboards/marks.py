"""Deployments and regressions as Grafana's own annotations, for the dashboards that you have.

They are of the whole organisation: an annotation query by the tag `plimsoll` shows them on any
dashboard, whatever its data source. Each carries its id as a tag, by which it is found again: a
write whose answer was lost is found, and of two with one id the older one stays.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboards.grafana import Grafana, GrafanaError, Refusal
from dashboards.push import Fate, Pushed

TAG = "plimsoll"
BY_ID = "plimsoll-id:"
MOST = 5000
GROWS_MS = 300_000
"""A span that is still open ends at a multiple of this, so that it is not written all the time."""


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
    began_ms = milliseconds(one["began_from"])
    end_ms = milliseconds(resolved) if resolved else now_ms // GROWS_MS * GROWS_MS
    tags = ("regression", f"signal:{one['signal']}", f"rule:{one['rule']}", one["severity"])
    return Mark(one["id"], began_ms, max(began_ms, end_ms), one["heading"], tags)


def milliseconds(moment: str) -> int:
    """Of an RFC 3339 time."""
    return round(datetime.fromisoformat(moment).timestamp() * 1000)


def push_marks(
    grafana: Grafana,
    marks: Sequence[Mark],
    *,
    dry_run: bool = False,
    going: Callable[[], bool] = lambda: True,
) -> list[Pushed]:
    """Make Grafana have these annotations, each once; others are left alone.

    One that is refused does not stop the others, unless the token is; nothing is written any more
    once `going` is false. A `GrafanaError` where nothing could be done.
    """
    if not marks:
        return []
    known = known_marks(grafana, marks)
    done: list[Pushed] = []
    for mark in marks:
        if not going():
            break
        try:
            done += put_once(grafana, mark, known.get(mark.id, []), dry_run=dry_run)
        except GrafanaError as error:
            if error.refusal in (Refusal.UNAUTHORIZED, Refusal.FORBIDDEN):
                raise
            done.append(Pushed(mark.id, Fate.REFUSED, why=str(error), refusal=error.refusal))
    return done


def known_marks(grafana: Grafana, marks: Sequence[Mark]) -> dict[str, list[Mapping[str, Any]]]:
    """The annotations that are ours, by id, the oldest of each first.

    An answer that is full may leave some out, which would then be written again and again: that is
    a `GrafanaError`.
    """
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
    if len(found or []) >= MOST:
        raise GrafanaError(Refusal.TOO_MANY, f"{MOST} annotations carry the tag {TAG!r}")
    known: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in sorted(found or [], key=lambda one: int(one["id"])):
        for tag in one.get("tags", []):
            if tag.startswith(BY_ID):
                known[tag.removeprefix(BY_ID)].append(one)
    return known


def put_once(
    grafana: Grafana, mark: Mark, theirs: Sequence[Mapping[str, Any]], *, dry_run: bool
) -> Iterator[Pushed]:
    """Make the one annotation what it should be, and take further ones with its id away."""
    yield put_mark(grafana, mark, theirs[0] if theirs else None, dry_run=dry_run)
    for further in theirs[1:]:
        if not dry_run:
            grafana.write("DELETE", f"/annotations/{further['id']}", {})
        yield Pushed(mark.id, Fate.WOULD_REMOVE if dry_run else Fate.REMOVED)


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
