"""`/api/v1/backup`: history and state as one file, for `plimsoll backup`."""

from importlib.metadata import version
from typing import Annotated

from fastapi import Header, Query
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api.errors import ProblemError
from api.rooms import Asked, Rooms
from api.routes.router import problems, router
from storage.archive import BackupError
from storage.backup import Prepared, prepare
from storage.duckfile import DuckFile, HistoryError
from storage.state import StateError

routes = router("backup")

MEDIA_TYPE = "application/x-tar"
OWN_SITES = ("same-origin", "none")


class Handed(StreamingResponse):
    """An archive on its way out; its copies are removed however the way ends."""

    def __init__(self, file: DuckFile, prepared: Prepared) -> None:
        super().__init__(
            prepared.chunks(),
            media_type=MEDIA_TYPE,
            headers={
                "content-length": str(prepared.length_bytes),
                "content-encoding": "identity",  # its length says whether it came whole
                "content-disposition": 'attachment; filename="plimsoll-backup.tar"',
            },
        )
        self.file, self.prepared = file, prepared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, then give back the space and let the next one begin."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.prepared.remove()
            self.file.copying.release()


@routes.get(
    "/backup",
    summary="A backup of history and state",
    response_class=Response,
    responses={
        200: {"description": "The archive.", "content": {MEDIA_TYPE: {}}},
        **problems({409: "A backup is being made.", 507: "There is no space to make it."}),
    },
)
async def make_backup(
    house: Rooms,
    asked: Annotated[Asked, Query()],
    sec_fetch_site: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """History and state as they are at one moment, in a tar; one at a time, else 409.

    What `plimsoll backup` asks for. A state in PostgreSQL is not in it.
    """
    if sec_fetch_site is not None and sec_fetch_site not in OWN_SITES:
        raise ProblemError(403, "Another site's page may not ask for a backup.")
    if not house.file.copying.acquire(blocking=False):
        raise ProblemError(409, "A backup is being made already; ask again when it is done.")
    try:
        prepared = await run_in_threadpool(
            prepare, house.file, house.state, version("plimsoll"), house.now()
        )
    except (BackupError, HistoryError, StateError) as error:
        house.file.copying.release()
        raise ProblemError(507, str(error)) from None
    except BaseException:
        house.file.copying.release()
        raise
    return Handed(house.file, prepared)
