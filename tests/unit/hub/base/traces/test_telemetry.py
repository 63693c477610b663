"""Whether anybody is told of traces, and what OpenTelemetry makes of it."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest
from pydantic import ValidationError

from hub.base.release import release
from hub.base.traces.options import TracesOptions
from hub.base.traces.spans import NO_TRACES, Kind, now_ns
from hub.base.traces.telemetry import CLOSE_S, tracing
from hub.protocol.errors import UsageError
from hub.protocol.traceparent import Traceparent
from tests.support.collector import collecting


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector.example/", "https://collector.example/v1/traces"),
        ("http://[::1]:4318/all/of/it", "http://[::1]:4318/all/of/it"),
    ],
)
def test_address_is_the_collectors(given: str, endpoint: str) -> None:
    assert TracesOptions(endpoint=given).endpoint == endpoint


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("collector:4318", "expected http://host:port"),
        ("grpc://collector:4317", "expected http://host:port"),
        ("http://", "expected http://host:port"),
        ("http://collector:99999", "expected http://host:port"),
        ("http://collector:4318/?token=secret", "expected http://host:port"),
        ("http://me:secret@collector:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_other_addresses_are_refused(given: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TracesOptions(endpoint=given)


def test_nobody_is_told_by_default_and_nothing_is_imported() -> None:
    code = (
        "import sys; from hub.base.traces.options import TracesOptions; from hub.base.traces.telemetry import tracing\n"
        "with tracing(TracesOptions(), 'x') as traces: assert not traces.is_on\n"
        "assert not [name for name in sys.modules if name.startswith(('opentelemetry', 'google', 'requests'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with tracing(TracesOptions(), "x") as traces:
        assert traces is NO_TRACES
        assert traces.begin("read row", 1, {}) is None
        traces.tell("seal", Traceparent(1, 2), 1, 2, {})


def test_where_it_is_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http.trace_exporter"):
        monkeypatch.setitem(sys.modules, name, None)
    options = TracesOptions(endpoint="http://127.0.0.1:4318")
    with (
        pytest.raises(UsageError, match=r'traces\.endpoint is set, .*pip install "cohub\[traces\]"'),
        tracing(options, "x"),
    ):
        pass


def told(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[Any]:
    """Return the spans that a collector has when a trace of three was told, in an environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with collecting() as collector:
        with tracing(TracesOptions(endpoint=collector.url), "cohub-worker") as traces:
            began = now_ns()
            begun, given_up = (
                traces.begin("read row", began, {"cohub.sequence": 7}),
                traces.begin("given up", began, {}),
            )
            assert (begun is None) == (given_up is None)
            if begun is not None:
                begun.end()
                traces.tell("send", begun.traceparent, began, began + 5, {"x": "y"}, Kind.PRODUCER)
            traces.tell("decide", Traceparent(9, 8, is_sampled=False), began, began + 5, {})
        return collector.spans()


def test_spans_are_told_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that ended; what is not sampled by whoever began it is not told."""
    root, sent = sorted(told(monkeypatch), key=lambda one: one.name)
    assert (root.name, root.parent, root.service, root.facts) == ("read row", "", "cohub-worker", {"cohub.sequence": 7})
    assert (sent.name, sent.parent, sent.trace) == ("send", root.span, root.trace)
    assert (sent.ended_ns - sent.began_ns, sent.facts) == (5, {"x": "y"})


def test_environment_names_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.service for one in told(monkeypatch, OTEL_SERVICE_NAME="hq in tashkent")} == {"hq in tashkent"}


def test_environment_says_how_much_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trace that is not followed has no name to go by: then no event says anything of it."""
    assert told(monkeypatch, OTEL_TRACES_SAMPLER="always_off") == []


def test_collector_that_is_away_holds_up_nothing() -> None:
    """What can't be told is dropped: the process ends within its time."""
    with collecting() as collector:
        url = collector.url
    began = time.monotonic()
    with tracing(TracesOptions(endpoint=url), "cohub-worker") as traces:
        begun = traces.begin("read row", now_ns(), {"release": release()})
        assert begun is not None
        begun.end()
    assert time.monotonic() - began < CLOSE_S + 2
