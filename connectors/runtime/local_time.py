"""Times as people of an office read them: this computer's own, to the second."""

from __future__ import annotations

from datetime import datetime
from typing import Final

SECONDS: Final = "%Y-%m-%d %H:%M:%S"


def show_time(moment: datetime, form: str = SECONDS) -> str:
    """Return a time as this computer's clock shows it; as it stands where its calendar does not have it.

    Whoever signed it may have written the first or the last day that there is, which is none in another zone.
    """
    try:
        return moment.astimezone().strftime(form)
    except (OverflowError, OSError, ValueError):
        return moment.strftime(form)
