"""`plimsoll backup` and `plimsoll restore`: asks the process that runs, or does it itself.

Only one process can have the history open. So the one that runs makes the copy and hands it out;
where nothing listens, nothing has the files open, and the command opens them itself.
"""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from api import credentials
from api.config import ServerConfig
from api.credentials import CredentialsError
from api.loops import clock
from api.settings import Settings
from api.shapes import API
from storage.archive import CHUNK_BYTES, STATE, BackupError, Manifest, Told
from storage.backup import finish, prepare, restore, save, sweep
from storage.duck import DuckHistory
from storage.duckfile import DuckFile
from storage.state import State

ANSWER_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Made:
    """What kind of backup was made, and by whom."""

    by: str
    with_state: bool


def back_up(settings: Settings, target: Path, told: Told, *, force: bool = False) -> Made:
    """Write a backup to a file that only its owner may read; all of it or nothing."""
    if target.is_dir():
        raise BackupError(f"{target} is a directory: name a file in it")
    if target.exists() and not force:
        raise BackupError(f"{target} is there already: choose another name, or say --force")
    connection = to_process(settings.server)
    with closing(connection):
        try:
            connection.connect()
        except ConnectionRefusedError:
            return Made("from the files", STATE in from_files(settings, target, told).files)
        except OSError as error:
            raise BackupError(f"{settings.server.url} cannot be asked ({error})") from None
        manifest = from_process(connection, settings.server.url, target, told)
    return Made(f"by the process at {settings.server.url}", STATE in manifest.files)


def to_process(server: ServerConfig) -> http.client.HTTPConnection:
    """A connection to the process that may run, not yet made."""
    host = (urlsplit(server.url).hostname or "").strip("[]")
    if server.tls is None:
        return http.client.HTTPConnection(host, server.port, timeout=ANSWER_SECONDS)
    return http.client.HTTPSConnection(
        host, server.port, timeout=ANSWER_SECONDS, context=credentials.trusted(server)
    )


def from_process(
    connection: http.client.HTTPConnection, url: str, target: Path, told: Told
) -> Manifest:
    """Save what the running process hands out."""
    try:
        connection.request("GET", f"{API}/backup", headers=credentials.headers())
        answer = connection.getresponse()
        if answer.status != 200:
            raise BackupError(f"{url} makes no backup: {reason(answer)}")
        length = int(answer.getheader("content-length", "0"))
        return save(pieces(answer), target, length, told)
    except CredentialsError as error:
        raise BackupError(str(error)) from None
    except (http.client.HTTPException, ConnectionError, TimeoutError, ValueError) as error:
        name = type(error).__name__
        raise BackupError(f"{url} gave no whole backup ({name}): try again") from None


def pieces(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    """The body, as it comes; an `IncompleteRead` where it ends early."""
    while chunk := answer.read(CHUNK_BYTES):
        yield chunk
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)


def reason(answer: http.client.HTTPResponse) -> str:
    """Why the process refused, in its own words where it has any."""
    try:
        return str(json.loads(answer.read(CHUNK_BYTES))["detail"])
    except (ValueError, KeyError, TypeError):
        return f"it answered {answer.status}, so it may be no Plimsoll, or an older one"


def from_files(settings: Settings, target: Path, told: Told) -> Manifest:
    """Open the files as `plimsoll run` would, and copy them."""
    storage = settings.storage
    finish(storage.directory)
    state = State(storage.url())
    for path in (storage.history_path, state.file):
        if path is not None and not path.exists():
            raise BackupError(f"there is no {path}: nothing to back up; check storage.directory")
    with closing(DuckFile(storage.history_path, memory=storage.memory)) as file, closing(state):
        DuckHistory(file)  # refuses a damaged or newer file, with advice
        sweep(storage.directory)
        prepared = prepare(file, state, version("plimsoll"), clock())
        try:
            return save(prepared.chunks(), target, prepared.length_bytes, told)
        finally:
            prepared.remove()


def bring_back(settings: Settings, archive: Path, told: Told, *, force: bool = False) -> Manifest:
    """Restore a backup into the places that the configuration names."""
    storage = settings.storage
    with closing(State(storage.url())) as state:
        return restore(archive, storage.history_path, state.file, told, force=force)
