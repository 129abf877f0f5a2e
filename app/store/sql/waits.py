"""How long a request may wait for a database."""

from __future__ import annotations

from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.platform import deadline


def seconds_for(most: float) -> float:
    """`most`, or what the request has left if that is less; raises SQLAlchemy's TimeoutError when nothing is left."""
    left = deadline.remaining()
    if left is None:
        return most
    if left <= 0:
        raise NoPlaceError("the request has no time left for the database")
    return min(most, left)


def network_seconds_for(most: float) -> float:
    """The same for a driver's own time-outs, which end as if the server did not answer; never 0."""
    left = deadline.remaining()
    return most if left is None else max(0.001, min(most, left))
