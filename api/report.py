"""What happened, as a page to fill in: the post-mortem of an incident in Markdown. Pure.

What Plimsoll knows stands there: times, sizes, deployments, who did what. What only people know is
asked for, in italics. A deployment is told as correlated; whether it was the cause is for them.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from detector import units
from detector.lifecycle import DETECTOR

Answer = Mapping[str, Any]
BY_PEOPLE = frozenset(
    {"acknowledged", "resolved", "accepted", "muted", "unmuted", "false_positive", "commented"}
)
OURS = DETECTOR
_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~])")


def report(
    incident: Answer,
    lives: Mapping[str, Sequence[Answer]],
    address: str,
    charts: Collection[str] = (),
) -> str:
    """The whole page.

    `lives` are the events of each regression by its id; `charts` are those of which there is a
    picture `ID.png` beside the page.
    """
    return "\n".join(
        [
            *heading(incident, address),
            *summary(incident),
            *regressions(incident, address, charts),
            *timeline(incident, lives),
            *changes(incident),
            *actions(lives, incident),
            *questions(),
        ]
    )


def heading(incident: Answer, address: str) -> Iterator[str]:
    """Title, and the facts in a table."""
    yield f"# {plain(incident['heading'])}"
    yield ""
    facts = {
        "Incident": f"[{incident['id']}]({urljoin(address + '/', incident['links']['page'][1:])})",
        "State": f"{words(incident['state'])}, {incident['severity']}",
        "Began": began(incident),
        "Noticed": minute(incident["opened_at"]),
        "Over": minute(incident["resolved_at"]) if incident["resolved_at"] else "not yet",
        "Lasted": lasted(incident),
        "Where": ", ".join(f"{k} {plain(v)}" for k, v in incident["labels"].items()) or "-",
    }
    yield "| | |"
    yield "| --- | --- |"
    yield from (f"| {name} | {value} |" for name, value in facts.items())
    yield ""


def summary(incident: Answer) -> Iterator[str]:
    """What it was, in the words of the messages."""
    yield "## Summary"
    yield ""
    yield "_In two sentences: what users noticed, and what it was._"
    yield ""
    if incident["origin"]["text"]:
        yield f"Where it probably began: {plain(incident['origin']['text'])}."
        yield ""


def regressions(incident: Answer, address: str, charts: Collection[str]) -> Iterator[str]:
    """What got worse, in the order in which it changed."""
    yield "## What got worse"
    yield ""
    yield "| what | normal | worst | began between | over | rule |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for one in incident["items"]:
        page = urljoin(address + "/", one["links"]["page"][1:])
        over = minute(one["resolved_at"]) if one["resolved_at"] else words(one["state"])
        span = f"{minute(one['began_from'])} and {minute(one['began_until'])}"
        cells = (
            f"[{plain(one['heading'])}]({page})",
            plain(one["baseline_text"]) if one["baseline"] is not None else "-",
            plain(one["worst_text"]),
            span,
            over,
            f"`{one['rule']}`",
        )
        yield f"| {' | '.join(cells)} |"
    yield ""
    for one in incident["items"]:
        if one["id"] not in charts:
            continue
        yield f"![{plain(one['heading'])}]({one['id']}.png)"
        yield ""


def timeline(incident: Answer, lives: Mapping[str, Sequence[Answer]]) -> Iterator[str]:
    """Everything in the order of time: changes, deployments, steps, what people did."""
    titles = {one["id"]: one["heading"] for one in incident["items"]}
    rows = [(one["at"], f"{plain(one['text'])}") for one in incident["steps"]]
    for one in incident["items"]:
        rows.append((one["began_from"], f"{plain(one['heading'])}: it began here, or soon after"))
    for one in incident["correlations"]:
        rows.append((one["at"], f"{plain(one['service'])} {plain(one['version'])} was deployed"))
    for id_, life in lives.items():
        for step in life:
            by = f" by {plain(step['actor'])}" if step["actor"] != OURS else ""
            why = f": {plain(step['reason'])}" if step["reason"] else ""
            what = f"{plain(titles.get(id_, id_))}: {words(step['step'])}{by}{why}"
            rows.append((step["at"], what))
    yield "## Timeline"
    yield ""
    yield "| when (UTC) | what |"
    yield "| --- | --- |"
    yield from (f"| {minute(at)} | {what} |" for at, what in sorted(dict.fromkeys(rows)))
    yield ""


def changes(incident: Answer) -> Iterator[str]:
    """The deployments that fit in time, with what was compared."""
    yield "## What had changed"
    yield ""
    if not incident["correlations"]:
        yield "No deployment was reported that fits in time. _What else changed: configuration,"
        yield "data, traffic, a dependency?_"
    for one in incident["correlations"]:
        link = f" ([more]({one['url']}))" if one["url"].startswith(("http://", "https://")) else ""
        yield (
            f"- **{plain(one['service'])} {plain(one['version'])}**, {minute(one['at'])}{link}: "
            f"{plain(one['text'])}"
        )
    yield ""
    yield "_Correlation in time is all that is claimed. Was it the cause? How do you know?_"
    yield ""


def actions(lives: Mapping[str, Sequence[Answer]], incident: Answer) -> Iterator[str]:
    """What people did in Plimsoll, and room for what they did elsewhere."""
    titles = {one["id"]: one["heading"] for one in incident["items"]}
    done = [
        (step["at"], id_, step)
        for id_, life in lives.items()
        for step in life
        if step["actor"] != OURS and step["step"] in BY_PEOPLE
    ]
    yield "## What was done"
    yield ""
    for at, id_, step in sorted(done, key=lambda row: row[:2]):
        why = f": {plain(step['reason'])}" if step["reason"] else ""
        yield (
            f"- {minute(at)} {plain(step['actor'])} {words(step['step'])} "
            f"{plain(titles.get(id_, id_))}{why}"
        )
    yield "- _What was done elsewhere, when, by whom, and whether it helped._"
    yield ""


def questions() -> Iterator[str]:
    """What only people know."""
    for title, asked in (
        ("Impact", "Who was affected, how many, for how long? What did it cost?"),
        ("Root cause", "Why did it happen, and why did nothing stop it before?"),
        ("What went well", "What helped to notice, to understand, to mend?"),
        ("What went badly", "What was late, missing, misleading or lucky?"),
    ):
        yield f"## {title}"
        yield ""
        yield f"_{asked}_"
        yield ""
    yield "## To be done"
    yield ""
    yield "- [ ] _What, who, until when_"
    yield ""


def began(incident: Answer) -> str:
    """The earliest span in which one of its regressions began."""
    if not incident["items"]:
        return "-"
    first = min(incident["items"], key=lambda one: (one["began_from"], one["began_until"]))
    return f"{minute(first['began_from'])} to {minute(first['began_until'])}"


def lasted(incident: Answer) -> str:
    """From the earliest begin to the end."""
    if not incident["resolved_at"] or not incident["items"]:
        return "-"
    first = min(one["began_from"] for one in incident["items"])
    span = moment(incident["resolved_at"]) - moment(first)
    return units.duration(max(span, timedelta()).total_seconds())


def moment(text: str) -> datetime:
    """A time of an answer."""
    return datetime.fromisoformat(text)


def minute(text: str) -> str:
    """`2026-03-02 12:01`."""
    return moment(text).strftime("%Y-%m-%d %H:%M")


def words(name: str) -> str:
    """`false positive` of `false_positive`."""
    return name.replace("_", " ")


def plain(text: str) -> str:
    """A text from labels or people as Markdown that means nothing else."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
