"""Workers that serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gunicorn.workers import gthread

from app.server import worker
from tests.unit.server.served import BRIEF, Served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def booting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A worker that is ready to run."""
    for module in (gthread, worker):
        monkeypatch.setattr(module, "STOP_KEEPALIVE_LINGER", BRIEF)
    monkeypatch.setattr(worker, "_LINGER_SECONDS", BRIEF)
    served = Served(worker.Worker)
    yield served
    served.finish()
    assert served.died_of is None


@pytest.fixture
def served(booting: Served) -> Served:
    """A worker that runs."""
    booting.thread.start()
    return booting
