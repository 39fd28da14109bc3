"""What a process does once it answers."""

import gc
import socket

from api.serve import listen, settle


def test_what_a_start_made_is_left_out_of_every_later_search_for_garbage() -> None:
    before = gc.get_freeze_count()
    try:
        settle()
        assert gc.get_freeze_count() > before + 10_000
        assert gc.get_count()[2] == 0
    finally:
        gc.unfreeze()


def test_the_pieces_of_an_answer_do_not_wait_for_each_other() -> None:
    with (
        listen("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
