"""Logs of the daemon: JSON lines in `cohub/connector.log` for support, short lines on the terminal."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Final

import structlog

FILE: Final = "connector.log"
_BYTES_MAX: Final = 4 * 1024 * 1024
_KEPT: Final = 3


def configure_logging(office: Path, *, quiet: bool) -> None:
    """Send every log line to the office's log file, and to stderr those that a person there should see."""
    logging.raiseExceptions = False  # a full disk must not stop the daemon by way of its log
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a second call, in one process, is to count
    )
    terminal = logging.StreamHandler(sys.stderr)
    terminal.setLevel(logging.WARNING if quiet else logging.INFO)
    terminal.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0),
            foreign_pre_chain=shared,
        )
    )
    root = logging.getLogger()
    root.handlers = [terminal]
    root.setLevel(logging.INFO)
    # The link's state is reported once, in words; the client would say it at every try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        folder = office / "cohub"
        folder.mkdir(exist_ok=True)
        file = logging.handlers.RotatingFileHandler(
            folder / FILE, maxBytes=_BYTES_MAX, backupCount=_KEPT, encoding="utf-8"
        )
    except OSError as exc:
        root.warning("no log file: %s", exc)
        return
    renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
    file.setFormatter(structlog.stdlib.ProcessorFormatter(processor=renderer, foreign_pre_chain=shared))
    root.addHandler(file)
