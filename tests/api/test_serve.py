"""What a process does once it answers."""

import asyncio
import gc
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from api.house import House
from api.serve import StartError, listen, serve, settled


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


IDLE = """
import asyncio, sys
from pathlib import Path
import api.main
from api.serve import build, listen, serve
from api.settings import load

async def ask(house):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path in ("/", "/metrics"):
        writer.write(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
        head = await reader.readuntil(b"\\r\\n\\r\\n")
        assert b" 200 " in head.partition(b"\\r\\n")[0], head
        length = next(one for one in head.lower().split(b"\\r\\n") if b"content-length" in one)
        await reader.readexactly(int(length.partition(b":")[2]))
    while not all(one.last_success for one in house.collector.status()):
        await asyncio.sleep(0.05)
    writer.close()

house, listener = build(load(None)), listen("127.0.0.1", 0)
port = listener.getsockname()[1]
asyncio.run(serve(house, listener, ask))
house.state.close()
house.file.close()
print(sorted(set(sys.argv[1].split()) & set(sys.modules)))
"""
NOT_LOADED = (
    "alembic mako psycopg matplotlib httpx httpcore pygments slack_sdk markdown_it websockets "
    "authlib redis grafanalib"
)


def test_an_idle_process_has_loaded_nothing_that_only_others_need(tmp_path: Path) -> None:
    """Each of them takes its memory for as long as the process runs."""
    for _ in ("a first start", "a second one"):
        done = subprocess.run(
            [sys.executable, "-c", IDLE, NOT_LOADED],
            cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.stdout.strip() == "[]", done.stderr
