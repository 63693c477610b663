"""Times that the outbox keeps, as people of an office read them."""

from __future__ import annotations

from datetime import datetime

from connectors.runtime.local_time import show_time


def local_time(text: str) -> str:
    """Return a time that the outbox keeps, as this computer's clock shows it; what is no time as it stands."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return show_time(moment)
