"""Where logs go: stderr, lines for people on a terminal, JSON lines otherwise. All of it passes `hub.base.text`."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

from hub.base.text import in_one_line, visible, visible_json


def log_to_stderr(*, warnings_only: bool = False) -> None:
    """Send structlog and the standard log to stderr."""
    import structlog

    least = logging.WARNING if warnings_only else logging.INFO
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(_Visible("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[plain], level=logging.WARNING)
    shown: list[structlog.typing.Processor] = (
        [_seen, structlog.dev.ConsoleRenderer()]
        if sys.stderr.isatty()
        else [structlog.processors.JSONRenderer(serializer=_to_json)]
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Visible(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback."""
        return visible(super().format(record))


def _to_json(event: Any, **how: Any) -> str:
    return visible_json(json.dumps(event, ensure_ascii=False, **how))


def _seen(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Make what stands in an event visible, before it is coloured for a terminal."""
    for name, value in event.items():
        event[name] = visible(value) if name == "exception" else value if isinstance(value, int) else _line(value)
    return event


def _line(value: Any) -> str:
    return in_one_line(value if isinstance(value, str) else repr(value))
