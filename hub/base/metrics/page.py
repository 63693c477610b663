"""`python -m hub.base.metrics.page`: write docs/metrics.md, which says of every metric what it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hub.base.metrics.declared import METRICS, Metric, Who

TARGET: Final = Path(__file__).parents[3] / "docs" / "metrics.md"
_HEADINGS: Final = {
    Who.WORKER: "HQ's worker",
    Who.WEB: "The HTTPS way in",
    Who.CONNECTOR: "An office's connector",
    Who.EVERY: "Every process of these",
}
_HEAD: Final = """\
# Metrics
For Prometheus, in its text format. Off unless an address is set: `metrics: {listen: 9464}` in `hub.yaml` for the
worker, in `connector.yaml` for an office's connector (a port alone is of this machine's loopback; `0.0.0.0:9464` is
every address). There is no login there, so let only your Prometheus reach it; nothing that it tells is a secret. The
HTTPS way in has `/metrics` on its own port, for its own machine. Of several workers on one machine each needs a port of
its own: `HUB_METRICS_LISTEN`.

The same port answers `/live` (the process's event loop turns) and `/ready` (200, or 503 with what it does instead: it
starts, waits for a broker, or stops). A worker that is catching up is alive, and ready. A *startup* probe asks
`/ready`, and patiently: while a large database is brought up to date, which may take minutes, nothing answers. A
liveness probe asks `/live`, after that. No event is counted by itself: a worker counts once a step, and a connector
reads its outbox beside its work.

Rules and a dashboard that use these are in `deploy/monitoring`; what to do about an alert is in
[operations.md](operations.md). This page is written by `python -m hub.base.metrics.page`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([_HEAD.rstrip("\n"), *(line for who in _HEADINGS for line in _section(who))]) + "\n"


def _section(who: Who) -> Iterator[str]:
    yield ""
    yield f"## {_HEADINGS[who]}"
    if who is Who.EVERY:
        yield "The HTTPS way in has none of these; `process_…` are there on Linux."
        yield ""
    yield "| metric | kind | labels | what it is |"
    yield "|---|---|---|---|"
    yield from (_row(metric) for metric in METRICS if metric.who is who)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {metric.says} |"


if __name__ == "__main__":
    TARGET.write_text(page(), "utf-8")
