"""What the tests of mail share: a certificate, and servers that know it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.servers.smtp import Certificate, SmtpServer, make_certificate, smtp_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def relay() -> Iterator[SmtpServer]:
    """A server without TLS and login."""
    with smtp_server() as server:
        yield server
