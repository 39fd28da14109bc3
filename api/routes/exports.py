"""`.../export`: the whole history of regressions, or windows of a signal, as one file."""

import logging
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any

from fastapi import Depends, Query, Request
from prometheus_client import CollectorRegistry, Counter
from pydantic import Field
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import ProblemError, invalid, missing
from api.exporting import REGRESSIONS, WINDOWS, ExportError, Format, Parquet, regressions, windows
from api.moments import Moment, milliseconds
from api.rooms import Asked, Rooms
from api.routes.regressions import RegressionsFiltered
from api.routes.router import beyond, problems, router
from api.routes.signals import LONGEST, known_signal
from api.routes.texts import Id, Name
from api.standing import known_series
from storage.history import HOUR_SECONDS

log = logging.getLogger(__name__)
routes = router("exports")

DAY_MS = 86_400_000
MOST_NAMED = 100
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file.",
        "content": {one.media_type: {"schema": {"type": "string"}} for one in Format},
    }
}

PROBLEMS = problems(
    {409: "Another export is under way.", 507: "There is no space to make the file."}
)


class Outcome(StrEnum):
    """What became of an export that was asked for."""

    DONE = "done"
    BUSY = "busy"  # another one was under way
    LEFT = "left"  # whoever asked went away
    FAILED = "failed"


class Exports:
    """One export at a time, and how they ended."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.running = threading.Lock()
        self.outcomes = Counter(
            "plimsoll_exports", "Exports by outcome.", ["outcome"], registry=registry
        )
        for one in Outcome:
            self.outcomes.labels(one)

    def begin(self) -> None:
        """Take the only place; a 409 problem when it is taken."""
        if not self.running.acquire(blocking=False):
            self.outcomes.labels(Outcome.BUSY).inc()
            raise ProblemError(
                409,
                "An export is under way already; ask again when it is done.",
                headers={"retry-after": "10"},
            )

    def end(self, outcome: Outcome) -> None:
        """Let the next one begin."""
        self.running.release()
        self.outcomes.labels(outcome).inc()


async def exports_of(request: Request) -> Exports:
    """Those of the application."""
    exports: Exports = request.app.state.exports
    return exports


ExportsOf = Annotated[Exports, Depends(exports_of)]


class Handed(StreamingResponse):
    """A file on its way; what was made for it is removed however the way ends.

    One that fails on the way is cut off, so that nobody takes a part for the whole.
    """

    def __init__(
        self, exports: Exports, name: str, format_: Format, pieces: Iterable[str | bytes]
    ) -> None:
        self.exports, self.outcome = exports, Outcome.LEFT
        self.parquet: Parquet | None = None
        super().__init__(
            self.watched(pieces),
            media_type=format_.media_type,
            headers={"content-disposition": f'attachment; filename="{name}.{format_.value}"'},
        )

    def watched(self, pieces: Iterable[str | bytes]) -> Iterator[str | bytes]:
        """The pieces, and how it ended."""
        try:
            yield from pieces
        except GeneratorExit:
            raise
        except BaseException:
            self.outcome = Outcome.FAILED
            raise
        self.outcome = Outcome.DONE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then clean up and let the next one begin."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self.parquet is not None:
                self.parquet.remove()
            self.exports.end(self.outcome)


def handed(
    house: Rooms,
    exports: Exports,
    name: str,
    asked: tuple[Format, Mapping[str, str]],
    pieces: Iterator[str],
) -> Response:
    """A response with these rows; Parquet is made first. The place is given back at its end."""
    format_, columns = asked
    if format_ is Format.NDJSON:
        return Handed(exports, name, format_, pieces)
    parquet = None
    try:
        parquet = Parquet(house.settings.storage.directory)
        parquet.make(pieces, columns)
    except BaseException as error:
        if parquet is not None:
            parquet.remove()
        exports.end(Outcome.FAILED)
        if isinstance(error, OSError | ExportError):
            log.error("an export failed: %s", error)
            told = "The file could not be made: there may be no space for it. The log says more."
            raise ProblemError(507, told) from None
        raise
    response = Handed(exports, name, format_, parquet.chunks())
    response.parquet = parquet
    return response


class RegressionsExport(RegressionsFiltered):
    """Which regressions, and as what."""

    format: Format = Field(Format.NDJSON, description="`ndjson`, or `parquet`.")


class WindowsExport(Asked):
    """Which windows, and as what."""

    format: Format = Field(Format.NDJSON, description="`ndjson`, or `parquet`.")
    series: list[Name] = Field(
        default_factory=list,
        max_length=MOST_NAMED,
        description="Ids of series; repeat it for several. All when left out.",
    )
    since: Moment | None = Field(None, description="Windows that end later; a day before `until`.")
    until: Moment | None = Field(None, description="Windows that end by then; now if left out.")
    seconds: float | None = Field(
        None, gt=0, description="Length of the windows; that which is judged if left out."
    )


@routes.get(
    "/regressions/export",
    summary="Regressions as a file",
    response_class=Response,
    responses={**ANSWERS, **PROBLEMS},
)
def export_regressions(
    house: Rooms, exports: ExportsOf, asked: Annotated[RegressionsExport, Query()]
) -> Response:
    """Every one that the filters leave, newest first: lines of JSON or Parquet; one at a time."""
    exports.begin()
    rows = regressions(house, asked.wanted())
    return handed(house, exports, "regressions", (asked.format, REGRESSIONS), rows)


@routes.get(
    "/signals/{name}/windows/export",
    summary="Windows of a signal as a file",
    response_class=Response,
    responses={**ANSWERS, **PROBLEMS},
    openapi_extra=beyond(
        {
            "?since": f"must be before `until`, by {LONGEST.days} days at most",
            "?seconds": "is no length that windows of this signal are kept with",
        }
    ),
)
def export_windows(
    house: Rooms, exports: ExportsOf, name: Id, asked: Annotated[WindowsExport, Query()]
) -> Response:
    """Stored windows of one length, of any number of series: lines of JSON or Parquet."""
    signal = known_signal(house, name)
    until_ms = milliseconds(asked.until or house.now())
    since_ms = milliseconds(asked.since) if asked.since else until_ms - DAY_MS
    if since_ms >= until_ms:
        raise invalid("?since", "must be before `until`")
    if until_ms - since_ms > LONGEST / timedelta(milliseconds=1):
        raise invalid("?since", f"is more than {LONGEST.days} days before `until`")
    lengths = {signal.form.window, signal.form.over, HOUR_SECONDS}
    seconds = signal.form.over if asked.seconds is None else asked.seconds
    if seconds not in lengths:
        kept = ", ".join(f"{one:g}" for one in sorted(lengths))
        raise invalid("?seconds", f"no windows of that length are kept; there are {kept}")
    known = known_series(house, name)
    for one in asked.series:
        if one not in known:
            raise missing(f"series {one} of {name}")
    chosen = [known[one] for one in dict.fromkeys(asked.series or known)]
    exports.begin()
    rows = windows(house, signal, chosen, (since_ms, until_ms), seconds)
    return handed(house, exports, f"{signal.name}-windows", (asked.format, WINDOWS), rows)
