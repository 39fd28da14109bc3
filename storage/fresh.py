"""Connections to PostgreSQL that may be gone are asked before they are used; others are not.

To ask each time, as `pool_pre_ping` does, costs as much as most statements. A server that ends a
connection says so at once, and what it said lies on the socket, which is looked at for nothing. A
way that was cut somewhere in between says nothing: it is cut where it was idle, so a connection
that was not used for a while is asked in any case.
"""

import select
from time import monotonic
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

IDLE_SECONDS = 10.0
USED = "plimsoll_used"


def ask_the_doubtful(engine: Engine) -> None:
    """From now on see to it that who takes a connection of this engine gets a living one."""

    @event.listens_for(engine, "checkin")
    def on_checkin(_connection: Any, record: Any) -> None:
        record.info[USED] = monotonic()

    @event.listens_for(engine, "checkout")
    def on_checkout(connection: Any, record: Any, _proxy: object) -> None:
        used = record.info.get(USED)
        if used is None:
            return  # it was opened a moment ago
        if monotonic() - used < IDLE_SECONDS and not has_news(connection):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            # The others are from before as well; each is opened anew when it is taken.
            raise InvalidatePoolError() from error


def has_news(connection: Any) -> bool:
    """Whether something was received that nobody asked for: the end, or a note of the server."""
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
