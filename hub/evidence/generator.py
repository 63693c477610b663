"""What this software is called where it made something: its name and its release."""

from __future__ import annotations

from hub.base.release import release


def generator() -> str:
    """Return the software's name and release, as the page names them."""
    return f"cohub {release()}".strip()
