"""The release of this software, under whichever name it was installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

NAMES: Final = ("cohub", "cohub-connector")  # the second is the connector alone


def release() -> str:
    """Return the release, "" where the package is not installed."""
    for name in NAMES:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""
