"""What this software is called where it made something: its name and its release."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def release() -> str:
    """Return the release, '' where the package is not installed."""
    try:
        return version("cohub")
    except PackageNotFoundError:
        return ""


def generator() -> str:
    """Return the software's name and release, as the page names them."""
    return f"cohub {release()}".strip()
