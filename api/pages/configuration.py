"""Configuration: what is in force, without secrets, and a check of what is to be."""

from typing import Annotated

import yaml
from fastapi import APIRouter, Query
from starlette.responses import Response

from api.checking import IN_WORDS, MOST_TEXT
from api.pages.render import render
from api.plain_settings import plain
from api.rooms import Asked, Rooms

routes = APIRouter(include_in_schema=False)


@routes.api_route("/configuration", methods=["GET", "HEAD"])
def configuration(house: Rooms, asked: Annotated[Asked, Query()]) -> Response:
    """The page; its form is sent by a script, as JSON."""
    settings = plain(house.settings)
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True) if settings else ""
    definitions = house.settings.definitions
    return render(
        "configuration.html",
        {
            "text": text,
            "most_text": MOST_TEXT,
            "unchecked": IN_WORDS,
            "targets": len(list(house.settings.collector.watched())),
            "signals": len(definitions.signals),
            "rules": sum(one.enabled for one in definitions.rules.values()),
            "receivers": list(house.settings.alerts.receiver_names),
        },
    )
