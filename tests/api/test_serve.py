"""What a process does once it answers."""

import gc
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from api.serve import listen, settle
from storage.state import State, sqlite_url


def test_what_a_start_made_is_left_out_of_every_later_search_for_garbage() -> None:
    before, interval = gc.get_freeze_count(), sys.getswitchinterval()
    try:
        settle()
        assert gc.get_freeze_count() > before + 10_000
        assert gc.get_count()[2] == 0
        assert sys.getswitchinterval() == pytest.approx(0.001)
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)


def test_the_pieces_of_an_answer_do_not_wait_for_each_other() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_start_loads_no_driver_and_no_migrations_that_it_does_not_need(tmp_path: Path) -> None:
    # Some 20 MiB together, and a tenth of a second.
    url = sqlite_url(tmp_path / "state.sqlite3")
    with closing(State(url)) as state:
        state.migrate()
    code = (
        "import sys, api.main, api.serve, storage.state\n"
        f"storage.state.State({url!r}).migrate()\n"
        "print(sorted({'alembic', 'mako', 'psycopg', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"
