"""What a process does once it answers."""

import asyncio
import gc
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from api.house import House
from api.serve import StartError, listen, serve, settled
from storage.state import State, sqlite_url


def at_work() -> tuple[tuple[int, int, int], float]:
    """How often garbage is searched for, and how soon a thread hands over."""
    return gc.get_threshold(), sys.getswitchinterval()


def test_what_a_start_made_is_left_out_of_every_later_search_for_garbage() -> None:
    frozen, before = gc.get_freeze_count(), at_work()
    with settled():
        assert gc.get_freeze_count() > frozen + 10_000
        assert gc.get_count()[2] == 0
        assert gc.get_threshold() == (10_000, 20, 20)
        assert sys.getswitchinterval() == pytest.approx(0.001)
    assert gc.get_freeze_count() == 0
    assert at_work() == before


def test_a_process_that_answers_has_left_it_out_and_gives_it_back_when_it_stops(
    house: House,
) -> None:
    frozen: list[int] = []
    before = at_work()

    async def look(_: House) -> None:
        frozen.append(gc.get_freeze_count())

    with listen("127.0.0.1", 0) as listener:
        asyncio.run(serve(house, listener, look))
    assert [count > 10_000 for count in frozen] == [True]
    assert gc.get_freeze_count() == 0
    assert at_work() == before


def test_a_port_that_is_taken_is_told_in_one_sentence() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError) as error:
            listen("127.0.0.1", port)
    assert str(error.value).startswith(
        f"cannot listen on 127.0.0.1:{port} (Address already in use): stop what listens there"
    )


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
