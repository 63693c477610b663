"""The zip around a bundle: written the same every time, read as from a stranger.

Reading holds every limit itself and believes no size that the zip states. What two readers of one file might
understand in two ways is a finding: a name twice, bytes that are in no entry, entries that share bytes or say something
else of themselves than the directory does, links, encryption.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

from hub.base.zips import open_zip
from hub.evidence.layout import is_known
from hub.evidence.report import Check, Report

ARCHIVE_BYTES_MAX: Final = 512 * 1024 * 1024
FILE_BYTES_MAX: Final = 32 * 1024 * 1024
TOTAL_BYTES_MAX: Final = 1024 * 1024 * 1024
FILES_MAX: Final = 300_000
PATH_CHARACTERS_MAX: Final = 400
AGAIN: Final = "ask whoever sent the bundle for it again"
_RATIO_MAX: Final = 1_100  # deflate's own limit is 1,032
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)  # what a zip can say at the least: the same bytes for the same evidence
_MODE: Final = (stat.S_IFREG | 0o644) << 16
_ORDINARY: Final = (0, stat.S_IFREG, stat.S_IFDIR)
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_LEVEL: Final = 9
_LOCAL_HEADER_BYTES: Final = 30
_END_BYTES: Final = 22
_END64_BYTES: Final = 76  # zip64's end record and the pointer to it
_SIZES_BEHIND: Final = 0x8
_HARMLESS_EXTRA: Final = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875})  # NTFS, UT, and Unix's three
_COUNT_ELSEWHERE: Final = 0xFFFF  # so many entries that another record (zip64) counts them


def write_zip(files: Mapping[str, bytes]) -> bytes:
    """Return one zip of these files, by name. The same files give the same bytes (with the same zlib)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as made:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, _EARLIEST)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            info.external_attr = _MODE
            made.writestr(info, files[path], compresslevel=_LEVEL)
    return out.getvalue()


def read_zip(data: bytes, report: Report) -> dict[str, bytes]:
    """Return the files of a bundle that can be read, by path; everything else is a finding. Errors: none."""
    if len(data) > ARCHIVE_BYTES_MAX:
        report.error(Check.CONTAINER, f"{len(data)} bytes: a bundle has at most {ARCHIVE_BYTES_MAX}")
        return {}
    try:
        found = _read(data, report)
    except zipfile.BadZipFile:
        report.error(Check.CONTAINER, f"not a zip that can be read, or only a part of one; {AGAIN}")
    except Exception as exc:  # noqa: BLE001 -- zipfile lets struct, index and decoding errors through
        report.error(Check.CONTAINER, f"not a zip that can be read: {type(exc).__name__}: {exc}")
    else:
        if not found and not report.findings:
            report.error(Check.CONTAINER, f"the zip is empty; {AGAIN}")
        return found
    return {}


def _read(data: bytes, report: Report) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with open_zip(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > FILES_MAX:
            report.error(Check.CONTAINER, f"{len(infos)} files: a bundle has at most {FILES_MAX}")
            return {}
        _check_frame(archive, data, infos, report)
        left = TOTAL_BYTES_MAX
        seen: set[str] = set()
        for info in infos:
            fault = _fault(info, seen)
            if fault is None and info.is_dir():
                continue
            if fault is None:
                content, fault = _content(archive, info, min(FILE_BYTES_MAX, left))
                left -= len(content)
                if fault is None:
                    found[info.filename] = content
                    report.passed(Check.CONTAINER)
            if fault is not None:
                report.error(Check.CONTAINER, fault, info.filename)
    return found


def _check_frame(archive: zipfile.ZipFile, data: bytes, infos: list[zipfile.ZipInfo], report: Report) -> None:
    """Look at what stands around the entries: every byte has its place, in the directory's words and in the entries'.

    Readers that stream believe the entries, others the directory: a byte that only one of them sees may be a forgery.
    """
    # Its last 22 bytes are the end record: 4 of mark, …, entries at 10 (2), size of the directory at 12 (4), ….
    end = data[-_END_BYTES:]
    count, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    behind = len(data) - _END_BYTES - (_END64_BYTES if count == _COUNT_ELSEWHERE else 0)
    if not end.startswith(b"PK\x05\x06") or archive.comment:
        report.error(Check.CONTAINER, "something follows the zip's end, or is written in it")
    elif count not in (len(infos), _COUNT_ELSEWHERE):
        report.error(Check.CONTAINER, f"the zip states {count} entries, and has {len(infos)}")
    elif archive.start_dir + size != behind:
        report.error(Check.CONTAINER, "bytes between the zip's directory and its end")
    at = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset < at:
            report.error(Check.CONTAINER, "shares bytes with the entry before it", info.filename)
        elif info.header_offset > at:
            report.error(
                Check.CONTAINER, f"{info.header_offset - at} bytes in front of it are in no entry", info.filename
            )
        header = data[info.header_offset : info.header_offset + _LOCAL_HEADER_BYTES]
        at = info.header_offset + _LOCAL_HEADER_BYTES
        name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
        if header[6:10] + header[14:26] != _told(info):
            report.error(Check.CONTAINER, "its own header says something else than the zip's directory", info.filename)
        if not (_is_harmless(info.extra) and _is_harmless(data[at + name : at + name + extra])) or info.comment:
            report.error(Check.CONTAINER, "carries something beside its content", info.filename)
        at += name + extra + info.compress_size
    if not data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        report.error(Check.CONTAINER, "does not begin as a zip does")
    if at != archive.start_dir:
        report.error(Check.CONTAINER, "the last entry does not end where the directory of the zip begins")


def _told(info: zipfile.ZipInfo) -> bytes:
    """Return what an entry's own header must say by the directory: flags, method, CRC, both sizes.

    Where they stand behind the content instead (a flag says so) the two differ, and it is refused.
    """
    return struct.pack(
        "<2H3L", info.flag_bits & ~_SIZES_BEHIND, info.compress_type, info.CRC, info.compress_size, info.file_size
    )


def _is_harmless(extra: bytes) -> bool:
    """Return whether an entry's extra fields are times and owners alone: another could give it another name."""
    while extra:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind not in _HARMLESS_EXTRA or len(extra) < 4 + size:
            return False
        extra = extra[4 + size :]
    return True


def _fault(info: zipfile.ZipInfo, seen: set[str]) -> str | None:
    """Return what is wrong with an entry before a byte of it is unpacked."""
    path, is_dir = info.filename, info.is_dir()
    twice = path in seen
    seen.add(path)
    checks = (
        (twice, "the name stands twice in the zip"),
        (stat.S_IFMT(info.external_attr >> 16) not in _ORDINARY, "is a link or a device"),
        (bool(info.flag_bits & _ENCRYPTED), "is encrypted"),
        (info.orig_filename != path or len(path) > PATH_CHARACTERS_MAX, "its name is not one that a bundle has"),
        (is_dir and bool(info.file_size), "a folder that holds bytes"),
        (not is_dir and not is_known(path), "not a file that a bundle has"),
        (info.compress_type not in _METHODS, f"packed by method {info.compress_type}, expected stored or deflated"),
        (info.file_size > FILE_BYTES_MAX, f"states {info.file_size} bytes, expected at most {FILE_BYTES_MAX}"),
        (
            info.file_size > max(1, info.compress_size) * _RATIO_MAX,
            f"states {info.file_size} bytes from {info.compress_size}",
        ),
    )
    return next((fault for is_so, fault in checks if is_so), None)


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> tuple[bytes, str | None]:
    try:
        with archive.open(info) as file:
            content = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as exc:
        return b"", f"cannot be unpacked: {exc}"
    if len(content) > limit:
        return b"", f"is more than {limit} bytes"
    if len(content) != info.file_size:
        return b"", f"states {info.file_size} bytes, has {len(content)}"
    return content, None
