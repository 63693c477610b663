"""Where logs go: stderr, lines for people on a terminal, JSON lines otherwise. All of it passes `hub.base.text`."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from hub.base.lines import VisibleLines
from hub.base.text import visible_event, visible_json


def log_to_stderr(*, warnings_only: bool = False) -> None:
    """Send structlog and the standard log to stderr."""
    import structlog

    least = logging.WARNING if warnings_only else logging.INFO
    plain = logging.StreamHandler(sys.stderr)
    plain.setFormatter(VisibleLines("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[plain], level=logging.WARNING)
    shown: list[structlog.typing.Processor] = (
        [visible_event, structlog.dev.ConsoleRenderer()]
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


def _to_json(event: Any, **how: Any) -> str:
    return visible_json(json.dumps(event, ensure_ascii=False, **how))
