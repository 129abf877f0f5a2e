"""Tracing by OpenTelemetry: reports to a collector what a request did and how long each part took.

Imported only where a collector is set. A span holds our own names, numbers and times, and nothing that a client sent:
no path, no query, no address, no message of an exception.
"""

from __future__ import annotations

import logging
import re
import time
from contextlib import contextmanager, nullcontext
from threading import Thread
from typing import TYPE_CHECKING

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.db_attributes import DB_SYSTEM_NAME
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.trace import (
    NoOpTracer,
    SpanKind,
    StatusCode,
    format_span_id,
    format_trace_id,
    get_current_span,
    use_span,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.platform.failure import Failure
from app.platform.instrumentation import Observer
from app.platform.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

    from opentelemetry.trace import Span, Tracer

FLUSH_SECONDS = 3
"""How long a stopping worker waits for the collector to take the last spans."""
COMPLAIN_EVERY = 60
"""Seconds between two log lines about a collector that accepts nothing."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""Those of RFC 9110 and RFC 5789; the semantic conventions call any other "_OTHER"."""
_UNTRACED = re.compile(r"(/auth)?/health(/.*)?|/api/ping/?|/metrics/?|/assets/.*", re.DOTALL)
"""What machines request every few seconds, and static files."""
_FAULT = 500
_parent_of = TraceContextTextMapPropagator().extract
_log = structlog.get_logger("latchkey.tracing")


class Tracing(Observer):
    """Traces requests, with the store calls and hashes in them, and also jobs and mails.

    Spans are kept in memory, and a thread of its own sends them, so a slow or absent collector holds nothing up. Spans
    that do not fit are dropped.
    """

    def __init__(self, endpoint: str, product: str) -> None:
        """`endpoint` is the collector's address, without a slash at its end; `product` is the store's common name.

        Opens nothing.
        """
        self._exporter = OTLPSpanExporter(f"{endpoint}/v1/traces")
        self._store = {DB_SYSTEM_NAME: product.lower()}
        self._provider: TracerProvider | None = None
        self._tracer: Tracer = NoOpTracer()

    def start(self) -> None:
        """Start tracing; call it after the fork, since it starts the sending thread."""
        ours = Resource.create({SERVICE_NAME: "latchkey", SERVICE_VERSION: __version__})
        resource = ours.merge(OTELResourceDetector().detect())  # what the operator sets overrides it
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("latchkey", __version__)
        sdk = logging.getLogger("opentelemetry")
        sdk.handlers[:] = [_Complaints()]
        sdk.propagate = False

    def close(self) -> None:
        """Send the last spans, within FLUSH_SECONDS; what the collector has not taken by then is lost."""
        if self._provider is None:
            return
        flush = Thread(target=self._provider.shutdown, name="tracing-flush", daemon=True)
        flush.start()
        flush.join(FLUSH_SECONDS)
        if flush.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call] # it has no types

    @contextmanager
    def exchange(self, path: str, carried: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
        """A span for a request, in the trace that `carried` names; `exchange_ended` adds the outcome."""
        if _UNTRACED.fullmatch(path):
            yield {}
            return
        with self._span("HTTP", SpanKind.SERVER, context=_parent_of(carried, Context())) as span:
            made = span.get_span_context()
            ids = {"trace_id": format_trace_id(made.trace_id), "span_id": format_span_id(made.span_id)}
            yield ids if made.is_valid else {}

    def exchange_ended(
        self,
        method: str,
        route: str | None,
        status: int,
        failure: Failure | None,
        seconds: float,  # noqa: ARG002 - the span has its own times
    ) -> None:
        """Name the span of the request under way, as the semantic conventions for HTTP do."""
        span = get_current_span()
        known = method in _METHODS
        name = method if known else "HTTP"
        span.update_name(f"{name} {route}" if route else name)
        span.set_attribute(HTTP_REQUEST_METHOD, method if known else "_OTHER")
        span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if route:
            span.set_attribute(HTTP_ROUTE, route)
        if status >= _FAULT:
            _note_error(span, failure.code if failure else str(status))

    def store_call(self, operation: str) -> AbstractContextManager[object]:
        """A span for each call within a request or a job."""
        return self._child(operation, SpanKind.CLIENT, self._store)

    def hashing(self) -> AbstractContextManager[object]:
        """A span from the queue to the end of the work."""
        return self._child("hash", SpanKind.INTERNAL)

    def hash_began(self, waited: float) -> None:
        """Record how long the password waited in the queue."""
        get_current_span().set_attribute("latchkey.hash.waited_seconds", waited)

    def working(self, task: str) -> AbstractContextManager[object]:
        """A trace for each job and each mail."""
        return self._span(task, SpanKind.INTERNAL)

    def _child(
        self, name: str, kind: SpanKind, attributes: Mapping[str, str] | None = None
    ) -> AbstractContextManager[object]:
        """A child of the current span; without one, nothing: polling the store every 2 s makes no trace."""
        return self._span(name, kind, attributes) if get_current_span().is_recording() else nullcontext()

    @contextmanager
    def _span(
        self, name: str, kind: SpanKind, attributes: Mapping[str, str] | None = None, context: Context | None = None
    ) -> Iterator[Span]:
        """A span that is the current one inside; of an error raised there, it records only the kind."""
        span = self._tracer.start_span(name, context, kind, attributes)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Failure as failure:
                if failure.status >= _FAULT:
                    _note_error(span, failure.code)
                raise
            except Exception as error:
                _note_error(span, type(error).__qualname__)
                raise


def _note_error(span: Span, kind: str) -> None:
    """Record an error without its message, which may hold what a client sent."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute(ERROR_TYPE, kind)


class _Complaints(logging.Handler):
    """Logs the complaints of OpenTelemetry's packages, at most one line per COMPLAIN_EVERY seconds."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._silent_until = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Log it, unless another was logged a short while ago."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + COMPLAIN_EVERY
            _log.warning("tracing", complaint=record.getMessage(), exc_info=record.exc_info)
