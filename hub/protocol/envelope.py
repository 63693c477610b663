"""A record's CloudEvents attributes, checked. Source: CloudEvents 1.0; schemas/PROTOCOL.md, "Records"."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

from hub.protocol.errors import Malformed, Rejected
from hub.protocol.leaf import varying_of
from hub.protocol.limits import ATTRIBUTE_BYTES_MAX, KEY_CHARS_MAX
from hub.protocol.moment import read_time
from hub.protocol.record import CONTENT_TYPE, REQUIRED, is_signed
from hub.protocol.rules import FIRST, Rules
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

_SUBJECT: Final = re.compile(r"([a-z0-9-]{1,63}):([!-~]{1,120})")
_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
# RFC 9562's text form, of any version: what tells events apart is written in one way only.
_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UUID_BYTES: Final = re.compile(_UUID.pattern.encode())
_ATTRIBUTE: Final = re.compile(r"ce_[a-z0-9]{1,40}")
# CloudEvents bars these from attributes. A database refuses some of them, so they must never reach one.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


@value_class
class Envelope:
    """A record's CloudEvents attributes, checked.

    `time` is UTC; `dataschema` is `urn:sha256:` and the schema file's SHA-256 as hex.
    """

    id: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    correlation_id: str | None
    causation_id: str | None


def read_envelope(
    center: str, key: bytes | None, headers: Mapping[str, bytes | None], count: int, rules: Rules = FIRST
) -> Envelope:
    """Return the attributes of a record of `center`, of which `count` headers came, under `rules`.

    Errors: Rejected(BAD_HEADERS | BAD_KEY | WRONG_CENTER), naming the header as the field.
    Source: CloudEvents 1.0; schemas/PROTOCOL.md, "Records".
    """
    if count != len(headers):
        raise Rejected(Code.BAD_HEADERS, "", "a header is repeated")
    text = _signed_text(headers)
    for name in REQUIRED:
        if not text.get(name):
            raise Rejected(Code.BAD_HEADERS, name, "missing")
    if text["ce_specversion"] != "1.0":
        raise Rejected(Code.BAD_HEADERS, "ce_specversion", f"expected 1.0, got {text['ce_specversion'][:20]}")
    if headers["content-type"] != CONTENT_TYPE:
        raise Rejected(Code.BAD_HEADERS, "content-type", f"expected {CONTENT_TYPE.decode()}")
    if rules.uuid_ids and not _UUID.fullmatch(text["ce_id"]):
        raise Rejected(Code.BAD_HEADERS, "ce_id", "expected a UUID, 36 characters in lower case")
    if text["ce_source"] != f"/centers/{center}":
        raise Rejected(Code.WRONG_CENTER, "ce_source", f"expected /centers/{center}")
    subject = text["ce_subject"]
    matched = _SUBJECT.fullmatch(subject)
    if matched is None:
        raise Rejected(Code.BAD_HEADERS, "ce_subject", "expected <center>:<key>")
    if matched[1] != center:
        raise Rejected(Code.WRONG_CENTER, "ce_subject", f"expected {center}:…")
    if rules.kafka_key_judged and key != headers["ce_subject"]:
        raise Rejected(Code.BAD_KEY, "ce_subject", "")
    return Envelope(
        text["ce_id"],
        text["ce_type"],
        subject,
        _read_time(text["ce_time"]),
        text["ce_dataschema"],
        text.get("ce_correlationid"),
        text.get("ce_causationid"),
    )


def read_alike(
    center: str,
    keys: Sequence[bytes | None],
    headers: Sequence[Mapping[str, bytes | None]],
    links: Iterable[str] = (),
    rules: Rules = FIRST,
) -> tuple[list[str], list[datetime]] | None:
    """Return subjects and times of records with the same Common as one that `read_envelope` has passed for `center`.

    Shapes: keys and headers of one or more records, in their order; `links` are the Common's.

    None where the headers that vary are, of any of them, not in the form that nearly all have: `read_envelope` is to
    look at each. The number in `ce_sequence` was read before. A property test holds this function to the other.
    """
    ids, _, subjects, times = zip(*map(varying_of, headers), strict=True)
    if not all(ids) or (rules.uuid_ids and not all(map(_UUID_BYTES.fullmatch, ids))):
        return None
    if rules.kafka_key_judged and tuple(keys) != subjects:
        return None
    parts = [*ids, *subjects]
    for name in links:
        parts += [each[name] or b"" for each in headers]
    if max(map(len, parts)) > ATTRIBUTE_BYTES_MAX:
        return None
    whole = b"".join(parts)
    if not whole.isascii() or not whole.decode().isprintable():
        return None
    beginning = f"{center}:"
    longest = len(beginning) + KEY_CHARS_MAX
    found = [subject.decode() for subject in subjects]
    for text in found:
        if not text.startswith(beginning) or not len(beginning) < len(text) <= longest or " " in text:
            return None
    moments = [_usual_time(time) for time in times]
    known = [moment for moment in moments if moment is not None]
    return (found, known) if len(known) == len(moments) else None


def _read_time(text: str) -> datetime:
    try:
        return read_time(text)
    except Malformed as exc:
        raise Rejected(Code.BAD_HEADERS, "ce_time", str(exc)) from None


def _usual_time(content: bytes) -> datetime | None:
    """Return the moment of a time as `write_time` writes it, None for any other form."""
    # With these marks in their places `fromisoformat` has no other format to choose from.
    if len(content) == _TIME_LENGTH and content[4:20:3] == b"--T::." and content.endswith(b"Z"):
        try:
            return datetime.fromisoformat(content.decode())
        except ValueError:
            return None
    return None


@lru_cache(maxsize=64)  # a pure function, and a lane's records nearly always carry the same names
def _attributes(names: tuple[str, ...]) -> tuple[str, ...]:
    # Sorted, as canonical bytes are: the order in which they came is signed by nobody, and no ledger has it.
    signed = tuple(sorted((name for name in names if is_signed(name)), key=_bytes_of))
    for name in signed:
        if name != "content-type" and not _ATTRIBUTE.fullmatch(name):
            raise Rejected(Code.BAD_HEADERS, ascii(name)[1:-1][:60], "not a CloudEvents attribute name")
    return signed


def _bytes_of(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _signed_text(headers: Mapping[str, bytes | None]) -> dict[str, str]:
    text: dict[str, str] = {}
    for name in _attributes(tuple(headers)):
        content = headers[name]
        if content is None:
            raise Rejected(Code.BAD_HEADERS, name, "null")
        if len(content) > ATTRIBUTE_BYTES_MAX:
            raise Rejected(Code.BAD_HEADERS, name, f"longer than {ATTRIBUTE_BYTES_MAX} bytes")
        try:
            text[name] = content.decode("utf-8")
        except UnicodeDecodeError:
            raise Rejected(Code.BAD_HEADERS, name, "not UTF-8") from None
    whole = "".join(text.values())
    if not (whole.isascii() and whole.isprintable()):  # rarely so, and the loop costs twenty times as much
        for name, characters in text.items():
            if _CONTROL.search(characters):
                raise Rejected(Code.BAD_HEADERS, name, "a control character")
    return text
