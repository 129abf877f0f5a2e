"""The SQLAlchemy engines of every backend. Their errors never show the values of a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import NullPool, QueuePool, create_engine

from app.store.sql.answers import drop_when_elsewhere

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sqlalchemy import URL, Engine
    from sqlalchemy.engine.interfaces import IsolationLevel

    from app.store.sql.answers import Answer


def reading_engine(url: URL, arguments: Mapping[str, object], answer_of: Callable[[BaseException], Answer]) -> Engine:
    """For single statements in AUTOCOMMIT, on connections that are kept; `arguments` are the driver's."""
    engine = create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
        connect_args=dict(arguments),
    )
    drop_when_elsewhere(engine, answer_of)
    return engine


def writing_engine(
    url: URL,
    arguments: Mapping[str, object],
    answer_of: Callable[[BaseException], Answer],
    *,
    places: int,
    place_seconds: float,
    isolation_level: IsolationLevel | None = None,
) -> Engine:
    """For transactions, up to `places` at once; the next one waits up to `place_seconds` for a place."""
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=places,
        max_overflow=0,
        pool_timeout=place_seconds,
        isolation_level=isolation_level,
        hide_parameters=True,
        connect_args=dict(arguments),
    )
    drop_when_elsewhere(engine, answer_of)
    return engine


def single_engine(url: URL, arguments: Mapping[str, object]) -> Engine:
    """For single connections: those of migrations, and those that are kept as the driver's."""
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=dict(arguments))
