"""What an error of a driver says about its database: one classification, which each product fills in for its codes."""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext


class Answer(Enum):
    """What is to be made of an error."""

    ELSEWHERE = auto()
    """This connection is of no more use: it is lost, or its server must not write. Another one may lead to a server
    that can."""
    LATER = auto()
    """Not at the moment: a lock, a full disk, too many connections. The connection stays."""
    REFUSED = auto()
    """Never: a table or a right is missing, or it is no database at all."""
    FAULT = auto()
    """The program's own, which the caller may expect: a duplicate key, a value that does not fit."""


def drop_when_elsewhere(engine: Engine, answer_of: Callable[[BaseException], Answer]) -> None:
    """Have `engine` close a connection, and all that lie idle in its pool, when an error on it says ELSEWHERE."""

    def judge(context: ExceptionContext) -> None:
        error = context.original_exception
        if context.connection is not None and isinstance(error, context.dialect.loaded_dbapi.Error):
            context.is_disconnect |= answer_of(error) is Answer.ELSEWHERE

    event.listen(engine, "handle_error", judge)
