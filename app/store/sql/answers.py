"""What a driver's error says about its database: one classification, to which each backend maps its codes."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext


class Answer(Enum):
    """What an error means for the connection and the caller."""

    ELSEWHERE = auto()
    """This connection is of no more use: it is lost, or its server takes no writes. A new one may lead to a server that
    does."""
    LATER = auto()
    """Not at the moment: a lock, a full disk, too many connections. The connection stays."""
    REFUSED = auto()
    """Never: a table or a right is missing, or this is not a database."""
    FAULT = auto()
    """About the statement, which the caller may expect: a duplicate key, a value that does not fit."""


def drop_when_elsewhere(engine: Engine, answer_of: Callable[[BaseException], Answer]) -> None:
    """Have `engine` close a connection, and all idle ones in its pool, when an error on it means ELSEWHERE."""

    def judge(context: ExceptionContext) -> None:
        error = context.original_exception
        if context.connection is not None and isinstance(error, context.dialect.loaded_dbapi.Error):
            context.is_disconnect |= answer_of(error) is Answer.ELSEWHERE

    event.listen(engine, "handle_error", judge)
