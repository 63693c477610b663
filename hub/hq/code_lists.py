"""The lists of codes that HQ edits: what keywords and industries may be used."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.saying import say
from hub.protocol.errors import UsageError

PUBLISHED: Final = "net.cohub.code_list.published.v1"
REVISED: Final = "net.cohub.code_list.revised.v1"
COLUMNS: Final = ("code", "zh", "en", "ru")
LINE_CHARS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Term:
    """One code, and what it is called."""

    code: str
    zh: str | None = None
    en: str | None = None
    ru: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A list as it is used from now on. `is_new`: there was none of this name."""

    name: str
    terms: tuple[Term, ...]
    is_new: bool


async def publish(where: HubFolder, name: str, terms: Sequence[Term]) -> PublishedList:
    """Publish a list, or replace it as a whole: a code that is not in it may not be used any more.

    Errors: AgainstRules, Retriable.
    """
    async with where.headquarters() as (_, headquarters):
        known = await headquarters.lane.entity("code_list", name)
        await say(headquarters, [HqEvent(PUBLISHED if known is None else REVISED, name, list_record(name, terms))])
    return PublishedList(name, tuple(terms), is_new=known is None)


def list_record(name: str, terms: Sequence[Term]) -> dict[str, Any]:
    """Return a list's record."""
    return {"name": name, "codes": [asdict(term) for term in terms]}


def read_terms(text: str, source: str) -> list[Term]:
    """Return the codes of a CSV text: a line `code,zh,en,ru`, then the codes.

    `source` is what messages call it. Errors: UsageError with the line.
    """
    # The csv module's own limit is one for the whole process, and others set it.
    if any(len(line) > LINE_CHARS_MAX for line in text.splitlines()):
        raise UsageError(f"{source}: expected CSV with lines of at most {LINE_CHARS_MAX:,} characters")
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""))
        names = [name.strip() for name in rows.fieldnames or []]
        if "code" not in names or not set(names) <= set(COLUMNS):
            raise UsageError(f"{source}: expected a first line of {', '.join(COLUMNS)}, came {', '.join(names)[:100]}")
        rows.fieldnames = names
        found = []
        for row in rows:
            values = {name: (row.get(name) or "").strip() or None for name in names}
            code = values.pop("code")
            if code is None:
                raise UsageError(f"{source} line {rows.line_num}: expected a code, came an empty cell")
            found.append(Term(code, **values))
    except csv.Error as exc:
        raise UsageError(f"{source}: expected CSV in UTF-8: {exc}") from exc
    return found
