"""README of a bundle in every language: what it is, how it is checked, what a finding means."""

from __future__ import annotations

import schemas
from hub.evidence.layout import READMES


def readmes() -> dict[str, bytes]:
    """Return the README files by path."""
    return {path: schemas.read(f"words/bundle_readme.{language}.txt") for language, path in READMES.items()}
