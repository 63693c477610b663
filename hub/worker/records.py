"""Reads whatever record the broker accepts, where aiokafka's reader gives up.

A center writes what it likes, and the broker is content with much that aiokafka is not: a header name that is not
UTF-8, a number of more than 32 bits, a way of compression that is not installed here. aiokafka then raises, on every
poll, for all partitions: one record of one center would stop every lane. Here such a batch is read again with
more patience, and one that cannot be read at all becomes one record without headers whose value is the batch's own
bytes. The lane's rules do the rest: a bad header gets its verdict, a record without a number is quarantined, and what
is missing behind it is asked for again.

Only a wrong checksum is still an error. The broker refuses it from a center, so it is the disk or the wire, and no
center's doing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record import default_records, memory_records

VARINT_BYTES_MAX = 5
VARLONG_BYTES_MAX = 10

log = logging.getLogger(__name__)


def read_all_that_the_broker_accepts() -> None:
    """Make aiokafka's consumers in this process read by `Records`; they offer no setting. Safe to call again."""
    fetcher.MemoryRecords = Records


class Records(memory_records._MemoryRecordsPy):  # noqa: SLF001 - a contract test holds it
    """The record batches of one partition in one fetch. Splitting them in Python costs nothing measurable."""

    def next_batch(self) -> Any:
        """Return the next batch, None after the last."""
        data = self._next_slice
        batch = super().next_batch()
        return _Batch(data, batch) if isinstance(batch, default_records.DefaultRecordBatch) else batch


class _Batch:
    """One batch: aiokafka's own, except where that fails."""

    __slots__ = ("_batch", "_data")

    def __init__(self, data: memoryview, batch: Any) -> None:
        self._data = data
        self._batch = batch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        # Whoever iterates skips offsets that he has passed, so a second reader may begin at the batch's start.
        try:
            yield from self._batch
        except Exception as exc:  # noqa: BLE001 - whatever a center's bytes make the reader raise
            log.info("read again with patience: %r at offset %d", exc, self._batch.base_offset)
        else:
            return
        try:
            yield from _PatientBatch(self._data)
        except Exception as exc:  # noqa: BLE001 - as above
            last = self._batch.next_offset - 1
            log.warning("an unreadable batch stands as one record at offset %d: %r", last, exc)
            yield _unreadable(self._batch, last, bytes(self._data))


def _unreadable(batch: Any, offset: int, data: bytes) -> Any:
    return default_records._DefaultRecordPy(  # noqa: SLF001
        offset, batch.max_timestamp, batch.timestamp_type, None, data, []
    )


class _PatientBatch(default_records._DefaultRecordBatchPy):  # noqa: SLF001
    """Reads records as the broker does: names of any bytes, one byte of attributes, varints of 32 bits."""

    _buffer: bytearray
    _pos: int

    def _read_msg(self) -> Any:
        data = self._buffer
        length, at = _varint(data, self._pos)
        end = at + length
        if length < 0 or end > len(data):
            raise ValueError(f"a record of {length} bytes in a batch of {len(data)}")
        delta, at = _varint(data, at + 1, VARLONG_BYTES_MAX)
        appended = self.timestamp_type == self.LOG_APPEND_TIME
        timestamp = self.max_timestamp if appended else self.first_timestamp + delta
        offset, at = _varint(data, at)
        key, at = _content(data, at, end)
        value, at = _content(data, at, end)
        count, at = _varint(data, at)
        headers: list[tuple[str, bytes | None]] = []
        for _ in range(count):
            name, at = _content(data, at, end)
            content, at = _content(data, at, end)
            # The exact bytes come back by the same error handler; see hub.protocol.record.
            headers.append(((name or b"").decode("utf-8", "surrogateescape"), content))
        if at != end or count < 0:
            raise ValueError(f"a record that ends at {at}, expected {end}")
        self._pos = end
        return default_records._DefaultRecordPy(  # noqa: SLF001
            self.base_offset + offset, timestamp, self.timestamp_type, key, value, headers
        )


def _varint(data: bytearray, at: int, bytes_max: int = VARINT_BYTES_MAX) -> tuple[int, int]:
    number = 0
    for place in range(bytes_max):
        byte = data[at + place]
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            number &= (1 << (32 if bytes_max == VARINT_BYTES_MAX else 64)) - 1
            return (number >> 1) ^ -(number & 1), at + place + 1
    raise ValueError(f"a varint of more than {bytes_max} bytes")


def _content(data: bytearray, at: int, end: int) -> tuple[bytes | None, int]:
    length, at = _varint(data, at)
    if length < 0:
        return None, at
    if at + length > end:
        raise ValueError(f"{length} bytes at {at} in a record that ends at {end}")
    return bytes(data[at : at + length]), at + length
