"""`/deployments`: what went live, told by whoever deploys."""

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Query, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.exc import IntegrityError

from api.errors import invalid
from api.moments import Moment, milliseconds
from api.rooms import Asked, Limited, Rooms
from api.routes.router import beyond, router
from api.routes.texts import Name, Text, Words
from api.shapes import DeploymentShape, Shape
from detector.deployed import newest
from detector.identity import identity
from detector.regression import Deployment

routes = router("deployments")

AHEAD = timedelta(days=1)
BACK = timedelta(days=400)


def web_page(value: str) -> str:
    """An http(s) address without credentials, or nothing."""
    if not value:
        return value
    try:
        parts = urlsplit(value)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or any(one.isspace() for one in value):
        raise ValueError("must be an address that begins with http:// or https://")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or password")
    return value


class DeploymentPosted(BaseModel):
    """A version of a service that went live. The same three again are the same deployment."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        str_strip_whitespace=True,
        json_schema_extra={
            "examples": [
                {
                    "service": "checkout",
                    "version": "2.7.1",
                    "at": "2026-03-02T12:00:00Z",
                    "sha": "9f1c2ab",
                    "environment": "production",
                    "url": "https://ci.example/runs/4711",
                }
            ]
        },
    )

    service: Words = Field(
        min_length=1,
        max_length=100,
        description="What was deployed; a target's name (or its label `service`) ties it closest.",
    )
    version: Words = Field(min_length=1, max_length=200, description="Which version of it.")
    at: Moment | None = Field(
        None, description="When it went live, RFC 3339; now if left out. Give it, to repeat safely."
    )
    sha: Text = Field("", max_length=100, description="The commit.")
    environment: Text = Field("", max_length=100, description="Where to, such as production.")
    url: Annotated[Text, AfterValidator(web_page)] = Field(
        "", max_length=2000, description="A page that tells more, http or https."
    )


class DeploymentsAsked(Limited):
    """Which deployments."""

    service: Name | None = Field(None, description="Of this service.")
    since: Moment | None = Field(None, description="At this time or later; 35 days ago.")
    until: Moment | None = Field(None, description="At this time or earlier.")


class DeploymentsList(Shape):
    """Deployments, newest first."""

    items: list[DeploymentShape]
    """The deployments."""


@routes.post(
    "/deployments",
    status_code=201,
    summary="Tell of a deployment",
    responses={200: {"model": DeploymentShape, "description": "It was known already."}},
    openapi_extra=beyond(
        {
            "#/at": f"is more than a day ahead or {BACK.days} days ago",
            "#/url": "is no address of a page, or holds a user or password",
        }
    ),
)
def post_deployment(
    house: Rooms,
    posted: DeploymentPosted,
    asked: Annotated[Asked, Query()],
    response: Response,
) -> DeploymentShape:
    """201 for a new one, 200 for one that is known: sending it again is safe."""
    now = house.now()
    moment = posted.at or now
    if moment - now > AHEAD:
        raise invalid("#/at", "is more than a day in the future")
    if now - moment > BACK:
        raise invalid("#/at", f"is more than {BACK.days} days in the past")
    at_ms = milliseconds(moment)
    deployment = Deployment(
        id=identity("dep", posted.service, posted.version, at_ms),
        service=posted.service,
        version=posted.version,
        at_ms=at_ms,
        sha=posted.sha,
        environment=posted.environment,
        url=posted.url,
    )
    stored, new = store(house, deployment)
    if not new:
        response.status_code = 200
    return DeploymentShape.of(stored)


def store(house: Rooms, deployment: Deployment) -> tuple[Deployment, bool]:
    """Store it, or find the one that is there; whether it is new."""
    try:
        with house.state.unit() as session:
            if house.book.add_deployment(session, deployment):
                return deployment, True
    except IntegrityError:
        pass  # another process was a moment faster with the same one
    with house.state.reading() as session:
        same_time = house.book.deployments(session, deployment.at_ms, deployment.at_ms)
    return next(one for one in same_time if one.id == deployment.id), False


@routes.get("/deployments", summary="Deployments, newest first")
def get_deployments(house: Rooms, asked: Annotated[DeploymentsAsked, Query()]) -> DeploymentsList:
    """What was deployed in a span of time."""
    now = house.now()
    since = asked.since or now - timedelta(days=35)
    until = asked.until or now + AHEAD
    span = milliseconds(since), milliseconds(until)
    with house.state.looking() as view:
        found = newest(view, *span, asked.limit, asked.service)
    return DeploymentsList(items=[DeploymentShape.of(one) for one in found])
