"""Push dashboards into a Grafana: only what differs, never over somebody's change unseen."""

import difflib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dashboards.config import GrafanaConfig
from dashboards.grafana import NAME_EXISTS, UNSURE, Grafana, GrafanaError, Json, Refusal

ATTEMPTS = 3
MOST_FOLDERS = 1000


class Fate(StrEnum):
    """What became of a dashboard, a folder or an annotation."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    WOULD_CREATE = "would create"
    WOULD_CHANGE = "would change"
    WOULD_REMOVE = "would remove"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Pushed:
    """One thing and its fate; `diff` is what changes, `why` is what Grafana said.

    `refusal` is the reason of what was refused, as far as it is counted.
    """

    what: str
    fate: Fate
    diff: tuple[str, ...] = ()
    why: str = ""
    refusal: Refusal | None = None


def push(
    grafana: Grafana, config: GrafanaConfig, dashboards: Sequence[Json], *, dry_run: bool = False
) -> list[Pushed]:
    """Make the folder hold these dashboards; a refused one does not stop the others.

    A `GrafanaError` where the folder itself is out of reach: then nothing was pushed.
    """
    done = [put_folder(grafana, config, dry_run=dry_run)]
    for one in dashboards:
        try:
            done.append(put_dashboard(grafana, config.folder_uid, one, dry_run=dry_run))
        except GrafanaError as error:
            if error.refusal is Refusal.UNAUTHORIZED:
                raise
            done.append(Pushed(one["uid"], Fate.REFUSED, why=str(error)))
    return done


def put_folder(grafana: Grafana, config: GrafanaConfig, *, dry_run: bool) -> Pushed:
    """Find the folder by its uid, or make it; its title is not changed back."""
    what = f"folder {config.folder_uid}"
    if grafana.read(f"/folders/{config.folder_uid}") is not None:
        return Pushed(what, Fate.UNCHANGED)
    if dry_run:
        return Pushed(what, Fate.WOULD_CREATE)
    try:
        grafana.write("POST", "/folders", {"uid": config.folder_uid, "title": config.folder})
    except GrafanaError as error:
        if error.refusal is not Refusal.CONFLICT and error.refusal not in UNSURE:
            raise
        # Made meanwhile, or made although the answer was lost; or the title is another folder's.
        if grafana.read(f"/folders/{config.folder_uid}") is None:
            raise named_alike(grafana, config, error) from None
    return Pushed(what, Fate.CREATED)


def named_alike(grafana: Grafana, config: GrafanaConfig, error: GrafanaError) -> GrafanaError:
    """The error, with the uid of the folder that has the title already."""
    folders = grafana.read("/folders", {"limit": MOST_FOLDERS}) or []
    uid = next((one["uid"] for one in folders if one.get("title") == config.folder), None)
    if uid is None:
        return error
    said = f"a folder {config.folder!r} is there with the uid {uid!r}: set `folder_uid: {uid}`"
    return GrafanaError(Refusal.CONFLICT, said)


def put_dashboard(grafana: Grafana, folder_uid: str, ours: Json, *, dry_run: bool) -> Pushed:
    """Make a dashboard what ours is; read again after a conflict or an answer that was lost."""
    uid = ours["uid"]
    wrote: Fate | None = None
    for left in reversed(range(ATTEMPTS)):
        found = grafana.read(f"/dashboards/uid/{uid}")
        theirs: Json = {} if found is None else found["dashboard"]
        moved = found is not None and found["meta"].get("folderUid", "") != folder_uid
        if found is not None and not moved and holds(theirs, ours):
            return Pushed(uid, wrote or Fate.UNCHANGED)
        diff = difference(theirs, ours) if found is not None else ()
        if dry_run:
            return Pushed(uid, Fate.WOULD_CREATE if found is None else Fate.WOULD_CHANGE, diff)
        fate = Fate.CREATED if found is None else Fate.CHANGED
        try:
            grafana.write("POST", "/dashboards/db", body_of(ours, theirs, folder_uid))
        except GrafanaError as error:
            changed = error.refusal is Refusal.CONFLICT and error.status != NAME_EXISTS
            if not (changed or error.refusal in UNSURE) or not left:
                raise
            wrote = fate if error.refusal in UNSURE else None
            if error.refusal in UNSURE:
                grafana.pause(error, ATTEMPTS - left)
        else:
            return Pushed(uid, fate, diff)
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def body_of(ours: Json, theirs: Json, folder_uid: str) -> Json:
    """What is sent: the version that was seen, so that a change made since is not written over."""
    seen = {"id": theirs.get("id"), **({"version": theirs["version"]} if theirs else {})}
    return {
        "dashboard": {**ours, **seen},
        "folderUid": folder_uid,
        "message": "Written by Plimsoll",
        "overwrite": False,
    }


def holds(theirs: Any, ours: Any) -> bool:
    """Whether all that we say stands in theirs; what Grafana adds of its own does not count."""
    if isinstance(ours, dict):
        return isinstance(theirs, dict) and all(
            holds(theirs.get(key), value) for key, value in ours.items()
        )
    if isinstance(ours, list):
        return (
            isinstance(theirs, list)
            and len(theirs) == len(ours)
            and all(holds(one, other) for one, other in zip(theirs, ours, strict=True))
        )
    if isinstance(ours, bool) or isinstance(theirs, bool):
        return ours is theirs  # for Python 1 is True
    return bool(ours == theirs)


def difference(theirs: Json, ours: Json) -> tuple[str, ...]:
    """What changes, as lines of a unified diff; what Grafana added of its own is left out."""
    before, after = lines(reduced(theirs, ours)), lines(ours)
    names = ("in Grafana", "from Plimsoll")
    return tuple(difflib.unified_diff(before, after, *names, lineterm="", n=2))


def lines(part: Json) -> list[str]:
    """JSON, one value a line."""
    return json.dumps(part, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def reduced(theirs: Any, ours: Any) -> Any:
    """Theirs without the members that ours does not speak of."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return {key: reduced(theirs[key], value) for key, value in ours.items() if key in theirs}
    if isinstance(ours, list) and isinstance(theirs, list):
        known = [reduced(one, other) for one, other in zip(theirs, ours, strict=False)]
        return known + theirs[len(known) :]
    return theirs
