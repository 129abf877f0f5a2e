"""Connections that the server closed while nobody used them."""

from __future__ import annotations

import select

from sqlalchemy.exc import InvalidatePoolError


def check_open(descriptor: int) -> None:
    """Have the pool replace all its connections if the server closed this one.

    For SQLAlchemy's `checkout` event. A write must not be done twice, so it is not tried again on another
    connection when it fails. An idle server sends nothing but its farewell: one look at the socket, without a
    round trip, tells.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if poll.poll(0):
        raise InvalidatePoolError("the server closed the connection")
