"""The application under a clock that a test sets forward or back: `tests.servers.shifted:app` for gunicorn."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from app import create_app
from app.platform import clock

VARIABLE = "TEST_CLOCK_FILE"
"""Names the file with the seconds by which the clock is ahead."""


def set_ahead(file: Path, seconds: float) -> None:
    """Have every process whose clock is this file's be ahead by so many seconds, at once."""
    written = file.with_suffix(".new")
    written.write_text(str(seconds))
    written.replace(file)


def now() -> datetime:
    """The time that the test has set."""
    return clock.now() + timedelta(seconds=float(Path(os.environ[VARIABLE]).read_text()))


if VARIABLE in os.environ:
    app = create_app(clock=now)
