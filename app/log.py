"""The log: one JSON object a line, or lines for people. Nothing is logged that was sent, but methods and addresses."""

from __future__ import annotations

import json
import logging
import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, TextIO

import structlog
from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from structlog.typing import EventDict, Processor

    from app.config import Settings

_facts: ContextVar[Mapping[str, str]] = ContextVar("facts", default=MappingProxyType({}))
"""What each line tells beside what it says itself."""


def configure(settings: Settings) -> None:
    """Set up the log of this process as the settings say, for structlog and for the standard library's loggers.

    Raises OSError if LOG_FILE cannot be opened.
    """
    level = logging.getLevelNamesMapping()[settings.logging.level.upper()]
    stream = _open(settings.logging.file)
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_facts,
    ]
    renderer: Processor
    if settings.logging.format == "console":
        # Plain tracebacks: others show the values of variables, and so passwords and tokens.
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        tracebacks: list[Processor] = []  # the renderer shows them itself
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
        tracebacks = [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, *tracebacks, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *tracebacks,
                renderer,
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.INFO))  # the debug lines of libraries may hold what was sent
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each of its plugins


@contextmanager
def telling(facts: Mapping[str, str]) -> Iterator[None]:
    """Every line that is logged meanwhile, in this thread or on behalf of it, tells these facts as well."""
    token = _facts.set(facts)
    try:
        yield
    finally:
        _facts.reset(token)


def _add_facts(_logger: object, _method: str, event: EventDict) -> EventDict:
    for name, fact in _facts.get().items():
        event.setdefault(name, fact)
    return event


def _to_json(event: object, **_: object) -> str:
    """The same as structlog's own, in a quarter of the time: each request pays it."""
    with suppress(ValueError):  # a lone surrogate, which only the standard library escapes
        line = to_json(event, fallback=repr)
        if line.isascii():
            return line.decode()
    return json.dumps(event, default=repr)  # some characters beyond ASCII break lines or command terminals


def _open(file: Path | None) -> TextIO:
    """The stream to log to; a file is opened to append, a line at a time, so that several workers can share it."""
    return sys.stderr if file is None else file.open("a", encoding="utf-8", buffering=1)
