"""`/beacon.js` and its kin: the script that measures pages in browsers, for pages of any site."""

from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from api.built import Built, asked
from api.errors import ProblemError

routes = APIRouter(include_in_schema=False)

FOR_GOOD = "public, max-age=31536000, immutable"
ASK_AGAIN = "public, no-cache"


@routes.api_route("/beacon.{name}", methods=["GET", "HEAD"])
async def beacon(
    name: str,
    accept_encoding: Annotated[str, Header()] = "",
    if_none_match: Annotated[str, Header()] = "",
) -> Response:
    """The beacon for browsers: `js` or `mjs`, `attr.` and its digest before it or not."""
    found = asked(name)
    if found is None:
        raise ProblemError(404, f"There is no beacon.{name}; `plimsoll beacon snippet` names it.")
    file, by_digest = found
    encoding, body = packed(file, accept_encoding)
    # One tag for each packing: a cache may not mix them up.
    tag = f'"{file.digest}{encoding and f"-{encoding}"}"'
    headers = {
        "cache-control": FOR_GOOD if by_digest else ASK_AGAIN,
        "etag": tag,
        "vary": "Accept-Encoding",
        # Pages of other origins load it, and check its digest, which needs both.
        "access-control-allow-origin": "*",
        "cross-origin-resource-policy": "cross-origin",
    }
    if tag in {one.strip().removeprefix("W/") for one in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    if encoding:
        headers["content-encoding"] = encoding
    return Response(body, media_type="text/javascript; charset=utf-8", headers=headers)


def packed(file: Built, accepted: str) -> tuple[str, bytes]:
    """The smallest form that the browser takes; a quality of 0 is a refusal."""
    offers = {}
    for one in accepted.lower().split(","):
        name, _, quality = one.partition(";")
        offers[name.strip()] = quality.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    if offers.get("br"):
        return "br", file.brotli
    if offers.get("gzip"):
        return "gzip", file.gzipped
    return "", file.plain
