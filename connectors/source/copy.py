"""Which file is a copy of which, by the names that programs and people give to copies."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Final

from connectors.source.folding import fold

# What programs and people add to the name of a file that they copy: Windows, macOS and Linux desktops, browsers, WPS,
# Google, Dropbox, OneDrive, Nextcloud, Seafile, Synology, Syncthing, in the languages of their users.
_COPY: Final = (
    r"\b(?:copy|copie|copia|cópia|kopie|kopia|kopi|kopya|копия|копія|көшірме|көшірмесі|нусха|нусхаси|nusxa|nusxasi)\b"
    r"|副本|拷贝|复件|複本|コピー|복사본"
)
_CONFLICT: Final = r"conflict|konflikt|conflit|conflitto|конфликт|конфлікт|冲突|衝突"
_NUMBER: Final = r"(?:\s*[(（]?\d{1,3}[)）]?)?"
_INSIDE: Final = r"[^()（）\[\]]*"
_BEHIND: Final = re.compile(
    "|".join(
        (
            rf"\s*[(（\[]{_INSIDE}(?:{_COPY}|{_CONFLICT}){_INSIDE}[)）\]]",  # (Anna's conflicted copy 2026-01-02)
            rf"[\s_]*[-–—]\s*(?:{_COPY}){_NUMBER}",  # offers - Copy (2)
            rf"[\s_.](?:{_COPY}){_NUMBER}",  # offers copy 2
            rf"\s*的?(?:副本|拷贝|复件|複本){_NUMBER}",
            r"\s*[(（]\d{1,3}[)）]",  # offers (1)
            r"[._-]sync-conflict-[\w-]+",
            r"_conflict-\d[\w-]*",
            r"_\w[\w-]*_conflict",
            r"-(?:DESKTOP|LAPTOP)-\w+",  # of that computer
        )
    ),
    re.IGNORECASE,
)
_BEFORE: Final = re.compile(
    r"(?:copy\s+(?:\(\d+\)\s+)?of|kopie\s+von|копия|копія|複件|复件|副本|copie\s+de|copia\s+de)[\s_-]+(?:\(\d+\)\s*)?",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)  # asked at each look at the folder, of the same names
def original_name(name: str) -> str | None:
    """Return of which file a file of this name would be a copy, with its folder; None if it is named like no copy."""
    path = PurePosixPath(unicodedata.normalize("NFC", name))
    stem = path.stem
    before = _BEFORE.match(stem)
    found = stem[before.end() :] if before else _before_the_end(stem)
    return None if found in ("", stem) else str(path.with_name(found + path.suffix))


def _before_the_end(stem: str) -> str:
    """Return a name without what stands behind it for a copy; the name itself if nothing does."""
    for place in range(1, len(stem)):
        if _BEHIND.fullmatch(stem, place):
            return stem[:place].strip()
    return stem


def is_copy(name: str) -> bool:
    """Return whether a file is named like a copy of another."""
    return original_name(name) is not None


def find_copies(names: Iterable[str]) -> dict[str, str]:
    """Return which of `names` are copies of others among them, by their names, and of which.

    A copy of a copy is one of the first file, where that is there; of names that a person takes for the same, all but
    the first are copies.
    """
    there: dict[str, str] = {}
    found: dict[str, str] = {}
    for name in sorted(names):
        first = there.setdefault(fold(name), name)
        if first != name:
            found[name] = first
    return found | {name: of for name in there.values() if (of := _original_among(there, name)) is not None}


def _original_among(there: Mapping[str, str], name: str) -> str | None:
    found, at = None, original_name(name)
    while at is not None:
        found = there.get(fold(at), found)
        at = original_name(at)
    return found
