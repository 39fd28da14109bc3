"""One shape for every error: problem details (RFC 9457), or a page where a browser asks for one."""

import logging
from collections.abc import Iterable, Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from api.faults import OF_ANOTHER_KIND, known_keys, near
from api.letters import TOLD
from api.pages.render import render
from api.resources import Resources

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
MOST_FAULTS = 20
DOCUMENT = "/api/v1/openapi.json"


class ProblemType(StrEnum):
    """What kind of problem it is; the end of the URN in `type`."""

    BAD_REQUEST = "bad-request"
    BAD_CURSOR = "bad-cursor"
    FORBIDDEN = "forbidden"
    TOO_MANY_REQUESTS = "too-many-requests"
    UNAUTHORIZED = "unauthorized"
    BODY_TOO_LARGE = "body-too-large"
    CONFLICT = "conflict"
    CONTENT_TYPE = "content-type"
    INTERNAL = "internal"
    INVALID = "invalid"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    NOT_FOUND = "not-found"
    NOT_READY = "not-ready"
    OTHER = "other"
    WRONG_HOST = "wrong-host"


OF_STATUS = {
    400: ProblemType.BAD_REQUEST,
    401: ProblemType.UNAUTHORIZED,
    403: ProblemType.FORBIDDEN,
    404: ProblemType.NOT_FOUND,
    405: ProblemType.METHOD_NOT_ALLOWED,
    413: ProblemType.BODY_TOO_LARGE,
    415: ProblemType.CONTENT_TYPE,
    421: ProblemType.WRONG_HOST,
    422: ProblemType.INVALID,
    429: ProblemType.TOO_MANY_REQUESTS,
    500: ProblemType.INTERNAL,
}


class FaultShape(BaseModel):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="Where: `?limit`, or `#/service` in the body.")
    detail: str = Field(description="What, and how it should be.")


class ProblemShape(BaseModel):
    """Problem details, RFC 9457."""

    type: str = Field(examples=["urn:plimsoll:problem:not-found"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["There is no regression reg_1."])
    instance: str = Field(examples=["/api/v1/regressions/reg_1"])
    errors: list[FaultShape] = Field(description="Each fault of the request; empty otherwise.")


class ProblemError(Exception):
    """Ends a request with problem details."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        type_: ProblemType | None = None,
        errors: Iterable[FaultShape] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.type = type_ or OF_STATUS.get(status, ProblemType.OTHER)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})


def missing(what: str, name: str = "", known: Iterable[str] = ()) -> ProblemError:
    """Something that is not there, and what is known by nearly this name."""
    return ProblemError(404, f"There is no {what}. {near(name, known)}".rstrip())


def invalid(pointer: str, detail: str) -> ProblemError:
    """A request that is well written and still wrong in one place."""
    fault = FaultShape(pointer=pointer, detail=detail)
    return ProblemError(422, f"{pointer}: {detail}", errors=[fault])


def bad_cursor() -> ProblemError:
    """A cursor that is none of ours."""
    told = "This cursor was not handed out by this API; begin again without one."
    fault = FaultShape(pointer="?cursor", detail="is not `next_cursor` of a page")
    return ProblemError(400, told, type_=ProblemType.BAD_CURSOR, errors=[fault])


def wrong_method(method: str, allowed: Iterable[str]) -> ProblemError:
    """A path that is there, and a method that it does not have (RFC 9110, 15.5.6)."""
    headers = {"allow": ", ".join(sorted(allowed))}
    return ProblemError(
        405, f"{method} is not allowed here, only {headers['allow']}.", headers=headers
    )


def answer(request: Request, problem: ProblemError) -> Response:
    """The response for a problem: JSON, but a page for a browser outside of the API."""
    title = HTTPStatus(problem.status).phrase
    if wants_page(request):
        page = render(
            "problem.html",
            {"status": problem.status, "title": title, "detail": problem.detail},
            problem.status,
        )
        page.headers.update(problem.headers)
        return page
    body = ProblemShape(
        type=f"urn:plimsoll:problem:{problem.type}",
        title=title,
        status=problem.status,
        detail=problem.detail,
        instance=request.url.path,
        errors=problem.errors,
    )
    return JSONResponse(
        body.model_dump(), problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def wants_page(request: Request) -> bool:
    """Whether a person with a browser asks; programs do not name text/html."""
    path = request.url.path
    return "text/html" in request.headers.get("accept", "") and not path.startswith("/api/")


def register(app: FastAPI) -> None:
    """Give an application these errors in place of FastAPI's own."""
    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(RequestValidationError, on_invalid)


async def on_problem(request: Request, error: Exception) -> Response:
    """One of our own."""
    if not isinstance(error, ProblemError):
        raise error
    return answer(request, error)


async def on_http(request: Request, error: Exception) -> Response:
    """One of the framework: an unknown path, a method that is not allowed, an unreadable body."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        # The framework names the methods of one route; a path may have several.
        resources: Resources = request.app.state.resources
        allowed = resources.methods(request.url.path)
        return answer(request, wrong_method(request.method, allowed))
    nothing = f"There is nothing at {request.url.path}."
    if request.url.path.startswith("/api/"):
        nothing = f"{nothing} GET {DOCUMENT} lists what there is."
    detail = nothing if error.status_code == HTTPStatus.NOT_FOUND else str(error.detail)
    return answer(request, ProblemError(error.status_code, detail, headers=error.headers))


async def on_invalid(request: Request, error: Exception) -> Response:
    """Parameters or a body that do not fit their description."""
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()
    if all(is_cursor(one) for one in found):
        return answer(request, bad_cursor())
    faults = [
        FaultShape(pointer=place(one["loc"]), detail=said(one) + meant(request, one))
        for one in found
    ]
    unreadable = any(one["type"] == "json_invalid" for one in found)
    told = "; ".join(f"{one.pointer}: {one.detail}" for one in faults[:3])
    problem = ProblemError(400 if unreadable else 422, told, errors=faults[:MOST_FAULTS])
    return answer(request, problem)


def is_cursor(fault: Mapping[str, Any]) -> bool:
    """Whether it is a cursor that by its letters or its length alone cannot be one of ours."""
    is_text = str(fault["type"]).startswith("string_")
    return is_text and tuple(fault["loc"]) == ("query", "cursor")


def place(location: tuple[int | str, ...]) -> str:
    """Where in the request: `?limit`, `#/service` in the body, `{name}` in the path."""
    where, *rest = location
    if where == "query":
        return "?" + ".".join(map(str, rest[:1]))
    if where == "body":
        # Where JSON is broken, the location is the offset of a character.
        return "#/" + "/".join(str(one) for one in rest if isinstance(one, str))
    return "{" + ".".join(map(str, rest)) + "}"


def said(fault: Mapping[str, Any]) -> str:
    """What is wrong, in words; the value that was given is never repeated."""
    match fault["type"]:
        case "extra_forbidden":
            return "is not known here"
        case "missing":
            return "the body is missing" if fault["loc"] == ("body",) else "is missing"
        case kind if kind in OF_ANOTHER_KIND:
            return OF_ANOTHER_KIND[kind]
        case "json_invalid":
            return "the body is no JSON"
        case "model_attributes_type":
            return "the body must be a JSON object"
        case "string_pattern_mismatch" if fault["ctx"]["pattern"] in TOLD:
            return TOLD[fault["ctx"]["pattern"]]
    message = str(fault["msg"]).removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def meant(request: Request, fault: Mapping[str, Any]) -> str:
    """Of a name that is not known: the nearest one that is, or all of them; else nothing."""
    where, *inside = fault["loc"]
    route = request.scope.get("route")
    if fault["type"] != "extra_forbidden" or not isinstance(route, APIRoute):
        return ""
    known = sorted(known_names(route.dependant, where == "body", tuple(inside[:-1])))
    found = near(str(inside[-1]), known)
    if found:
        return f"; {found[0].lower()}{found[1:]}"
    return f"; known are {', '.join(known)}" if known else "; there are none"


def known_names(asked: Dependant, in_body: bool, inside: tuple[int | str, ...]) -> set[str]:
    """The parameters of an endpoint, or the members of its body at a place."""
    names: set[str] = set()
    for one in asked.body_params if in_body else asked.query_params:
        shape = one.field_info.annotation
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            names |= set(known_keys(shape, inside))
        else:
            names.add(one.alias)
    for inner in () if in_body else asked.dependencies:
        names |= known_names(inner, in_body, inside)
    return names
