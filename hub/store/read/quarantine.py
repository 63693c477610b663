"""Records that HQ kept without making events of them."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import Connection, Row, select

from hub.protocol.errors import Malformed
from hub.protocol.record import split_canonical
from hub.store.read.model import ReadModel, moment
from hub.store.tables import QUARANTINE, UNKEPT


class QuarantinedRecord(ReadModel):
    """A record that became no event, and why."""

    id: int = Field(description="The number that it goes by")
    center: str = Field(description="The center in whose topic it came")
    offset: int = Field(description="Where in `in.<center>`")
    reason: str = Field(description="The verdict's code")
    detail: str = Field(description="What exactly was wrong")
    bytes: int = Field(description="How large it was")
    recorded_at: datetime | None = Field(description="When HQ kept it")
    digest: str = Field(description="SHA-256 of its canonical form")


class QuarantinedContent(QuarantinedRecord):
    """The same, with what the record had in it."""

    key: str | None = Field(description="Its Kafka key")
    is_whole: bool = Field(description="Whether all of it was kept, and not its beginning alone")
    headers: dict[str, str | None] = Field(description="Its headers; none where the bytes are not those of a record")
    value_text: str | None = Field(
        description="The same as text, where it is UTF-8 and mostly printable: a stranger's word"
    )
    value_hex: str = Field(description="Its value, or all that was kept where the bytes are not those of a record")


class Unkept(ReadModel):
    """Records that are over their center's quota: counted, and not kept."""

    center: str = Field(description="The center in whose topic they came")
    reason: str = Field(description="Why they became no events")
    records: int = Field(description="How many")
    bytes: int = Field(description="How large they were together")
    first_at: datetime | None = Field(description="When the first of them came")
    last_at: datetime | None = Field(description="When the last of them came")


def unkept(db: Connection, center: str | None = None) -> tuple[Unkept, ...]:
    """Return what is over the centers' quotas, or over one's."""
    query = select(UNKEPT).order_by(UNKEPT.c.center, UNKEPT.c.reason)
    if center is not None:
        query = query.where(UNKEPT.c.center == center)
    return tuple(
        Unkept(
            center=row.center,
            reason=row.reason,
            records=row.records,
            bytes=row.size_bytes,
            first_at=moment(row.first_at_us),
            last_at=moment(row.last_at_us),
        )
        for row in db.execute(query)
    )


def quarantined(db: Connection, limit: int, center: str | None = None) -> tuple[QuarantinedRecord, ...]:
    """Return the newest records that were kept without becoming events."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.id.desc()).limit(limit)
    if center is not None:
        query = query.where(QUARANTINE.c.center == center)
    return tuple(QuarantinedRecord(**_common(row)) for row in db.execute(query))


def quarantined_content(db: Connection, number: int) -> QuarantinedContent | None:
    """Return one of them with its headers and the beginning of its value, None where there is no such one."""
    row = db.execute(select(QUARANTINE).where(QUARANTINE.c.id == number)).first()
    if row is None:
        return None
    data = bytes(row.data)
    headers: list[tuple[str, bytes | None]] = []
    value = data
    with suppress(Malformed):  # of what was never a record all is shown
        headers, value = split_canonical(data)
    return QuarantinedContent(
        **_common(row),
        key=_text(row.key),
        is_whole=len(data) == row.size_bytes,
        headers={str(_text(name.encode("utf-8", "surrogateescape"))): _text(content) for name, content in headers},
        value_text=_readable(value),
        value_hex=value.hex(),
    )


def _common(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "center": row.center,
        "offset": row.kafka_offset,
        "reason": row.reason,
        "detail": row.detail,
        "bytes": row.size_bytes,
        "recorded_at": moment(row.recorded_at_us),
        "digest": bytes(row.digest).hex(),
    }


def _readable(value: bytes) -> str | None:
    """Return a value as text; None where it is no UTF-8, or reads like no text. A cut character at its end is left."""
    text = value.decode("utf-8", "replace").rstrip("\N{REPLACEMENT CHARACTER}")
    printable = sum(character.isprintable() or character in "\n\r\t" for character in text)
    return text if text and "\N{REPLACEMENT CHARACTER}" not in text and printable >= 0.9 * len(text) else None


def _text(content: bytes | None) -> str | None:
    return None if content is None else bytes(content).decode("utf-8", "replace")
