"""The log: JSON lines, or lines for people. Of what clients send, only methods and addresses are logged."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import traceback
from contextlib import suppress
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from pydantic_core import to_json

from app.platform.errors import cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from structlog.typing import EventDict, ExcInfo, Processor

    from app.config import Settings

_DRIVERS = frozenset({"sqlalchemy", "sqlite3", "psycopg", "pymysql", "pymongo", "bson"})
"""Packages whose errors may quote what was sent to a database."""
_facts: ContextVar[Mapping[str, str]] = ContextVar("facts", default=MappingProxyType({}))
"""Facts that are added to each line."""


def configure(settings: Settings) -> None:
    """Set up the log of this process as the settings say, for structlog and for the standard library's loggers.

    Raises OSError if LOG_FILE cannot be opened.
    """
    level = logging.getLevelNamesMapping()[settings.logging.level.upper()]
    file = settings.logging.file
    stream: Any = _LossyStream(sys.stderr) if file is None else _LossyFile(file)
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_facts,
    ]
    renderer: Processor
    if settings.logging.format == "console":
        # Plain tracebacks: others show the values of variables, and so passwords and tokens.
        renderer = structlog.dev.ConsoleRenderer(
            colors=stream.isatty(),
            exception_formatter=lambda out, exc_info: print("\n" + _traceback(exc_info), end="", file=out),
        )
        tracebacks: list[Processor] = []  # the renderer shows them itself
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_to_json)
        tracebacks = [structlog.processors.ExceptionRenderer(_traceback)]
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
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it logs each of its plugins


class telling:  # noqa: N801 - used as a function; a generator would take three times as long, in every request
    """Add these facts to every line logged in this context, by this thread or on its behalf."""

    __slots__ = ("_token", "_told")

    def __init__(self, facts: Mapping[str, str]) -> None:
        self._told = facts

    def __enter__(self) -> None:
        self._token = _facts.set(self._told)

    def __exit__(self, *_: object) -> None:
        _facts.reset(self._token)


def told(name: str) -> str | None:
    """What is told in this context under this name, such as `request_id`."""
    return _facts.get().get(name)


def reason_of(error: BaseException) -> str:
    """Why something is not available, in one line, for the operator: the first cause, not the client's message."""
    cause = cause_of(error)
    return _words_of(cause).partition("\n")[0] or type(cause).__name__  # some drivers write several lines


def told_by(error: BaseException) -> str:
    """The message of an error, in one line, as far as it may be logged.

    A database's answer to a statement may quote what was sent, such as an address that already exists: then only the
    error code is logged.
    """
    return " ".join(_words_of(error).split())


def _words_of(error: BaseException) -> str:
    origin = getattr(error, "orig", None) or error
    if type(error).__module__.partition(".")[0] not in _DRIVERS or _is_of_connection(error):
        return str(origin).strip()
    codes = (getattr(origin, name, None) for name in ("sqlstate", "sqlite_errorname", "code"))
    return next((str(code) for code in codes if code), "")


def _is_of_connection(error: BaseException) -> bool:
    """Whether a driver's error is about its connection, rather than an answer to a statement."""
    if hasattr(error, "statement"):  # SQLAlchemy's
        return error.statement is None
    return hasattr(error, "details") and not error.details  # pymongo's


def _traceback(exc_info: ExcInfo) -> str:
    """The traceback of an error and of its causes, the last one first, each with the message that may be logged."""
    error: BaseException | None = exc_info[1]
    shown: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind, told = type(error), told_by(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
        shown.append("".join(lines) + (f"{name}: {told}\n" if told else f"{name}\n"))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nbehind which was:\n\n".join(shown)


def _add_facts(_logger: object, _method: str, event: EventDict) -> EventDict:
    for name, fact in _facts.get().items():
        event.setdefault(name, fact)
    return event


def _to_json(event: object, **_: object) -> str:
    """The same as structlog's own, in a quarter of the time, which every request pays."""
    with suppress(ValueError):  # a lone surrogate, which only the standard library escapes
        line = to_json(event, fallback=repr)
        if line.isascii():
            return line.decode()
    return json.dumps(event, default=repr)  # some non-ASCII characters break lines or control terminals


class _LossyFile(io.TextIOBase):
    """A file to log to; a line that cannot be written is lost, without further harm.

    Each line is one write at the end of the file, so that several workers can share it.
    """

    def __init__(self, file: Path) -> None:
        self._descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, _MODE)
        self._cut = b""
        self._losing = False

    def write(self, text: str, /) -> int:
        line = self._cut + text.encode("utf-8", "backslashreplace")
        try:
            whole = os.write(self._descriptor, line) == len(line)
        except OSError as error:
            self._report(error.strerror or "")
        else:
            self._cut, self._losing = b"" if whole else b"\n", False
        return len(text)

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
            self._descriptor = -1
        super().close()

    def _report(self, reason: str) -> None:
        """Say once on standard error that lines are being lost."""
        if not self._losing:
            self._losing = True
            _LossyStream(sys.stderr).write(f"LOG_FILE cannot be written ({reason}): its lines are lost\n")


class _LossyStream(io.TextIOBase):
    """Standard error, if there is one: a line that cannot be written, since its reader is gone, is lost as well."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        if self._stream is not None:
            with suppress(OSError, ValueError):  # ValueError: it is closed
                self._stream.write(text)
                self._stream.flush()
        return len(text)

    def isatty(self) -> bool:
        return self._stream is not None and not self._stream.closed and self._stream.isatty()


_MODE = 0o640
"""The mode of a new file, before the umask: it holds addresses and identifiers of users."""
