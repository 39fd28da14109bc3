"""`plimsoll explain`: why the rules on a series fire, or why not, gate by gate."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from api.acting import AskError, Config, Json, Url, asked, body_of, say
from api.house import House
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
NOT_FOUND = 404
MARKS = {
    Result.PASSED: "passed",
    Result.REFUSED: "REFUSED",
    Result.ENDED: "ended",
    Result.ABSTAINED: "abstained",
    Result.NOT_REACHED: "not reached",
}


Known = Mapping[str, Collection[Labels]]
"""Every series of every signal."""


class NotThereError(AskError):
    """Nothing is called so; whoever knows what there is adds what is called alike."""


def wanted(text: str) -> tuple[str, str | None, Selector | None]:
    """A signal and an id, or a signal and labels; `AskError` says how one is written."""
    found = BY_ID.fullmatch(text)
    if found is not None:
        return found[1], found[2], None
    try:
        selector = Selector.parse(text)
    except ValueError:
        raise NotThereError(
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
        raise NotThereError(f"there is no series {text}; its signal has {len(known)}")
    near = [written(selector.metric, known[one]) for one in mine[:MOST_NEAR]]
    raise AskError(f"{text} means {len(mine)} series: name more labels, as in{below(near)}")


def fits(selector: Selector, labels: Labels) -> bool:
    """Whether the labels of a series are those of a selector; its name is that of the signal."""
    return selector.matches(labels.plus(**{NAME: selector.metric}))


def written(signal: str, labels: Labels) -> str:
    """A series as the command takes it."""
    return str(labels.plus(**{NAME: signal}))


def below(lines: Collection[str]) -> str:
    """Lines below a message."""
    return "".join(f"\n  {one}" for one in lines)


def alike(text: str, known: Known) -> list[str]:
    """What may have been meant: series with such a value, else signals and series called alike."""
    every = {written(name, one): one for name, mine in known.items() for one in mine}
    said = text.strip().casefold()
    holding = [one for one, labels in every.items() if said in {v.casefold() for _, v in labels}]
    if holding:
        return holding[:MOST_NEAR]
    name = named(text)
    if name in known:
        mine = [written(name, one) for one in known[name]]
        return difflib.get_close_matches(text, mine, MOST_NEAR, cutoff=0.0)
    return difflib.get_close_matches(name, known, MOST_NEAR)


def named(text: str) -> str:
    """The signal of what was meant to be a series."""
    return re.split(r"[{/\s]", text.strip(), maxsplit=1)[0]


def hint(text: str, known: Known) -> str:
    """What may have been meant, or where everything is listed; the end of a message."""
    near, name = alike(text, known), named(text)
    if near:
        return f"; nearest:{below(near)}"
    return f"; {name} has no series yet" if name in known else "; `plimsoll signals` lists all"


def explained(
    settings: Settings, text: str, at: datetime | None, config: Path | None, url: str | None
) -> WhyShape:
    """Asked of the Plimsoll that runs, or worked out on its files where none does."""
    if url is not None or is_running(settings):
        there = There(config, url)
        try:
            return there.explained(text, at)
        except NotThereError as error:
            raise AskError(f"{error}{hint(text, there.known())}") from None
    with opened(settings) as house:
        try:
            return here(house, text, at)
        except NotThereError as error:
            names = house.detector.definitions.signals
            known = {name: list(known_series(house, name).values()) for name in names}
            raise AskError(f"{error}{hint(text, known)}") from None


def here(house: House, text: str, at: datetime | None) -> WhyShape:
    """What the files of a stopped Plimsoll say."""
    name, id_, selector = wanted(text)
    signal = house.detector.definitions.signals.get(name)
    if signal is None:
        raise NotThereError(f"there is no signal {name!r}")
    known = known_series(house, name)
    labels = known.get(chosen(known, id_, selector, text))
    if labels is None:
        raise NotThereError(f"there is no series {text}")
    with house.state.reading() as session:
        newest_ms = house.book.progress_ms(session, TICK) or milliseconds(house.now())
    at_ms = newest_ms if at is None else min(milliseconds(at), newest_ms)
    return why_of(house, signal, labels, at_ms)


@dataclass(frozen=True, slots=True)
class There:
    """A Plimsoll that runs: that of a configuration, or at an address."""

    config: Path | None
    url: str | None

    def explained(self, text: str, at: datetime | None) -> WhyShape:
        """What it answers."""
        name, id_, selector = wanted(text)
        path = f"/signals/{quote(name)}"
        if id_ is None and selector is not None:
            body = self.get(path, f"there is no signal {name!r}")
            known = {one["id"]: Labels.of(one["labels"]) for one in body["series"]}
            # A silent series is not listed, and yet has an id that follows from its labels.
            silent = not any(fits(selector, one) for one in known.values())
            id_ = series_id(exactly(selector)) if silent else chosen(known, None, selector, text)
        more: dict[str, Any] = {} if at is None else {"params": {"at": at.isoformat()}}
        body = self.get(f"{path}/series/{id_}/explain", f"there is no series {text}", **more)
        try:
            return WhyShape.model_validate(body)
        except ValidationError:
            raise AskError(
                "what answered is not as this Plimsoll: are both of a version?"
            ) from None

    def get(self, path: str, missing: str, **more: Any) -> Any:
        """What stands at a path; a `NotThereError` with these words when nothing does."""
        address, answer = asked(self.config, self.url, "GET", path, **more)
        body = None if answer.status_code == NOT_FOUND else body_of(address, answer)
        if body is None:
            raise NotThereError(missing)
        return body

    def known(self) -> Known:
        """What it knows; series that are silent are not among them."""
        items = body_of(*asked(self.config, self.url, "GET", "/signals"))["items"]
        return {one["name"]: [Labels.of(each["labels"]) for each in one["series"]] for one in items}


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
        found = explained(settings, series, moment, config, url)
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
        f"  {one.baseline_name} {one.baseline_text} of {one.days} days, "
        f"threshold {one.threshold_text}, "
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
