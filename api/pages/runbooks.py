"""Runbooks: what a shipped rule means, where to look first, what it usually is."""

from dataclasses import dataclass
from functools import cache
from importlib.abc import Traversable
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, HTTPException
from markupsafe import Markup
from starlette.responses import Response

from api.pages.render import render
from api.rooms import Rooms

if TYPE_CHECKING:
    from markdown_it.token import Token

routes = APIRouter(include_in_schema=False)

IN_CHECKOUT = Path(__file__).parents[2] / "docs" / "runbooks"


@dataclass(frozen=True, slots=True)
class Runbook:
    """One page: its heading, and what stands below it."""

    rule: str
    title: str
    body: Markup


@routes.api_route("/runbooks", methods=["GET", "HEAD"])
def index(house: Rooms) -> Response:
    """All of them; those of rules that are in force first say so."""
    rules = house.detector.definitions.rules
    known = [one for name in names() if (one := runbook(name)) is not None]
    return render("runbooks.html", {"runbooks": known, "rules": rules})


@routes.api_route("/runbooks/{rule}", methods=["GET", "HEAD"])
def page(house: Rooms, rule: str) -> Response:
    """The one of a rule."""
    found = runbook(rule)
    if found is None:
        raise HTTPException(404, f"There is no runbook of a rule {rule!r}.")
    inforce = house.detector.definitions.rules.get(rule)
    return render("runbook.html", {"runbook": found, "rule": inforce})


def folder() -> Traversable:
    """Where the texts are: in the installed package, else in the checkout."""
    installed = files("api.pages").joinpath("runbooks")
    return installed if installed.is_dir() else IN_CHECKOUT


@cache
def names() -> tuple[str, ...]:
    """The rules that have a runbook; nothing else is ever opened."""
    found = (one.name for one in folder().iterdir())
    return tuple(sorted(one.removesuffix(".md") for one in found if one.endswith(".md")))


@cache
def runbook(rule: str) -> Runbook | None:
    """The runbook of a rule; None where it has none."""
    if rule not in names():
        return None
    from markdown_it import MarkdownIt  # loads with the first runbook that is read

    text = folder().joinpath(f"{rule}.md").read_text(encoding="utf-8")
    heading, _, body = text.partition("\n")
    # Without HTML: what is not Markdown stays text.
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(body)
    for one in tokens:
        if one.type == "inline":
            one.children = linked(one.children or [], rule)
    made = markdown.renderer.render(tokens, markdown.options, {})
    # What is wider than a phone is scrolled, with the keyboard, too.
    made = made.replace("<pre>", '<pre tabindex="0">')
    return Runbook(rule, heading.removeprefix("# "), Markup(made))


def linked(tokens: "list[Token]", here: str) -> "list[Token]":
    """The same, with the names of other rules as links to their runbooks."""
    from markdown_it.token import Token

    found: list[Token] = []
    for one in tokens:
        if one.type == "code_inline" and one.content in names() and one.content != here:
            opening = Token("link_open", "a", 1, attrs={"href": f"/runbooks/{one.content}"})
            found += [opening, one, Token("link_close", "a", -1)]
        else:
            found.append(one)
    return found
