"""Zip files of strangers: their list of parts is bounded before it is read, for each part of it costs memory."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import BinaryIO, Final

# What Python's reader raises at bytes that are no good zip file.
BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    LookupError,
    struct.error,
)
LIST_BYTES_MAX: Final = 4 << 20  # 10,000 parts with names of 300 bytes
_END: Final = struct.Struct("<4s4H2LH")
_END_64: Final = struct.Struct("<4sQ2H2L4Q")
_WHERE_64: Final = struct.Struct("<4sLQL")
_COMMENT_MAX: Final = 0xFFFF
_SEEN_64: Final = 0xFFFFFFFF


def open_zip(file: BinaryIO, list_bytes_max: int = LIST_BYTES_MAX) -> zipfile.ZipFile:
    """Return a zip file, open for reading. Errors: BadZipFile, or what else BROKEN names."""
    if (size := list_bytes(file)) > list_bytes_max:
        raise zipfile.BadZipFile(f"its list of parts has {size} bytes, expected at most {list_bytes_max}")
    return zipfile.ZipFile(file)


def list_bytes(file: BinaryIO) -> int:
    """Return how many bytes the end of a zip file says that its list of parts has. Errors: BadZipFile."""
    length = file.seek(0, io.SEEK_END)
    start = max(0, length - _COMMENT_MAX - _END.size - _WHERE_64.size - _END_64.size)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06", 0, len(tail) - _END.size + 4) if len(tail) >= _END.size else -1
    if at < 0:
        raise zipfile.BadZipFile("it is no zip file, or cut off")
    size = int(_END.unpack_from(tail, at)[5])
    # The reader goes by the larger record wherever one stands before the other.
    where = at - _WHERE_64.size
    if where >= 0 and tail[where : where + 4] == b"PK\x06\x07":
        large = where - _END_64.size
        if large < 0 or tail[large : large + 4] != b"PK\x06\x06":
            raise zipfile.BadZipFile("its end is damaged")
        size = max(size if size != _SEEN_64 else 0, int(_END_64.unpack_from(tail, large)[8]))
    return size
