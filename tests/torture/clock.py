"""A clock of one process that can be set wrong while it runs: by a file, which says by how many seconds.

Where there is no such file it is the machine's. Only what the product asks `datetime.now` is told otherwise; what it
measures times by goes on as before, as on a machine whose clock was set.
"""

from __future__ import annotations

import datetime as dt
import importlib
import pkgutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

VARIABLE: Final = "COHUB_TORTURE_CLOCKS"  # the folder of these files
PACKAGES: Final = ("hub.worker", "hub.hq", "hub.store", "hub.ledger", "hub.kafka")


def clock_file(folder: Path, program: str) -> Path:
    """Return the file that a program's clock goes by."""
    return folder / f"clock-{program}"


def put(file: Path) -> None:
    """Give every module of HQ's that is there a clock that goes by this file."""
    _load(PACKAGES)
    clock = _clock(file)
    for name, module in list(sys.modules.items()):
        if name.startswith("hub.") and getattr(module, "datetime", None) is dt.datetime:
            module.datetime = clock  # type: ignore[attr-defined]


class _IsDatetime(type):
    """What it is asked about is a time as any other."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, dt.datetime)


def _clock(file: Path) -> type[dt.datetime]:
    class Clock(dt.datetime, metaclass=_IsDatetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> Any:
            """Return the time now, as this process has it."""
            return dt.datetime.now(tz) + dt.timedelta(seconds=_ahead_s(file))

    return Clock


def _ahead_s(file: Path) -> float:
    try:
        return float(file.read_text("ascii"))
    except (OSError, ValueError):
        return 0.0


def _load(packages: Iterable[str]) -> None:
    for name in packages:
        package = importlib.import_module(name)
        for found in pkgutil.iter_modules(package.__path__, f"{name}."):
            if not found.ispkg:
                importlib.import_module(found.name)
