"""Commands as a person pastes them: names quoted where a shell would otherwise take them apart."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import PurePath
from typing import Final

_PLAIN: Final = re.compile(r"[\w@%+=:,./-]+")
# Inside double quotes every shell that people have here, Windows' too, takes a text as it is, but for these.
_NOT_IN_DOUBLE: Final = re.compile(r"[\"$`\\!%\x00-\x1f]")


def quote(text: str | PurePath) -> str:
    """Return a text as one word of a shell's command line."""
    text = str(text)
    if _PLAIN.fullmatch(text):
        return text
    if sys.platform == "win32" and '"' not in text:
        return f'"{text}"'
    return f'"{text}"' if text and not _NOT_IN_DOUBLE.search(text) else shlex.quote(text)


def command(*words: str | PurePath) -> str:
    """Return a command line of these words."""
    return " ".join(map(quote, words))
