"""Times as people of an office read them: this computer's own, to the second."""

from __future__ import annotations

from datetime import datetime


def local_time(text: str) -> str:
    """Return a time that the outbox keeps, as this computer's clock shows it; what is no time as it stands."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return show_time(moment)


def show_time(moment: datetime) -> str:
    """Return a time as this computer's clock shows it."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
