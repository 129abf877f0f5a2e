"""The engines that every product is asked through. Their errors never show the values of a statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import NullPool, QueuePool, create_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL, Engine
    from sqlalchemy.engine.interfaces import IsolationLevel


def reading_engine(url: URL, arguments: Mapping[str, object]) -> Engine:
    """For single statements in AUTOCOMMIT, on connections that `Readers` keeps; `arguments` are the driver's."""
    return create_engine(
        url,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        hide_parameters=True,
        connect_args=dict(arguments),
    )


def writing_engine(
    url: URL,
    arguments: Mapping[str, object],
    *,
    places: int,
    place_seconds: float,
    isolation_level: IsolationLevel | None = None,
) -> Engine:
    """For transactions: up to `places` at once, for one of which `place_seconds` are waited."""
    return create_engine(
        url,
        poolclass=QueuePool,
        pool_size=places,
        max_overflow=0,
        pool_timeout=place_seconds,
        isolation_level=isolation_level,
        hide_parameters=True,
        connect_args=dict(arguments),
    )


def migrating_engine(url: URL, arguments: Mapping[str, object]) -> Engine:
    """For one transaction at the start."""
    return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=dict(arguments))
