"""The format of a backup: an uncompressed tar of a manifest and the database files.

The manifest comes first and tells of each file its size and SHA-256, so that damage is found before
anything is put in place. Names inside an archive are compared and never used as paths.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
MANIFEST = "manifest.json"
HISTORY, STATE = "history.duckdb", "state.sqlite3"
MOST_MANIFEST_BYTES = 64 * 1024
CHUNK_BYTES = 1024 * 1024
BLOCK = tarfile.BLOCKSIZE

Told = Callable[[int, int], None]


class BackupError(Exception):
    """A backup cannot be made or restored; the message says what to do."""


class Part(BaseModel):
    """One file of a backup."""

    model_config = ConfigDict(frozen=True, strict=True)

    size_bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """What a backup holds, and what is needed to read it."""

    model_config = ConfigDict(frozen=True, strict=True)

    format: int
    plimsoll: str
    made_at: str
    history_version: int
    state_revision: str | None
    files: dict[str, Part]


def described(path: Path) -> Part:
    """Size and checksum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return Part(size_bytes=path.stat().st_size, sha256=digest.hexdigest())


def length_bytes(manifest: Manifest) -> int:
    """How long the archive of a manifest is."""
    sizes = [len(written(manifest)), *(one.size_bytes for one in manifest.files.values())]
    return sum(BLOCK + size + -size % BLOCK for size in sizes) + 2 * BLOCK


def written(manifest: Manifest) -> bytes:
    """The manifest as it stands in the archive."""
    return manifest.model_dump_json(indent=1).encode()


def stream(manifest: Manifest, paths: Mapping[str, Path]) -> Iterator[bytes]:
    """The archive in pieces: the files must be as the manifest tells."""
    text = written(manifest)
    yield header(MANIFEST, len(text)) + text + bytes(-len(text) % BLOCK)
    for name, part in manifest.files.items():
        yield header(name, part.size_bytes)
        with paths[name].open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
        yield bytes(-part.size_bytes % BLOCK)
    yield bytes(2 * BLOCK)


def header(name: str, size_bytes: int) -> bytes:
    """The tar header of one file; only its owner may read it where it is unpacked by hand."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, 0o600
    return info.tobuf(tarfile.GNU_FORMAT)


def read(archive: Path) -> Manifest:
    """The manifest of an archive; one of a newer format is refused."""
    with opened(archive) as tar:
        return manifest_of(archive, tar)


def unpack(archive: Path, places: Mapping[str, Path], told: Told) -> Manifest:
    """Write the files of an archive to their places; a file without a place is only checked.

    What was written when a `BackupError` is raised is for the caller to remove.
    """
    with opened(archive) as tar:
        manifest = manifest_of(archive, tar)
        total, done = sum(one.size_bytes for one in manifest.files.values()), 0
        for name, part in manifest.files.items():
            digest = hashlib.sha256()
            with ExitStack() as stack:
                source = stack.enter_context(member(tar, name, part.size_bytes))
                target = stack.enter_context(private(places[name])) if name in places else None
                while chunk := source.read(CHUNK_BYTES):
                    digest.update(chunk)
                    if target is not None:
                        target.write(chunk)
                    done += len(chunk)
                    told(done, total)
            if digest.hexdigest() != part.sha256:
                raise ValueError(f"{name} is not what was written")
        if tar.next() is not None:
            raise ValueError("it holds more than its manifest tells")
        return manifest


@contextmanager
def opened(archive: Path) -> Iterator[tarfile.TarFile]:
    """An archive to read; what is wrong with it becomes a `BackupError`."""
    try:
        file = archive.open("rb")
    except OSError as error:
        raise BackupError(f"{archive} cannot be read ({error.strerror})") from None
    try:
        with file, tarfile.open(fileobj=file, mode="r:") as tar:
            yield tar
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise BackupError(
            f"{archive} is damaged, or no backup ({error}): take another one"
        ) from None


def manifest_of(archive: Path, tar: tarfile.TarFile) -> Manifest:
    """The manifest at the beginning of an archive."""
    with member(tar, MANIFEST, None) as file:
        text = file.read(MOST_MANIFEST_BYTES + 1)
    if len(text) > MOST_MANIFEST_BYTES:
        raise ValueError("its manifest is too long")
    document = json.loads(text)
    format_ = document.get("format") if isinstance(document, dict) else None
    if isinstance(format_, int) and format_ > FORMAT:
        raise BackupError(
            f"{archive} was made by a newer version of Plimsoll (format {format_}, this one reads "
            f"{FORMAT}): restore it with that version"
        )
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError:
        raise ValueError("its manifest cannot be read") from None
    if HISTORY not in manifest.files or manifest.files.keys() - {HISTORY, STATE}:
        raise ValueError("its manifest names other files than a backup has")
    return manifest


def member(tar: tarfile.TarFile, name: str, size_bytes: int | None) -> IO[bytes]:
    """The next file of an archive, which must have this name and size."""
    info = tar.next()
    if info is None:
        raise ValueError(f"{name} is missing")
    source = tar.extractfile(info) if info.isreg() and info.name == name else None
    if source is None:
        raise ValueError(f"{info.name!r} stands where {name} should be")
    if size_bytes is not None and info.size != size_bytes:
        raise ValueError(f"{name} has another size than its manifest tells")
    return source


@contextmanager
def private(path: Path) -> Iterator[IO[bytes]]:
    """A new file that only its owner may read, on the disk for good when it is closed."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
