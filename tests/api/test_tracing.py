"""What the collector receives on each kind of store, for successful and failed requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.service import PASSWORD, Service, Start
from tests.servers.otlp import Collector, Span, collector_of_this_process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def told() -> Iterator[Collector]:
    with collector_of_this_process() as running:
        yield running


@pytest.fixture
def service(start: Start, told: Collector) -> Iterator[Service]:
    """An instance that sends to the collector."""
    service = start(OTEL_EXPORTER_OTLP_ENDPOINT=told.url)
    assert service.wired.tracing is not None
    service.wired.tracing.start()
    yield service
    service.wired.tracing.close()


def spans(service: Service, told: Collector) -> list[Span]:
    """All spans, once every pending one has been sent."""
    assert service.wired.tracing is not None
    service.wired.tracing.close()
    return told.spans


def test_a_request_with_a_token_is_one_call_of_the_store(service: Service, told: Collector) -> None:
    service.get("/auth/me", token=service.register().token)

    (me,) = [span for span in spans(service, told) if span.name == "GET /auth/me"]
    (call,) = told.inside(me)
    assert (call.name, call.kind) == ("sessions.principal", "CLIENT")
    assert call.attributes == {"db.system.name": service.wired.store.common_name.lower()}


def test_an_error_of_a_client_is_not_an_error_of_the_service(service: Service, told: Collector) -> None:
    account = service.register()
    service.post("/auth/register", {"email": account.email, "password": PASSWORD})
    service.login(account.email, "no, this is not it")

    conflict, refused = [span for span in spans(service, told) if span.parent == ""][1:]
    assert conflict.attributes["http.response.status_code"] == 409
    assert refused.attributes["http.response.status_code"] == 401
    assert not [span for span in told.spans if span.failed or "error.type" in span.attributes]


def test_a_fault_is_traced_by_its_type_and_not_its_message(service: Service, told: Collector) -> None:
    account = service.register()
    service.database.break_users()
    assert service.get("/auth/me", token=account.token).status_code == 500

    (me,) = [span for span in spans(service, told) if span.name == "GET /auth/me"]
    assert me.failed
    assert me.attributes["error.type"] == "internal_error"
    (call,) = told.inside(me)
    assert call.failed
    assert call.attributes["error.type"].isidentifier()
    assert [span.said for span in told.spans] == [[]] * len(told.spans)


def test_a_request_that_waits_for_nothing_has_no_parts(service: Service, told: Collector) -> None:
    service.get("/auth/me")

    (span,) = spans(service, told)
    assert span.name == "GET /auth/me"
    assert span.attributes["http.response.status_code"] == 401
