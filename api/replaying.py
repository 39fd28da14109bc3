"""`plimsoll replay`: what rules would have fired, before anybody enables them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from api import credentials
from api.acting import AskError, Config, Json, Url, say
from api.config import ServerConfig
from api.credentials import CredentialsError
from api.document import read
from api.progress import bar
from api.settings import Settings, SettingsError, load
from api.shapes import API
from api.standby import StandbyError, is_running, opened
from api.trial import (
    DEFAULT_DAYS,
    MOST_DAYS,
    Gates,
    ReplayLine,
    ReplayPosted,
    ReplayShape,
    RuleReplayShape,
    planned,
    rules_of,
)
from detector import units
from detector.noise import Noise

out, err = (
    Console(highlight=False, soft_wrap=True),
    Console(stderr=True, highlight=False, soft_wrap=True),
)
ANSWER_SECONDS = 600.0  # between two lines
HEAD = ("rule", "noise", "fired", "100 x day", "<= 1 h", "longest", "series", "judged")

Told = Callable[[int, int], None]

Rules = Annotated[
    Path | None,
    typer.Option("--rule", "-r", help="A file with `rules:`, judged in place of those in force."),
]


def replay(settings: Settings, asked: ReplayPosted, url: str | None, told: Told) -> ReplayShape:
    """Ask the Plimsoll that runs, or replay its files where none does."""
    if url is not None or is_running(settings):
        return remote(settings.server, url, asked, told)
    with opened(settings) as house:
        one = planned(house, asked)
        for share in one.run():
            told(round(share * 1000), 1000)
        return ReplayShape.of_replay(one, one.report(), asked.gates)


def remote(server: ServerConfig, url: str | None, asked: ReplayPosted, told: Told) -> ReplayShape:
    """What a running Plimsoll answers, line by line."""
    import httpx

    address = (url or server.url).rstrip("/")
    body = asked.model_dump(mode="json", exclude_defaults=True)
    last = ReplayLine(done=0.0)
    try:
        with httpx.stream(
            "POST",
            f"{address}{API}/replay",
            json=body,
            timeout=ANSWER_SECONDS,
            headers=credentials.headers(),
            verify=credentials.trusted(server, url),
        ) as answer:
            if answer.is_error:
                answer.read()
                raise AskError(str(answer.json()["detail"]))
            for text in answer.iter_lines():
                last = ReplayLine.model_validate_json(text)
                told(round(last.done * 1000), 1000)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise AskError(f"{address!r} is not an address") from None
    except CredentialsError as error:
        raise AskError(str(error)) from None
    except httpx.TransportError:
        raise AskError(f"{address} gave no whole answer: is a Plimsoll running there?") from None
    except (ValidationError, ValueError, KeyError, TypeError):
        raise AskError(f"{address} answered, but not as this Plimsoll does") from None
    if last.report is None:
        raise AskError(last.error or f"{address} broke off at {last.done:.0%}: ask again")
    return last.report


def command(
    days: Annotated[
        float, typer.Option(min=0.01, max=MOST_DAYS, help="How many days back.")
    ] = DEFAULT_DAYS,
    rule: Rules = None,
    gates: Annotated[
        str, typer.Option(help="`off` judges the literal triggers: what they would cost.")
    ] = "as_written",
    signal: Annotated[
        list[str] | None, typer.Option("--signal", help="Only rules on this signal; repeat it.")
    ] = None,
    rule_name: Annotated[
        list[str] | None,
        typer.Option("--rule-name", help="Only this rule, enabled or not; repeat it."),
    ] = None,
    config: Config = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """What rules would have fired in the past, by rule and day, with a verdict on noise.

    Nothing is enabled, stored or told. A Plimsoll that runs is asked; else its files are opened.
    """
    settings = load(config)
    if gates not in ("as_written", "off"):
        raise typer.BadParameter("as_written or off", param_hint="--gates")
    chosen: Gates = "off" if gates == "off" else "as_written"
    asked = ReplayPosted(
        days=days,
        gates=chosen,
        signals=signal or [],
        rule_names=rule_name or [],
        rules=None if rule is None else of_file(rule, settings),
    )
    try:
        with bar("replay") as told:
            found = replay(settings, asked, url, told)
    except (AskError, StandbyError) as error:
        err.print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(1) from None
    if json:
        out.print_json(data=found.model_dump(mode="json"))
        return
    say(lines(found))


def of_file(path: Path, settings: Settings) -> dict[str, object]:
    """The rules of a file as they stand there; a `SettingsError` names its faults."""
    try:
        document = read(path.read_text(encoding="utf-8"), os.environ)
        rules_of(document, settings.definitions)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}", param_hint="--rule") from None
    except SettingsError as error:
        raise SettingsError(path, error.faults) from None
    return dict(document.data["rules"])


def lines(found: ReplayShape) -> Iterator[str]:
    """The report for people."""
    gates = "" if found.gates == "as_written" else ", gates off"
    yield f"replayed {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC{gates}"
    if not found.rules:
        yield "no rule fits"
        return
    yield ""
    rows = [HEAD, *(row(one) for one in found.rules)]
    wide = [max(len(each[column]) for each in rows) for column in range(len(HEAD))]
    for each in rows:
        cells = [
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(each, wide, strict=True))
        ]
        yield "  ".join(cells).rstrip()
    for one in found.rules:
        yield from details(one)
    if found.lost_windows:
        yield ""
        yield f"{found.lost_windows} windows found no room in memory: replay fewer signals at once"


def row(one: RuleReplayShape) -> tuple[str, ...]:
    """One rule in the table."""
    share = "-" if one.transient_share is None else f"{one.transient_share:.0%}"
    longest = "-" if one.longest_seconds is None else units.duration(one.longest_seconds)
    return (
        one.rule,
        one.noise.replace("_", " "),
        str(one.openings),
        units.digits(one.per_100_series_per_day),
        share,
        longest,
        str(one.series),
        f"{one.judged_days} d",
    )


def details(one: RuleReplayShape) -> Iterator[str]:
    """What the table has no room for: the days, the noisiest series, what was held back."""
    told = []
    if one.openings:
        told.append("by day: " + " ".join(f"{each.day:%m-%d}:{each.openings}" for each in one.days))
        most = ", ".join(f"{each.name or 'all'} ({each.openings})" for each in one.noisiest)
        told.append(f"most on: {most}")
    if one.held_back_hours:
        held = ", ".join(
            f"{gate} {units.duration(hours * 3600)}" for gate, hours in one.held_back_hours.items()
        )
        told.append(f"held back by: {held}")
    if one.is_approximate:
        told.append(
            f"approximate: for {one.coarse_share:.0%} of the time only longer windows are stored"
        )
    if one.noise is Noise.NOT_ENOUGH_HISTORY:
        told.append("fewer than 7 days could be judged: ask again when there are more")
    if told:
        yield ""
        yield f"{one.rule}: {one.trigger}"
        yield from (f"  {text}" for text in told)
