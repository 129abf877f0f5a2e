"""A collector that takes OpenTelemetry's traces by OTLP over HTTP, and keeps what it gets."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as SentSpan

SECONDS = 60.0
"""How long a span is waited for."""


@dataclass(frozen=True)
class Span:
    """A span as the collector got it; identifiers in hexadecimal, `parent` is "" where a trace begins."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent: str
    failed: bool
    said: list[str]
    """The names of its events, and what its status says in words."""
    attributes: dict[str, Any]
    resource: dict[str, Any]


@dataclass
class Collector:
    """A running collector."""

    port: int
    spans: list[Span] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    """All that was sent, as it came."""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Those of each request, by names in small letters."""
    _changed: Condition = field(default_factory=Condition, repr=False)

    @property
    def url(self) -> str:
        """What OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
        return f"http://127.0.0.1:{self.port}"

    def named(self, name: str) -> list[Span]:
        """The spans of this name, in the order in which they came."""
        return [span for span in list(self.spans) if span.name == name]

    def inside(self, span: Span) -> list[Span]:
        """The spans that belong to this one directly."""
        return [other for other in list(self.spans) if (other.trace_id, other.parent) == (span.trace_id, span.span_id)]

    def wait_for(self, wanted: Callable[[Span], bool]) -> Span:
        """The first span that is `wanted`, once there is one; AssertionError when none comes."""
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.spans)), SECONDS), self.spans
            return next(filter(wanted, self.spans))

    def keep(self, headers: dict[str, str], body: bytes) -> None:
        """Take an export."""
        spans = list(_spans_of(body))
        with self._changed:
            self.headers.append(headers)
            self.bodies.append(body)
            self.spans.extend(spans)
            self._changed.notify_all()


class _Server(ThreadingHTTPServer):
    """The server of one collector."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.collector = Collector(self.server_port)


class _Handler(BaseHTTPRequestHandler):
    """Answers exports; the names of the methods are those of http.server."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            self.server.collector.keep({name.lower(): value for name, value in self.headers.items()}, body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(HTTPStatus.OK if self.path == "/v1/traces" else HTTPStatus.NOT_FOUND)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Log nothing: the tests look at what came."""


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on 127.0.0.1."""
    with _Server() as server:
        thread = Thread(target=server.serve_forever, name="collector", kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.collector
        finally:
            server.shutdown()
            thread.join()


def _spans_of(body: bytes) -> Iterator[Span]:
    for group in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = _values(group.resource.attributes)
        for scope in group.scope_spans:
            for sent in scope.spans:
                yield _span_of(sent, resource)


def _span_of(sent: SentSpan, resource: dict[str, Any]) -> Span:
    return Span(
        name=sent.name,
        kind=sent.SpanKind.Name(sent.kind).removeprefix("SPAN_KIND_"),
        trace_id=sent.trace_id.hex(),
        span_id=sent.span_id.hex(),
        parent=sent.parent_span_id.hex(),
        failed=sent.status.code == sent.status.STATUS_CODE_ERROR,
        said=[*(event.name for event in sent.events), *([sent.status.message] if sent.status.message else [])],
        attributes=_values(sent.attributes),
        resource=resource,
    )


def _values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes by name; each is a text, a number or a truth."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in attributes}


@contextmanager
def collector_of_this_process() -> Iterator[Collector]:
    """A collector for what is traced here; afterwards OpenTelemetry's packages complain as they did before."""
    sdk = logging.getLogger("opentelemetry")
    before = (sdk.handlers[:], sdk.propagate)
    with collector() as running:
        yield running
    sdk.handlers[:], sdk.propagate = before
