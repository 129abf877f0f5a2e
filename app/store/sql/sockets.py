"""Connections that the server closed while nobody used them."""

from __future__ import annotations

import select

from sqlalchemy.exc import InvalidatePoolError


def check_open(descriptor: int) -> None:
    """Have the pool replace all its connections if the server closed this one.

    For SQLAlchemy's `checkout` event. A write must not run twice, so a failed one is not tried again on another
    connection. An idle server sends nothing except when it closes, so a look at the socket is enough, without a round
    trip.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if poll.poll(0):
        raise InvalidatePoolError("the server closed the connection")
