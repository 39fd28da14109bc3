"""A PostgreSQL for tests: Debian's, in a folder of its own, on a free port of 127.0.0.1.

The server refuses to run as root, so root starts it as `nobody`. Nothing is synced to disk: the
tests ask what the state does with PostgreSQL, not whether PostgreSQL survives a power cut.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from tests.servers import free_port, missing

START_SECONDS = 30.0
PAUSE_SECONDS = 0.05
USER = "plimsoll"
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=16MB")
_databases = count(1)


class Postgres:
    """A running server; `database` gives the address of a new, empty database."""

    def __init__(self, port: int, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.port = port
        self.folder = folder
        self.process = process

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder / "log"

    def address(self, database: str, *, password: str = "") -> str:
        """The SQLAlchemy address of a database on this server."""
        login = f"{USER}:{password}" if password else USER
        return f"postgresql+psycopg://{login}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The address of a new database; it goes away with the server."""
        name = f"test_{next(_databases)}"
        with self.connected() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.address(name)

    def connected(self, database: str = "postgres", user: str = USER) -> psycopg.Connection:
        """A connection beside the one under test."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=user, dbname=database, autocommit=True
        )


def binaries() -> Path:
    """The folder of the server's programs, or the end of the test."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        missing("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


def unprivileged() -> list[str]:
    """What a command must begin with so that it does not run as root."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        missing("root cannot start PostgreSQL without setpriv: apt-get install util-linux")
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


@contextmanager
def postgres(*settings: str, hba: str = "") -> Iterator[Postgres]:
    """A server that is started here and stopped at the end.

    `settings` are of its configuration, `name=value`; `hba` replaces its pg_hba.conf, which lets
    everybody in.
    """
    programs, before = binaries(), unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-postgres-"))
    if before:
        shutil.chown(folder, "nobody", "nogroup")
    data = folder / "data"
    init = [str(programs / "initdb"), "-D", str(data), "-U", USER, "-A", "trust", "--no-sync"]
    run([*before, *init, "-E", "UTF8", "--locale=C.UTF-8"], folder)
    if hba:
        (data / "pg_hba.conf").write_text(hba)
    try:
        with started(folder, data, settings) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def standby(primary: Postgres, name: str = "standby") -> Iterator[Postgres]:
    """A copy of a server that follows it."""
    programs, before = binaries(), unprivileged()
    data = primary.folder / name
    address = f"host=127.0.0.1 port={primary.port} user={USER} application_name={name}"
    copy = [str(programs / "pg_basebackup"), "-D", str(data), "-d", address, "-R", "--no-sync"]
    run([*before, *copy, "-c", "fast"], primary.folder)
    folder = primary.folder / f"{name}-server"
    folder.mkdir()
    if before:
        shutil.chown(folder, "nobody", "nogroup")
    with started(folder, data, ()) as made:
        yield made


@contextmanager
def started(folder: Path, data: Path, settings: Sequence[str]) -> Iterator[Postgres]:
    """A server on a data directory that is there, with its log and socket in `folder`."""
    port, log = free_port(), folder / "log"
    fixed = [*FAST, f"unix_socket_directories={folder}", "listen_addresses=127.0.0.1"]
    options = [part for one in (*fixed, *settings) for part in ("-c", one)]
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *unprivileged(),
                str(binaries() / "postgres"),
                *("-D", str(data), "-p", str(port)),
                *options,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
        )
    try:
        made = Postgres(port, folder, server)
        wait_until_ready(made, server, log)
        yield made
    finally:
        server.send_signal(2)  # SIGINT: disconnect everybody and stop
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def run(command: list[str], folder: Path) -> None:
    """Run to the end; an AssertionError with what it said when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def wait_until_ready(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    """Connect until it answers; an AssertionError with its log when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            server.connected().close()
        except psycopg.OperationalError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')[-2000:]}")
