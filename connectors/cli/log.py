"""Logs of the daemon: JSON lines in `cohub/connector.log` for support, short lines on the terminal for the office."""

from __future__ import annotations

import io
import json
import logging
import logging.handlers
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import structlog

from connectors.cli.speaker import Speaker
from connectors.runtime.told import error_text
from hub.base import files
from hub.base.lines import log_lines
from hub.base.text import in_one_line, visible_json
from schemas.words import words
from schemas.words.said import FILE as OFFICE
from schemas.words.said import Said, said

FILE: Final = "connector.log"
_BYTES_MAX: Final = 4 * 1024 * 1024
_KEPT: Final = 3


def log_beside(least: int = logging.ERROR) -> None:
    """Send what is logged to stderr: a command's findings say what a person needs, and its output is theirs alone."""
    log_lines(least)


def configure_logging(office: Path, speaker: Speaker, *, quiet: bool, terminal: bool = True) -> None:
    """Send every log line to the office's log file, and to stderr, in its language, those that a person should see."""
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
    root = logging.getLogger()
    for old in root.handlers:
        old.close()
    root.handlers = []
    root.setLevel(logging.INFO)
    if terminal:
        shown = logging.StreamHandler(sys.stderr)
        shown.setLevel(logging.WARNING if quiet else logging.INFO)
        shown.addFilter(_is_for_people)
        shown.setFormatter(_ForPeople(speaker))
        root.addHandler(shown)
    # The link's state is reported once, in words; the client would say it at every try.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        folder = office / "cohub"
        files.make_folder(folder, under=office)
        file = _LogFile(office, folder / FILE)
    except OSError as exc:
        root.warning("no log file: %s", exc)
        return
    renderer = structlog.processors.JSONRenderer(serializer=_visible)
    file.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _without_said, renderer],
            foreign_pre_chain=shared,
        )
    )
    root.addHandler(file)


def _visible(event: Any, **how: Any) -> str:
    return visible_json(json.dumps(event, ensure_ascii=False, **how))


class _LogFile(logging.handlers.RotatingFileHandler):
    """The log file, which its owner alone reads: nothing that has its name and is no file of its own is written to."""

    def __init__(self, office: Path, path: Path) -> None:
        self._office = office
        self._path = path
        super().__init__(path, maxBytes=_BYTES_MAX, backupCount=_KEPT, encoding="utf-8")

    def _open(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(files.appending(self._path, under=self._office), "utf-8")


class _ForPeople(logging.Formatter):
    """Says a log event in the office's language, with the time of this computer before it."""

    def __init__(self, speaker: Speaker) -> None:
        super().__init__()
        self._speaker = speaker

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        facts: dict[str, Any] = record.msg if isinstance(record.msg, dict) else {}
        name = f"log.{facts.get('event')}"
        if name not in words(OFFICE).texts:
            detail = facts.get("event") or record.getMessage()
            return in_one_line(f"{at} {self._speaker.text(said('log.other', detail=detail))}")
        values = {key: self._value(value) for key, value in facts.items()}
        return in_one_line(f"{at} {self._speaker.text(Said(name, values))}")

    def _value(self, value: Any) -> Any:
        if isinstance(value, BaseException):
            return error_text(value, self._speaker.language)
        return ", ".join(map(str, value)) if isinstance(value, list) else value


def _is_for_people(record: logging.LogRecord) -> bool:
    """Return whether a person is shown a line: what goes well and has no words is for the file alone."""
    event = record.msg.get("event") if isinstance(record.msg, dict) else ""
    return record.levelno >= logging.WARNING or f"log.{event}" in words(OFFICE).texts


def _without_said(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop what is for people alone: the file has the same in English, under `reason`."""
    event.pop("said", None)
    return event
