"""A pgbouncer for tests, in front of a PostgreSQL, with a pool for each transaction."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.postgres import USER, Postgres, unprivileged
from tests.servers import free_port, program

START_SECONDS = 30.0
PAUSE_SECONDS = 0.05
USERS = ("watcher", "stranger")
CONFIG = """[databases]
* = host=127.0.0.1 port={server}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
auth_type = trust
auth_file = {users}
stats_period = 1
pool_mode = transaction
default_pool_size = 1
stats_users = watcher
admin_users = nobody
unix_socket_dir =
"""


@contextmanager
def pgbouncer(server: Postgres) -> Iterator[int]:
    """A pooler that lets everybody in whom it knows; yields its port.

    A pool has one connection, which serves all clients of a user and database in turn.
    """
    binary = program("pgbouncer", package="pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="plimsoll-pgbouncer-"))
    port = free_port()
    config = folder / "pgbouncer.ini"
    users = folder / "users"
    users.write_text("".join(f'"{one}" ""\n' for one in (USER, *USERS)))
    config.write_text(CONFIG.format(server=server.port, users=users, port=port))
    if unprivileged():
        shutil.chown(folder, "nobody", "nogroup")
        users.chmod(0o644)
        config.chmod(0o644)
        folder.chmod(0o755)
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*unprivileged(), binary, str(config)], stdout=output, stderr=subprocess.STDOUT
        )
    try:
        wait_until_ready(port, process, log)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Connect until it answers; an AssertionError with its log when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            psycopg.connect(host="127.0.0.1", port=port, user=USER, dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(PAUSE_SECONDS)
        else:
            return
    raise AssertionError(f"pgbouncer did not start:\n{log.read_text(errors='replace')[-2000:]}")
