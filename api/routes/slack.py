"""`/slack/actions`: presses of buttons in Slack, as signed requests."""

import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response

from api.errors import ProblemError, missing
from api.rooms import Rooms
from api.routes.router import router

routes = router("slack", prefix="")
PATH = "/slack/actions"


async def body_of(request: Request) -> bytes:
    """The body as it was signed."""
    return await request.body()


@routes.post(PATH, summary="Presses of buttons in Slack", include_in_schema=False)
def actions(house: Rooms, request: Request, body: Annotated[bytes, Depends(body_of)]) -> Response:
    """Only for Slack: form-encoded, signed with the app's signing secret, at most 5 minutes old."""
    signed = house.alerts.is_signed(request.headers, body, house.now())
    if signed is None:
        raise missing("page, since no `alerts.slack.signing_secret` is configured")
    if not signed:
        raise ProblemError(401, "The request is not signed by Slack, or older than five minutes.")
    house.alerts.press(payload_of(body), house.now())
    return Response()


def payload_of(body: bytes) -> dict[str, Any]:
    """What Slack sends in the field `payload`; a 400 problem when there is none."""
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError):
        raise ProblemError(400, "The body has no field `payload` with JSON in it.") from None
    if not isinstance(payload, dict):
        raise ProblemError(400, "The field `payload` is no JSON object.")
    return payload
