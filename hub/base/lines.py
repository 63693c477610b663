"""Logs as lines on stderr, of whatever process has no log of its own: what stands in them passes `hub.base.text`."""

from __future__ import annotations

import logging
import sys

from hub.base.text import visible, visible_event


def log_lines(least: int = 0) -> None:
    """Send what is logged from this level on to stderr, coloured where that is a terminal."""
    import structlog

    if logging.lastResort is not None:  # where libraries' warnings go while no handler is there
        logging.lastResort.setFormatter(VisibleLines())
    is_terminal = sys.stderr is not None and sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.processors.format_exc_info,  # before the door, for the renderer would print it as it is
            visible_event,
            structlog.dev.ConsoleRenderer(colors=is_terminal, exception_formatter=structlog.dev.plain_traceback),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


class VisibleLines(logging.Formatter):
    """Lays out what the standard log says, for whoever reads it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, or the lines of a traceback."""
        return visible(super().format(record))
