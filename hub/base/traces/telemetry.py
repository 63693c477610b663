"""OpenTelemetry, where a setting asks for it: all that is known of it here, and imported nowhere else.

Spans wait in memory and go out from a thread of their own: a collector that is away, or slow, holds up nothing, and
what does not fit is dropped. What is not told when the process ends is told for two seconds more.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from hub.base.release import release
from hub.base.traces.options import TracesOptions
from hub.base.traces.spans import NO_TRACES, Begun, Facts, Kind, Traces
from hub.protocol.errors import UsageError
from hub.protocol.traceparent import Traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span, Tracer

CLOSE_S: Final = 2.0


@contextmanager
def tracing(options: TracesOptions, service: str) -> Iterator[Traces]:
    """Yield who is told of traces; where the settings name no collector nobody is, and nothing is imported.

    Shapes: `service` is what this process is called, unless OTEL_SERVICE_NAME says otherwise.
    Errors: UsageError where OpenTelemetry is not installed, or its own settings can't be read.
    """
    if options.endpoint is None:
        yield NO_TRACES
        return
    provider = _provider(options.endpoint, service)
    try:
        yield _Telemetry(provider)
    finally:
        closing = Thread(target=provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_S)


def _provider(endpoint: str, service: str) -> TracerProvider:
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as exc:
        raise UsageError(
            'traces.endpoint is set, and OpenTelemetry is not installed: pip install "cohub[traces]", or take'
            f" traces.endpoint out ({exc})"
        ) from exc
    try:
        # What the environment says stands over `service`: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES.
        named = Resource({"service.name": service, "service.version": release()}).merge(Resource.create())
        provider = TracerProvider(resource=_with_name(named, service), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    except ValueError as exc:
        raise UsageError(f"OpenTelemetry can't be set up: {exc}: look at the environment's OTEL_ variables") from exc
    return provider


def _with_name(resource: Any, service: str) -> Any:
    """Return a resource that is called `service`, where the environment has not named it: OpenTelemetry has a guess."""
    from opentelemetry.sdk.resources import Resource

    name = str(resource.attributes.get("service.name", ""))
    return resource.merge(Resource({"service.name": service})) if name.startswith("unknown_service") else resource


class _Begun:
    """See Begun."""

    def __init__(self, span: Span) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = Traceparent(context.trace_id, context.span_id)

    def end(self) -> None:
        """See Begun."""
        self._span.end()


class _Telemetry:
    """See Traces."""

    is_on = True

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context

        self._tracer: Tracer = provider.get_tracer("cohub", release())
        self._none = Context()  # whatever else in this process is traced, a row's trace is its own
        self._kinds = {
            Kind.INTERNAL: SpanKind.INTERNAL,
            Kind.PRODUCER: SpanKind.PRODUCER,
            Kind.CONSUMER: SpanKind.CONSUMER,
        }

        def within(after: Traceparent) -> Context:
            flags = TraceFlags(TraceFlags.SAMPLED if after.is_sampled else TraceFlags.DEFAULT)
            context = SpanContext(after.trace, after.span, is_remote=True, trace_flags=flags)
            return set_span_in_context(NonRecordingSpan(context), self._none)

        self._within = within

    def begin(self, name: str, began_ns: int, facts: Facts) -> Begun | None:
        """See Traces."""
        span = self._tracer.start_span(name, self._none, attributes=dict(facts), start_time=began_ns)
        return _Begun(span) if span.is_recording() and span.get_span_context().trace_flags.sampled else None

    def tell(
        self, name: str, after: Traceparent, began_ns: int, ended_ns: int, facts: Facts, kind: Kind = Kind.INTERNAL
    ) -> None:
        """See Traces."""
        span = self._tracer.start_span(
            name, self._within(after), self._kinds[kind], dict(facts), start_time=min(began_ns, ended_ns)
        )
        span.end(ended_ns)
