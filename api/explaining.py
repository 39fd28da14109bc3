"""`plimsoll explain`: why the rules on a series fire, or why not, gate by gate."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from api.acting import AskError, Config, Json, Url, ask, say
from api.moments import milliseconds, parse
from api.settings import Settings, load
from api.standby import StandbyError, is_running, opened
from api.standing import known_series, series_id
from api.why_shapes import RuleWhyShape, WhyShape, why_of
from detector import units
from detector.run import TICK
from detector.why import Result
from storage.series import NAME, Labels, Match, Selector

out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
BY_ID = re.compile(r"([a-z][a-z0-9_]*)/([0-9a-f]{12})")
MOST_NEAR = 5
MARKS = {
    Result.PASSED: "passed",
    Result.REFUSED: "REFUSED",
    Result.ENDED: "ended",
    Result.ABSTAINED: "abstained",
    Result.NOT_REACHED: "not reached",
}


def wanted(text: str) -> tuple[str, str | None, Selector | None]:
    """A signal and an id, or a signal and labels; `AskError` says how one is written."""
    found = BY_ID.fullmatch(text)
    if found is not None:
        return found[1], found[2], None
    try:
        selector = Selector.parse(text)
    except ValueError:
        raise AskError(
            f'{text!r} is no series: write api_p95{{target="shop"}} or api_p95/0123456789ab'
        ) from None
    return selector.metric, None, selector


def chosen(known: dict[str, Labels], id_: str | None, selector: Selector | None, text: str) -> str:
    """The id of the one series that is meant; `AskError` when there is none, or several."""
    if id_ is not None:
        return id_
    assert selector is not None
    mine = [one for one, labels in known.items() if fits(selector, labels)]
    if len(mine) == 1:
        return mine[0]
    if not mine:
        raise AskError(f"there is no series {text}; its signal has {len(known)}")
    near = ", ".join(str(known[one].as_dict()) for one in mine[:MOST_NEAR])
    raise AskError(f"{text} means {len(mine)} series, such as {near}: name more labels")


def fits(selector: Selector, labels: Labels) -> bool:
    """Whether the labels of a series are those of a selector; its name is that of the signal."""
    return selector.matches(labels.plus(**{NAME: selector.metric}))


def explained(settings: Settings, text: str, at: datetime | None, url: str | None) -> WhyShape:
    """Asked of the Plimsoll that runs, or worked out on its files where none does."""
    name, id_, selector = wanted(text)
    if url is not None or is_running(settings):
        return remote(url or settings.server.url, name, id_, selector, text, at)
    with opened(settings) as house:
        signal = house.detector.definitions.signals.get(name)
        if signal is None:
            raise AskError(f"there is no signal {name!r}: `plimsoll signals` lists them")
        known = known_series(house, name)
        labels = known.get(chosen(known, id_, selector, text))
        if labels is None:
            raise AskError(f"there is no series {text}")
        with house.state.reading() as session:
            newest_ms = house.book.progress_ms(session, TICK) or milliseconds(house.now())
        at_ms = newest_ms if at is None else min(milliseconds(at), newest_ms)
        return why_of(house, signal, labels, at_ms)


def remote(
    url: str,
    name: str,
    id_: str | None,
    selector: Selector | None,
    text: str,
    at: datetime | None,
) -> WhyShape:
    """What a running Plimsoll answers."""
    path = f"/signals/{quote(name)}"
    if id_ is None and selector is not None:
        body = ask(None, url, "GET", path)
        known = {one["id"]: Labels.of(one["labels"]) for one in body["series"]}
        # A silent series is not listed, and yet has an id that follows from its labels.
        silent = not any(fits(selector, one) for one in known.values())
        id_ = series_id(exactly(selector)) if silent else chosen(known, None, selector, text)
    more: dict[str, Any] = {} if at is None else {"params": {"at": at.isoformat()}}
    body = ask(None, url, "GET", f"{path}/series/{id_}/explain", **more)
    try:
        return WhyShape.model_validate(body)
    except ValidationError:
        raise AskError(f"{url} answered, but not as this Plimsoll does") from None


def exactly(selector: Selector) -> Labels:
    """The labels that a selector names with `=`."""
    return Labels.of({one.name: one.value for one in selector.matchers if one.op is Match.EQUAL})


def command(
    series: Annotated[
        str,
        typer.Argument(help="A series: 'api_p95{target=\"shop\"}', or api_p95/0123456789ab."),
    ],
    at: Annotated[
        str | None, typer.Option(help="When, like 2026-03-02T12:00:00Z; now when left out.")
    ] = None,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Why the rules on a series fire, or why not: gate by gate, with every number.

    A Plimsoll that runs is asked; else its files are opened.
    """
    settings = load(config)
    try:
        moment = None if at is None else parse(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from None
    try:
        found = explained(settings, series, moment, url)
    except (AskError, StandbyError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    if json:
        out.print_json(data=found.model_dump(mode="json"))
        return
    say(lines(found))


def lines(found: WhyShape) -> Iterator[str]:
    """The explanation for people."""
    yield f"{found.title} of {found.name or 'all'} at {found.at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"{found.signal}/{found.series}"
    if found.is_coarse:
        yield "the short windows of that time are gone: judged on the longer ones"
    if found.level is not None:
        yield found.level.text
    if not found.rules:
        yield "no rule judges this signal"
    for one in found.rules:
        yield ""
        yield from of_rule(one)


def of_rule(one: RuleWhyShape) -> Iterator[str]:
    """One rule, gate by gate."""
    yield f"{one.rule.id}: {one.text}"
    yield f"  {one.rule.trigger}"
    yield (
        f"  7-day average {one.baseline_text} of {one.days} days, threshold {one.threshold_text}, "
        f"over when {one.rule.clear}"
    )
    asked = [gate for gate in one.gates if gate.result is not Result.NOT_ASKED]
    wide = max((len(gate.gate) for gate in asked), default=0)
    for gate in asked:
        numbers = "; ".join(check.text for check in gate.checks)
        yield f"  {gate.gate:<{wide}}  {MARKS[gate.result]:<11}  {numbers}".rstrip()
    for said in one.page_views:
        yield f"  {said}."
    yield from (f"  {each.text}" for each in one.tags)
    shown = ", ".join(
        f"{each.end:%H:%M} {each.value_text}{' *' if each.breaches else ''}" for each in one.windows
    )
    yield f"  windows of {units.duration(one.window_seconds)} (* breaches): {shown}"
    if one.recorded is not None:
        reason = f" ({one.recorded.reason})" if one.recorded.reason else ""
        longer = " or longer" if one.recorded.whole_day else ""
        yield f"  {one.recorded.verdict}{reason} since {one.recorded.since:%Y-%m-%d %H:%M}{longer}"
    if one.open is not None:
        yield f"  open: {one.open.id} since {one.open.opened_at:%Y-%m-%d %H:%M}"
