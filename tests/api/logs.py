"""The log while a test runs: set up as the settings say, and put back afterwards."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import ModuleType

import structlog

from app.config import Settings
from app.platform import log


@contextmanager
def logging_as(settings: Settings) -> Iterator[None]:
    """Log as these settings say; the file that was opened for it is closed at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    _forget_loggers()
    log.configure(settings)
    (handler,) = root.handlers
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        _forget_loggers()
        assert isinstance(handler, logging.StreamHandler)
        if settings.logging.file is not None:
            handler.stream.close()


def _forget_loggers() -> None:
    """A logger stays as it was configured at its first use: in another test, perhaps."""
    for module in [module for name, module in sys.modules.items() if name.startswith("app.")]:
        for logger in _loggers_of(module):
            vars(logger).pop("bind", None)


@cache
def _loggers_of(module: ModuleType) -> list[object]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, structlog._config.BoundLoggerLazyProxy)  # noqa: SLF001 - structlog has no other way
    ]
