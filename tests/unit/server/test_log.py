"""gunicorn logs like everything else, and nothing that was sent."""

from __future__ import annotations

import logging

import pytest
from gunicorn.config import Config

from app.server.log import GunicornLog


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> GunicornLog:
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
        monkeypatch.setattr(logger, "propagate", False)
    return GunicornLog(Config())


def test_gunicorn_writes_into_the_log_of_the_service(log: GunicornLog, caplog: pytest.LogCaptureFixture) -> None:
    log.warning("worker %s is gone", 7)

    assert [record.getMessage() for record in caplog.records] == ["worker 7 is gone"]
    assert logging.getLogger("gunicorn.error").handlers == []


def test_gunicorn_writes_no_line_for_a_request(log: GunicornLog, caplog: pytest.LogCaptureFixture) -> None:
    log.access(None, None, {}, None)
    logging.getLogger("gunicorn.access").info("GET /?token=planted")

    assert caplog.records == []


def test_what_a_client_sent_that_cannot_be_read_is_not_logged(
    log: GunicornLog, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        int("Authorization: Bearer planted")
    except ValueError as error:
        log.warning(f"Invalid request from ip=192.0.2.1: {error}")  # noqa: G004 - as gunicorn does it

    assert [record.getMessage() for record in caplog.records] == ["Invalid request from ip=192.0.2.1: ValueError"]
