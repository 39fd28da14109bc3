"""Only the members that somebody asks for: `?fields=id,state,deployment.version`.

Works on the answer as it stands and on the shape that it is documented with, so every endpoint of
the API has it without a line of its own. It comes before the tag of the answer is made.
"""

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Union, cast, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from api.errors import invalid

PARAMETER, MOST_CHARACTERS = "fields", 1000
FREE_NAME = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
"""What is free to have any name, and what is in it, is documented with names of this form."""
JSON = "application/json"
AROUND_ITEMS = frozenset({"items", "next_cursor", "total"})
"""A shape with no other members is a list: its items are meant, and what is around them stays."""

Chosen = dict[str, "Chosen"]
"""Names, each with what is wanted inside of it; nothing there means all of it."""


def documented(model: type[BaseModel]) -> Callable[[str | None], Coroutine[Any, Any, None]]:
    """The parameter for the readers of the OpenAPI document; `Selecting` has read it already.

    What it gives is a coroutine: a plain function would be handed to a thread at each request.
    """
    path = path_of(item_of(model), ())
    known = Query(
        max_length=MOST_CHARACTERS,
        pattern=f"^ *{path} *(?:, *{path} *)*$",
        description="Only these members of the answer, or of each item of a list, separated "
        "by commas; `links.page` for one inside of another. The others are left out then, although "
        "the schema of the answer requires them.",
    )

    async def parameter(fields: str | None = None) -> None:
        """Nothing is done with it here."""

    # Built here, so no annotation of the function could name it.
    parameter.__annotations__["fields"] = Annotated[str | None, known]
    return parameter


def path_of(shape: Any, above: tuple[Any, ...]) -> str:
    """A pattern of the names inside of a shape, and of the names inside of these."""
    if not is_model(shape) or shape in above:
        return FREE_NAME
    parts = []
    for name, annotation in sorted(members(shape).items()):
        inner = model_in(annotation)
        below = "" if inner is None else rf"(?:\.{path_of(inner, (*above, shape))})?"
        parts.append(f"{name}{below}")
    return f"(?:{'|'.join(parts)})"


class Selecting(APIRoute):
    """A route whose answers are cut down to `fields`; an unknown one is a 422 before it is run."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        """Like any other; with the parameter, where its answer has members."""
        given = more.get("response_model")
        answer = get_type_hints(endpoint).get("return") if not is_model(given) else given
        if is_model(answer):
            said = Depends(documented(cast(type[BaseModel], answer)))
            more["dependencies"] = [*(more.get("dependencies") or ()), said]
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the framework, and the choice around it."""
        handle = super().get_route_handler()
        model = self.response_model

        async def chosen(request: Request) -> Response:
            asked = request.query_params.getlist(PARAMETER)
            if not asked:
                return await handle(request)
            text = ",".join(asked)
            if not (isinstance(model, type) and issubclass(model, BaseModel)):
                raise invalid(f"?{PARAMETER}", "is not known here")
            if len(text) > MOST_CHARACTERS:
                raise invalid(f"?{PARAMETER}", f"has more than {MOST_CHARACTERS} characters")
            wanted = parsed(text, model)
            response = await handle(without(request))
            if response.media_type != JSON or response.status_code >= 300:
                return response
            cut_down = narrowed(json.loads(bytes(response.body)), wanted, model)
            response.body = json.dumps(cut_down, ensure_ascii=False, separators=(",", ":")).encode()
            response.headers["content-length"] = str(len(response.body))
            return response

        return chosen


def without(request: Request) -> Request:
    """The request without the parameter: what an endpoint does not know is an error to it."""
    rest = [one for one in request.query_params.multi_items() if one[0] != PARAMETER]
    scope = {**request.scope, "query_string": urlencode(rest).encode()}
    return Request(scope, request.receive)


def parsed(text: str, model: type[BaseModel]) -> Chosen:
    """What is asked for, checked against the shape; a 422 problem names what there is."""
    inner = item_of(model)
    wanted: Chosen = {}
    for name in (one.strip(" ") for one in text.split(",")):
        shape: Any = inner
        here, told = wanted, ""
        parts = name.split(".")
        for place, part in enumerate(parts):
            check(part, shape, told)
            shape = model_in(members(shape)[part]) if is_model(shape) else Any
            told = f"{told}{part}."
            whole = place == len(parts) - 1
            # All of a member, asked for once, is all of it whatever else is asked of it.
            if part in here and not here[part]:
                break
            here = here.setdefault(part, {})
            if whole:
                here.clear()
    return wanted


def check(part: str, shape: Any, told: str) -> None:
    """Refuse a name that the shape does not have; what is free to have any name has this one."""
    if shape is None:
        raise invalid(f"?{PARAMETER}", f"{told[:-1]} has no members")
    if is_model(shape) and part not in members(shape):
        inside = f" in {told[:-1]}" if told else ""
        known = ", ".join(sorted(members(shape)))
        raise invalid(
            f"?{PARAMETER}", f"names a member that is not known{inside}; there are {known}"
        )
    if not part:
        raise invalid(f"?{PARAMETER}", "has a name that is empty")


def is_model(shape: Any) -> bool:
    """Whether a shape says which members there are."""
    return isinstance(shape, type) and issubclass(shape, BaseModel)


def members(model: type[BaseModel]) -> Mapping[str, Any]:
    """The names in the answer, and what stands there."""
    return {
        field.serialization_alias or field.alias or name: field.annotation
        for name, field in model.model_fields.items()
    }


def item_of(model: type[BaseModel]) -> Any:
    """The shape whose members are asked for: that of the items of a list, else the shape itself."""
    known = members(model)
    return model_in(known["items"]) if "items" in known and known.keys() <= AROUND_ITEMS else model


def model_in(annotation: Any) -> Any:
    """The shape in `X | None` or `list[X]`; `Any` where names are free, None for plain values."""
    if is_model(annotation) or annotation is Any:
        return annotation
    inner = get_args(annotation)
    origin = get_origin(annotation)
    if origin is dict or annotation is dict:
        return Any
    if origin in (list, tuple) or origin is Union or type(annotation).__name__ == "UnionType":
        return next(filter(None, map(model_in, inner)), None)
    return None


def narrowed(body: Any, wanted: Chosen, model: type[BaseModel]) -> Any:
    """The answer with what is wanted; what is around the items of a list stays."""
    if item_of(model) is model:
        return cut(body, wanted)
    return {**body, "items": [cut(one, wanted) for one in body["items"]]}


def cut(value: Any, wanted: Chosen) -> Any:
    """A value with the members that are wanted, in its own order; all of it where none are."""
    if not wanted:
        return value
    if isinstance(value, list):
        return [cut(one, wanted) for one in value]
    if not isinstance(value, dict):
        return value  # null where there could be members
    return {name: cut(one, wanted[name]) for name, one in value.items() if name in wanted}
