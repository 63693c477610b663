"""What Faust, mode and aiokafka may say in the log: warnings, each once in a while, and no traceback twice."""

from __future__ import annotations

import logging
from typing import Final

REPEATED_LOG_S: Final = 30.0

faust_log = logging.getLogger("faust.hub")  # mode gives each service a logger named after its module: these are Faust's


class _Once(logging.Filter):
    """Lets a message through once in a while: aiokafka repeats itself ten times a second while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        last = self._last.get(str(record.msg))
        if last is not None and record.created - last < REPEATED_LOG_S:
            return False
        self._last[str(record.msg)] = record.created
        return True


class _Brief(logging.Filter):
    """Leaves out the traceback that mode logs for each service that a crash passes: `consume` raises it, once."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "Crashed reason=" in str(record.msg):
            record.exc_info = None
        return True


_ONCE = _Once()
_BRIEF = _Brief()


def quiet_logs() -> None:
    """Let warnings of Faust, mode and aiokafka through, each at most every 30 s. Safe to call again."""
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in (
        "aiokafka",
        "aiokafka.conn",
        "aiokafka.cluster",
        "aiokafka.consumer.fetcher",
        "aiokafka.consumer.group_coordinator",
        "aiokafka.consumer.subscription_state",
        "aiokafka.producer.sender",
    ):
        logger = logging.getLogger(name)
        logger.addFilter(_ONCE)
    faust_log.addFilter(_BRIEF)
