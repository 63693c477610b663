"""Events with one fault each, and the verdict that it gets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hub.protocol.limits import VALUE_BYTES_MAX
from hub.protocol.verdict import Code
from tests.support.center import Center, Sent

PUBLISHED = "net.cohub.offer.published.v1"
REVISED = "net.cohub.offer.revised.v1"

FAULTS: dict[str, tuple[Code, Callable[[Center, Sent], Sent]]] = {
    "unknown schema": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_dataschema", b"urn:sha256:" + b"0" * 64)),
    "foreign schema id": (Code.UNKNOWN_SCHEMA, lambda c, r: replace(r, value=b"\0\0\0\0\1" + (r.value or b"")[5:])),
    "truncated avro": (Code.BAD_VALUE, lambda c, r: replace(r, value=(r.value or b"")[:-3])),
    "trailing bytes": (Code.BAD_VALUE, lambda c, r: replace(r, value=(r.value or b"") + b"\0")),
    "no framing": (Code.BAD_VALUE, lambda c, r: replace(r, value=b"\1hello")),
    "null value": (Code.NO_VALUE, lambda c, r: replace(r, value=None)),
    "empty value": (Code.NO_VALUE, lambda c, r: replace(r, value=b"")),
    "over 256 KiB": (Code.TOO_LARGE, lambda c, r: replace(r, value=b"\0" * (VALUE_BYTES_MAX + 1))),
    "key unlike subject": (Code.BAD_KEY, lambda c, r: replace(r, key=b"uz:K-8")),
    "null key": (Code.BAD_KEY, lambda c, r: replace(r, key=None)),
    "empty key": (Code.BAD_KEY, lambda c, r: replace(r, key=b"")),
    "key of 3 kB": (Code.BAD_KEY, lambda c, r: replace(r, key=b"k" * 3000)),
    "key not UTF-8": (Code.BAD_KEY, lambda c, r: replace(r, key=b"\xff")),
    "id that is a word": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"offer-7")),
    "id in capitals": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"019CA92A-4A7A-7C0E-8B1D-2F5A6B7C8D01")),
    "id in braces": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"{019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01}")),
    "id without dashes": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"019ca92a4a7a7c0e8b1d2f5a6b7c8d01")),
    "id and a line break": (
        Code.BAD_HEADERS,
        lambda c, r: r.header("ce_id", b"019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01\n"),
    ),
    "id as a URN": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"urn:uuid:019ca92a-4a7a-7c0e-8b1d-2f5a6b7c8d01")),
    "wrong center": (Code.WRONG_CENTER, lambda c, r: replace(r.header("ce_subject", b"kz:K-7"), key=b"kz:K-7")),
    "wrong source": (Code.WRONG_CENTER, lambda c, r: r.header("ce_source", b"/centers/kz")),
    "repeated header": (Code.BAD_HEADERS, lambda c, r: r.plus("ce_type", PUBLISHED.encode())),
    "null header": (Code.BAD_HEADERS, lambda c, r: r.header("ce_type", None)),
    "missing header": (Code.BAD_HEADERS, lambda c, r: r.without("ce_id")),
    "header not UTF-8": (Code.BAD_HEADERS, lambda c, r: r.header("ce_id", b"\xff")),
    "wrong specversion": (Code.BAD_HEADERS, lambda c, r: r.header("ce_specversion", b"0.3")),
    "wrong content type": (Code.BAD_HEADERS, lambda c, r: r.header("content-type", b"application/json")),
    "unreadable time": (Code.BAD_HEADERS, lambda c, r: r.header("ce_time", b"yesterday")),
    "bad subject": (Code.BAD_HEADERS, lambda c, r: replace(r.header("ce_subject", b"K-7"), key=b"K-7")),
    "future": (Code.TIME_IN_FUTURE, lambda c, r: r.header("ce_time", b"2026-03-02T12:00:01Z")),
    "unknown type": (Code.UNKNOWN_TYPE, lambda c, r: r.header("ce_type", b"net.cohub.offer.burned.v1")),
    "type of another schema": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_type", REVISED.encode())),
    "not of this writer": (Code.UNKNOWN_SCHEMA, lambda c, r: r.header("ce_type", b"net.cohub.center.closed.v1")),
}
