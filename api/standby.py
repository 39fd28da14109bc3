"""Commands that ask the Plimsoll that runs, or open the files themselves where none does.

Only one process can have the history open: where something listens at the configured address, it
is asked; where nothing does, nothing has the files open.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from api.house import House
from api.serve import build
from api.settings import Settings

CONNECT_SECONDS = 2.0


class StandbyError(Exception):
    """Neither a Plimsoll that runs nor files to open; the message says what to do."""


def is_running(settings: Settings) -> bool:
    """Whether anything listens at the configured address."""
    address = (settings.server.host.strip("[]"), settings.server.port)
    try:
        socket.create_connection(address, timeout=CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return False
    except OSError as error:
        raise StandbyError(f"{settings.server.url} cannot be asked ({error})") from None
    return True


@contextmanager
def opened(settings: Settings) -> Iterator[House]:
    """The house of a Plimsoll that is stopped; it is given back afterwards."""
    path = settings.storage.history_path
    if not path.exists():
        raise StandbyError(
            f"no Plimsoll runs at {settings.server.url}, and there is no {path}: check "
            "`server` and `storage.directory`, or give --url"
        )
    house = build(settings)
    try:
        yield house
    finally:
        house.state.close()
        house.file.close()
