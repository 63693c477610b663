"""Canonical bytes back into headers and value, fast: what the ledger keeps is read again by the million.

The result is `split_canonical`'s; a property test holds it. A lane's records nearly always carry the same ten headers,
or twelve, six of them with the same contents, so what the bytes of the last such record looked like is a pattern for
the next.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from hub.protocol.leaf import LINKS, Common, LeafReader
from hub.protocol.plain_record import Headers, PlainRecord
from hub.protocol.record import REQUIRED, split_canonical

_NUMBER: Final = rb"(0|[1-9][0-9]{0,9})"  # Python converts no number of more than 4,300 digits
_FORMS_MAX: Final = 128
# Where in the bytes the first header with its schema stands, if the length of all headers has three digits.
_SCHEMA: Final = slice(4, 100)
# The same where a correlation id stands before it, or a cause and a correlation id, each of 36 bytes, as UUIDs are.
_BEGINNING: Final = slice(4, 6)
_LINKED: Final = {b"16": (("ce_correlationid",), slice(64, 160)), b"14": (LINKS, slice(122, 218))}
_LINK_BYTES: Final = 36


class _Form:
    """The pattern of records with one Common, and ids and times of one length."""

    __slots__ = ("common", "headers", "match")

    def __init__(self, common: Common, headers: dict[str, bytes | None]) -> None:
        self.common: Final = common
        self.headers: Final = headers
        parts = [_NUMBER, b":"]
        for name in (*common.links, *REQUIRED):
            content = headers[name] or b""
            parts.append(b"%d:%b," % (len(name), re.escape(name.encode())))
            if name in ("ce_id", "ce_time", *LINKS):
                parts.append(b"%d:(.{%d})," % (len(content), len(content)))
            elif name == "ce_sequence":
                parts.append(_NUMBER + b":([0-9]*),")
            elif name == "ce_subject":
                parts.append(_NUMBER + b":(.*?),")
            else:
                parts.append(b"%d:%b," % (len(content), re.escape(content)))
        self.match: Final = re.compile(b"".join(parts) + b",", re.DOTALL).match


class CanonicalReader:
    """Reads canonical bytes. `common` is what the last record shares with others, None where it is unusual."""

    def __init__(self) -> None:
        self.common: Common | None = None
        self._leaves = LeafReader()
        self._forms: dict[bytes, _Form] = {}

    def read(self, data: bytes) -> tuple[dict[str, bytes | None], Headers, bytes]:
        """Return headers by name (the last of a repeated one), all headers, and the value (b"" for none).

        Errors: Malformed, as `split_canonical`.
        """
        form = self._forms.get(data[_SCHEMA]) or self._forms.get(_key(data))
        found = None if form is None else form.match(data)
        if form is not None and found is not None:
            groups = found.groups()
            links = groups[1:-6]  # in front of what every record has
            if links:
                groups = (groups[0], *groups[-6:])
            size, event_id, digits, sequence, subject_size, subject, time = groups
            end = found.end()
            # A pattern finds a comma sooner than the netstring ends where a content has one: its length tells.
            if int(size) == end - len(size) - 2 and int(digits) == len(sequence) and int(subject_size) == len(subject):
                headers = form.headers.copy()
                headers["ce_id"] = event_id
                headers["ce_sequence"] = sequence
                headers["ce_subject"] = subject
                headers["ce_time"] = time
                if links:
                    headers.update(zip(form.common.links, links, strict=True))
                self.common = form.common
                return headers, headers.items(), data[end:]
        return self._unusual(data)

    def _unusual(self, data: bytes) -> tuple[dict[str, bytes | None], Headers, bytes]:
        listed, value = split_canonical(data)
        headers, _, _ = self._leaves.read(PlainRecord(None, value, listed))
        self.common = common = self._leaves.common
        if common is not None and _has_form(common, headers, data):
            if len(self._forms) >= _FORMS_MAX:
                self._forms.clear()
            self._forms[_key(data)] = _Form(common, headers)
        return headers, listed, value


def _key(data: bytes) -> bytes:
    """Return what tells the forms apart: bytes that repeat from record to record."""
    beginning = data[_BEGINNING]
    linked = _LINKED.get(beginning)
    return data[_SCHEMA] if linked is None else beginning + data[linked[1]]


def _has_form(common: Common, headers: Mapping[str, bytes | None], data: bytes) -> bool:
    """Return whether `data` is of a form that the next record is likely to have: making one costs like 50 readings."""
    if any(headers[name] is None for name in REQUIRED):
        return False
    if not common.links:
        return True
    links, _ = _LINKED.get(data[_BEGINNING], ((), None))
    return links == common.links and all(len(headers[name] or b"") == _LINK_BYTES for name in links)
