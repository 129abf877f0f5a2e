"""gunicorn's messages, in the log of the service and without what clients send."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gunicorn.glogging import Logger

if TYPE_CHECKING:
    from gunicorn.config import Config


class GunicornLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's messages in the same log as everything else, in the same form; its access log stays off."""

    def setup(self, cfg: Config) -> None:
        """Pass gunicorn's messages to the root logger, which `app.platform.log` has set up."""
        self.cfg = cfg
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.access_log.handlers = []
        self.access_log.propagate = False

    def access(self, *_: object) -> None:
        """Do nothing, since `web/exchange.py` logs the requests. gunicorn would look up its settings each time."""

    def warning(self, msg: str, *args: object, **kwargs: object) -> None:
        """Log a warning, without what a client sent: a line that gunicorn cannot read may hold a token."""
        if msg.startswith("Invalid request from ip="):
            msg = f"{msg.partition(': ')[0]}: {type(sys.exception()).__name__}"
        super().warning(msg, *args, **kwargs)
