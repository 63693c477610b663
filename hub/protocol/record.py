"""Records as they stand in a lane: CloudEvents headers, canonical bytes, digest.

Source: CloudEvents 1.0 and its Kafka protocol binding (binary mode); RFC 6962 for the digest.

Canonical bytes are total: every record has them, however broken its headers are.

    canonical = netstring(signed headers) ‖ value
    signed headers = for each header named `content-type` or `ce_*`, by name, then as they came:
                     netstring(name) ‖ netstring(value)      a null value is written `-`

The headers are a netstring of netstrings so that nothing can be moved between headers and value unnoticed
(docs/adr/0002). A netstring is `<length in decimal>:<bytes>,`.

Kafka carries any bytes as a header's name. A name here is a str that was decoded with `surrogateescape`, so that its
exact bytes come back; names sort by those bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final, Protocol

from hub.protocol.errors import Malformed, Rejected
from hub.protocol.value import value_class
from hub.protocol.verdict import Code

VALUE_BYTES_MAX: Final = 256 * 1024
ATTRIBUTE_BYTES_MAX: Final = 1024
SEQUENCE_MAX: Final = 2**63 - 1
CONTENT_TYPE: Final = b"application/avro;framing=confluent"
SEAL_HEADER: Final = "cohub-seal"
CONTROL_HEADER: Final = "cohub-control"
TYPE_PREFIX: Final = "net.cohub."
LANE_OPENED: Final = "net.cohub.lane.opened.v1"
CENTER_REGISTERED: Final = "net.cohub.center.registered.v1"

REQUIRED: Final = (
    "ce_dataschema",
    "ce_epoch",
    "ce_id",
    "ce_sequence",
    "ce_source",
    "ce_specversion",
    "ce_subject",
    "ce_time",
    "ce_type",
    "content-type",
)
ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
EPOCH: Final = re.compile(rb"[0-9a-f]{8}")
_ZERO: Final = ord("0")
_SEQUENCE_DIGITS_MAX: Final = 19
_SUBJECT: Final = re.compile(r"([a-z0-9-]{1,63}):([!-~]{1,120})")
_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_TIME_LENGTH: Final = len("2026-01-01T00:00:00.000000Z")
_KEY_LENGTH_MAX: Final = 120
_ATTRIBUTE: Final = re.compile(r"ce_[a-z0-9]{1,40}")
# CloudEvents bars these from attributes. A database refuses some of them, so they must never reach one.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")


class KafkaRecord(Protocol):
    """What the protocol reads of a consumed record; aiokafka's ConsumerRecord is one."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def timestamp_type(self) -> int | None: ...  # noqa: D102


def is_signed(name: str) -> bool:
    """Return whether a header of this name is among those that a record's digest covers."""
    return name.startswith("ce_") or name == "content-type"


def canonical(headers: Iterable[tuple[str, bytes | None]], value: bytes | None) -> bytes:
    """Return the bytes that a record's digest covers. Total: defined for any headers and value."""
    parts = []
    for encoded, content in sorted(((_bytes(n), c) for n, c in headers if is_signed(n)), key=_name):
        if content is None:
            parts.append(b"%d:%b,-" % (len(encoded), encoded))
        else:
            parts.append(b"%d:%b,%d:%b," % (len(encoded), encoded, len(content), content))
    block = b"".join(parts)
    return b"%d:%b,%b" % (len(block), block, value or b"")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _name(header: tuple[bytes, bytes | None]) -> bytes:
    return header[0]


def split_canonical(data: bytes) -> tuple[list[tuple[str, bytes | None]], bytes]:
    """Return the signed headers and the value that `canonical` put together (no value comes back empty).

    Errors: Malformed where `canonical` cannot have written the bytes.
    """
    block, end = _netstring(data, 0)
    headers: list[tuple[str, bytes | None]] = []
    at, last = 0, b""
    while at < len(block):
        encoded, at = _netstring(block, at)
        name = encoded.decode("utf-8", "surrogateescape")
        if not is_signed(name) or encoded < last:
            raise Malformed(f"canonical bytes: header {name[:60]!r} is not signed, or out of order")
        last = encoded
        content: bytes | None = None
        if block[at : at + 1] == b"-":
            at += 1
        else:
            content, at = _netstring(block, at)
        headers.append((name, content))
    return headers, data[end:]


def _netstring(data: bytes, at: int) -> tuple[bytes, int]:
    colon = data.find(b":", at, at + 11)
    digits = data[at:colon] if colon >= 0 else b""
    if not digits.isdigit() or (len(digits) > 1 and digits[:1] == b"0"):
        raise Malformed(f"canonical bytes: expected a netstring at byte {at}")
    end = colon + 1 + int(digits)
    if data[end : end + 1] != b",":
        raise Malformed(f"canonical bytes: the netstring at byte {at} does not end")
    return data[colon + 1 : end], end + 1


_REPEATED: Final = ("ce_dataschema", "ce_epoch", "ce_source", "ce_specversion", "ce_type", "content-type")
_VARYING: Final = ("ce_id", "ce_sequence", "ce_subject", "ce_time")
# An event of a longer story has one of these or both: usual headers, though most events have neither.
LINKS: Final = ("ce_causationid", "ce_correlationid")
_repeated_of: Final = itemgetter(*_REPEATED)
_varying_of: Final = itemgetter(*_VARYING)
_COMMONS_MAX: Final = 128  # a center has some twenty types, each alone, first or later in a story, sealed or not
_COMMON_BYTES_MAX: Final = 2048


class Common:
    """What many records of a lane have in common: their header names, and the contents that repeat.

    Two records are alike when they have the same Common: a check of nothing but names and repeated contents need not
    be made for the second. `template` makes the block of signed headers from the lengths and contents that vary: those
    of the `links` (which of LINKS the records have), and four more.
    """

    __slots__ = ("contents", "epoch", "is_event", "is_plain", "links", "names", "template")

    def __init__(self, names: tuple[str, ...], contents: tuple[bytes, ...]) -> None:
        self.names: Final = names
        self.contents: Final = contents
        epoch = contents[_REPEATED.index("ce_epoch")]
        self.epoch: Final = epoch.decode() if EPOCH.fullmatch(epoch) else None
        self.is_event: Final = CONTROL_HEADER not in names
        self.is_plain: Final = all(map(is_signed, names))  # no header but the signed ones
        self.links: Final = tuple(name for name in LINKS if name in names)
        known = dict(zip(_REPEATED, contents, strict=True))
        parts = []
        for name in (*self.links, *REQUIRED):
            content = known.get(name)
            prefix = b"%d:%b," % (len(name), name.encode())
            parts.append(
                prefix + b"%d:%b,"
                if content is None
                else (prefix + b"%d:%b," % (len(content), content)).replace(b"%", b"%%")
            )
        self.template: Final = b"".join(parts)


class LeafReader:
    """Turns records into (headers, canonical bytes, digest), remembering what the last records had in common.

    A lane's records nearly always carry the same ten headers, or twelve, six of them with the same contents, so their
    part of the canonical bytes is worked out once. The result is `canonical`'s, byte for byte (a property test holds
    it).
    `common` is the last record's Common, None where its headers are unusual.
    """

    def __init__(self) -> None:
        self.common: Common | None = None
        self._known: dict[tuple[tuple[str, ...], tuple[bytes, ...]], Common] = {}

    def read(self, record: KafkaRecord) -> tuple[dict[str, bytes | None], bytes, bytes]:
        """Return the headers by name, the canonical bytes and the digest (leaf hash) of `record`.

        Where a name is repeated the last value stands in the dictionary, and `repeated` tells.
        """
        headers = dict(record.headers)
        common = self.common
        try:
            contents = _repeated_of(headers)
            # Ten headers, and these ten names among them: their order makes no difference to anybody.
            names = REQUIRED if len(headers) == len(REQUIRED) else tuple(headers)
            if common is None or contents != common.contents or (names is not common.names and names != common.names):
                common = self._common(names, contents)
            if common is not None and len(headers) == len(record.headers):
                event_id, sequence, subject, time = _varying_of(headers)
                varying: tuple[Any, ...] = (
                    len(event_id), event_id, len(sequence), sequence, len(subject), subject, len(time), time
                )  # fmt: skip
                for name in reversed(common.links):
                    link: Any = headers[name]
                    varying = (len(link), link, *varying)
                block = common.template % varying
                data = b"%d:%b,%b" % (len(block), block, record.value or b"")
                self.common = common
                return headers, data, sha256(b"\x00" + data).digest()
        except (KeyError, TypeError):  # a header is missing, or null
            pass
        self.common = None
        data = canonical(record.headers, record.value)
        return headers, data, sha256(b"\x00" + data).digest()

    def _common(self, names: tuple[str, ...], contents: tuple[bytes, ...]) -> Common | None:
        found = self._known.get((names, contents))
        if found is None:
            signed = tuple(sorted(name for name in names if is_signed(name) and name not in LINKS))
            if signed != REQUIRED or sum(map(len, contents)) > _COMMON_BYTES_MAX:
                return None
            if len(self._known) >= _COMMONS_MAX:
                self._known.clear()
            found = self._known[names, contents] = Common(names, contents)
        return found


def position(headers: Mapping[str, bytes | None]) -> tuple[str, int] | None:
    """Return (epoch, sequence) of a record, None when its headers do not say (it is then not attributable)."""
    epoch, number = headers.get("ce_epoch"), sequence_of(headers.get("ce_sequence"))
    if epoch is None or number is None or not EPOCH.fullmatch(epoch):
        return None
    return epoch.decode(), number


def sequence_of(content: bytes | None) -> int | None:
    """Return the number that a `ce_sequence` says, None when it is none."""
    if content is None or not content.isdigit() or content[0] == _ZERO or len(content) > _SEQUENCE_DIGITS_MAX:
        return None
    number = int(content)
    return number if number <= SEQUENCE_MAX else None


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


def read_envelope(center: str, key: bytes | None, headers: Mapping[str, bytes | None], count: int) -> Envelope:
    """Return the attributes of a record of `center`, of which `count` headers came.

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
    if text["ce_source"] != f"/centers/{center}":
        raise Rejected(Code.WRONG_CENTER, "ce_source", f"expected /centers/{center}")
    subject = text["ce_subject"]
    matched = _SUBJECT.fullmatch(subject)
    if matched is None:
        raise Rejected(Code.BAD_HEADERS, "ce_subject", "expected <center>:<key>")
    if matched[1] != center:
        raise Rejected(Code.WRONG_CENTER, "ce_subject", f"expected {center}:…")
    if key != headers["ce_subject"]:
        raise Rejected(Code.BAD_KEY, "ce_subject", "")
    return Envelope(
        text["ce_id"],
        text["ce_type"],
        subject,
        read_time(text["ce_time"]),
        text["ce_dataschema"],
        text.get("ce_correlationid"),
        text.get("ce_causationid"),
    )


def read_alike(
    center: str, key: bytes | None, headers: Mapping[str, bytes | None], links: Iterable[str] = ()
) -> tuple[str, datetime] | None:
    """Return subject and time of a record with the same Common as one that `read_envelope` has passed for `center`.

    Shapes: `links` are the Common's.

    None where the headers that vary are not in the form that nearly all have: `read_envelope` is to look at them.
    The number in `ce_sequence` was read before. A property test holds this function to the other.
    """
    event_id, _, subject, time = _varying_of(headers)
    if not event_id or key != subject or max(len(event_id), len(subject)) > ATTRIBUTE_BYTES_MAX:
        return None
    try:
        varying = event_id + subject
        for name in links:
            link = headers[name] or b""
            if len(link) > ATTRIBUTE_BYTES_MAX:
                return None
            varying += link
        whole = varying.decode("ascii")
        text = subject.decode("ascii")
        owner, colon, rest = text.partition(":")
        if owner != center or not colon or not 1 <= len(rest) <= _KEY_LENGTH_MAX:
            return None
        if " " in rest or not whole.isprintable():
            return None
        moment = _usual_time(time.decode("ascii"))
    except UnicodeDecodeError:
        return None
    return None if moment is None else (text, moment)


def _usual_time(text: str) -> datetime | None:
    """Return the moment of a time as `write_time` writes it, None for any other form."""
    # With these marks in their places `fromisoformat` has no other format to choose from.
    if len(text) == _TIME_LENGTH and text[4:20:3] == "--T::." and text[26] == "Z":
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            return None
    return None


@lru_cache(maxsize=64)  # a pure function, and a lane's records nearly always carry the same names
def _attributes(names: tuple[str, ...]) -> tuple[str, ...]:
    signed = tuple(name for name in names if is_signed(name))
    for name in signed:
        if name != "content-type" and not _ATTRIBUTE.fullmatch(name):
            raise Rejected(Code.BAD_HEADERS, ascii(name)[1:-1][:60], "not a CloudEvents attribute name")
    return signed


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


def read_time(text: str) -> datetime:
    """Return an RFC 3339 time as UTC, cut to microseconds. Errors: Rejected(BAD_HEADERS, ce_time).

    A leap second (`:60`) is refused: no language's clock types hold one alike.
    """
    try:
        if not _TIME.fullmatch(text):
            raise ValueError(text)
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Rejected(Code.BAD_HEADERS, "ce_time", f"expected RFC 3339, got {text[:40]}") from None


def write_time(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with microseconds, the one form that cohub writes."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def write_headers(
    *,
    center: str,
    epoch: str,
    sequence: int,
    event_id: str,
    event_type: str,
    subject: str,
    time: datetime,
    dataschema: str,
    correlation_id: str | None = None,
    causation_id: str | None = None,
) -> list[tuple[str, bytes]]:
    """Return the headers of one event, sorted by name (the order HQ reads fastest)."""
    headers = [
        ("ce_causationid", causation_id),
        ("ce_correlationid", correlation_id),
        ("ce_dataschema", dataschema),
        ("ce_epoch", epoch),
        ("ce_id", event_id),
        ("ce_sequence", str(sequence)),
        ("ce_source", f"/centers/{center}"),
        ("ce_specversion", "1.0"),
        ("ce_subject", subject),
        ("ce_time", write_time(time)),
        ("ce_type", event_type),
        ("content-type", CONTENT_TYPE.decode()),
    ]
    return [(name, text.encode()) for name, text in headers if text is not None]


def origin_of(hub: str, center: str, epoch: str) -> str:
    """Return a lane's origin, `<hub>/<center>/<epoch>`."""
    return f"{hub}/{center}/{epoch}"
