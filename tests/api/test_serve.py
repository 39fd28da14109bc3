"""What a process does once it answers."""

import gc

from api.serve import settle


def test_what_a_start_made_is_left_out_of_every_later_search_for_garbage() -> None:
    before = gc.get_freeze_count()
    try:
        settle()
        assert gc.get_freeze_count() > before + 10_000
        assert gc.get_count()[2] == 0
    finally:
        gc.unfreeze()
