"""Values as HTML: escaped, times in UTC, ids as people write them. All of a bundle gets into a page through here."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final
from urllib.parse import unquote

from hub.base.text import spelled
from hub.evidence.report import Origin
from hub.evidence.texts import say
from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time
from schemas.words import Language

# Direction marks and other characters that would show a text as another than it is.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)


def text(value: object) -> str:
    """Return a value as HTML text: escaped, and characters that can't be seen shown by their number."""
    return escape(spelled(_UNSEEN.sub(lambda found: _named(found[0]), str(value)), _named))


def _named(character: str) -> str:
    return f"[U+{ord(character):04X}]"


def entity_text(entity_id: str) -> str:
    """Return an id as a person wrote it, and as the records have it where that is another."""
    readable = unquote(entity_id, errors="replace")
    if readable == entity_id or not readable.isprintable():
        return text(entity_id)
    return f'{text(readable)} <span class="small">{text(entity_id)}</span>'


def moment_text(moment: datetime | None) -> str:
    """Return a moment as the page writes it."""
    return "–" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def time_text(written: str) -> str:
    """Return a time as the page writes it; as it is written, where it does not read as a time."""
    try:
        return moment_text(read_time(written))
    except Malformed:
        return text(written)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return a table of cells that are HTML already; `numbers` are the columns of numbers."""

    def cell(tag: str, number: int, content: str) -> str:
        return f"<{tag}{' class=number' if number in numbers else ''}>{content}</{tag}>"

    head = "".join(cell("th", number, name) for number, name in enumerate(columns))
    body = "".join("<tr>" + "".join(cell("td", n, c) for n, c in enumerate(row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def origin_text(origin: Origin | None, language: Language) -> str:
    """Return which file was checked, and when; nothing where nothing was."""
    if origin is None:
        return ""
    facts = (
        ("checked_file", f"<code>{text(origin.file)}</code>"),
        ("checked_digest", f"<code>{origin.sha256}</code>"),
        ("checked_at", moment_text(origin.at)),
    )
    return "".join(f'<br><span class="small">{say(name, language)}</span> {value}' for name, value in facts)
