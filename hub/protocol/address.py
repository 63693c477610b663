"""An address as it may be shown. Pure."""

from __future__ import annotations

from typing import Final

LEFT_OUT: Final = "…"


def without_login(text: str) -> str:
    """Return an address, or what somebody has put in its place, without the name and password that may stand in it."""
    login, at, rest = text.rpartition("@")
    if not at:
        return text
    scheme, slashes, _ = login.partition("//")
    return f"{scheme}//{LEFT_OUT}@{rest}" if slashes else f"{LEFT_OUT}@{rest}"
