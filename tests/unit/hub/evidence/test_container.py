"""The zip around a bundle is the same every time, and is read as from a stranger."""

from __future__ import annotations

import io
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable

import pytest

from hub.evidence import container
from hub.evidence.container import read_zip, write_zip
from hub.evidence.report import Check, Report

FILES = {"trust.note": b"trust", "manifest.json": b"{}" * 500, "log/checkpoint.note": b"log"}


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name twice
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
            for name, data in entries:
                made.writestr(name, data)
            made.comment = comment
    return out.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


def test_zip_written_twice_is_the_same_and_reads_back() -> None:
    """No clock and no order of making gets into it."""
    data = write_zip(FILES)
    assert data == write_zip(dict(reversed(FILES.items())))
    report = Report()
    assert read_zip(data, report) == FILES
    assert not report.findings


def test_zip_packed_again_by_another_tool_reads_the_same() -> None:
    """Times, order and folders of a zip are no evidence."""
    report = Report()
    again = zipped(("log/", b""), *reversed(FILES.items()))
    assert read_zip(again, report) == FILES
    assert not report.findings


def hidden(name: bytes = b"summary.html", at: int = 1) -> bytes:
    """Return a zip with an entry that its directory does not have: only readers that stream see it."""
    whole = write_zip(FILES)
    infos = zipfile.ZipFile(io.BytesIO(whole)).infolist()
    cut = infos[at].header_offset if at < len(infos) else whole.index(b"PK\x01\x02")
    local = b"PK\x03\x04" + struct.pack("<5H3L2H", 20, 0, 0, 0, 33, zlib.crc32(b"forged"), 6, 6, len(name), 0) + name
    entry = local + b"forged"
    data = bytearray(whole[:cut] + entry + whole[cut:])
    for info in infos:
        if info.header_offset >= cut:
            place = data.index(info.filename.encode(), data.index(b"PK\x01\x02")) - 4
            data[place : place + 4] = (info.header_offset + len(entry)).to_bytes(4, "little")
    data[-6:-2] = data.index(b"PK\x01\x02").to_bytes(4, "little")
    return bytes(data)


def edited(at: int, data: bytes) -> bytes:
    """Return a zip whose first local header has other bytes than its directory says."""
    whole = write_zip(FILES)
    return whole[:at] + data + whole[at + len(data) :]


def with_extra(kind: int) -> bytes:
    info = zipfile.ZipInfo("trust.note")
    info.extra = struct.pack("<2H", kind, 4) + b"more"
    return zipped((info, b"x"))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "not a zip": lambda: b"PK\x03\x04 but nothing else" * 50,
    "truncated": lambda: write_zip(FILES)[:-30],
    "bytes before": lambda: b"#!/bin/sh\n" + write_zip(FILES),
    "bytes behind": lambda: write_zip(FILES) + b"more",
    "comment": lambda: zipped(("trust.note", b"x"), comment=b"read me"),
    "name twice": lambda: zipped(("trust.note", b"x"), ("trust.note", b"y")),
    "path upwards": lambda: zipped(("../trust.note", b"x")),
    "absolute path": lambda: zipped(("/etc/passwd", b"x")),
    "drive": lambda: zipped(("C:\\trust.note", b"x")),
    "name with NUL": lambda: zipped(("trust.noteXhidden", b"x")).replace(b"trust.noteX", b"trust.note\0"),
    "other file": lambda: zipped(("trust.note", b"x"), ("setup.exe", b"MZ")),
    "link": lambda: zipped((link("trust.note"), b"/etc/passwd")),
    "folder with bytes": lambda: zipped(("log/", b"x")),
    "entry that only streams show": hidden,
    "such an entry in front": lambda: hidden(at=0),
    "such an entry at the end": lambda: hidden(at=len(FILES)),
    "local header of another method": lambda: edited(8, b"\0\0"),
    "local header of another checksum": lambda: edited(14, b"\1\2\3\4"),
    "local header of another size": lambda: edited(22, b"\1\0\0\0"),
    "sizes behind the content": lambda: edited(6, b"\x08\0"),
    "other name in an extra field": lambda: with_extra(0x7075),
    "bomb": lambda: zipped(("trust.note", bytes(container.FILE_BYTES_MAX + 1))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_zip_is_a_finding(name: str) -> None:
    """Nothing is written anywhere, nothing raised, and no second meaning passes."""
    report = Report()
    read_zip(HOSTILE[name](), report)
    assert report.outcome(Check.CONTAINER) == "failed", name


def test_times_in_an_extra_field_are_no_finding() -> None:
    """Info-ZIP writes them, and they name nothing."""
    report = Report()
    assert read_zip(with_extra(0x5455), report) == {"trust.note": b"x"}
    assert not report.findings


def test_size_that_the_zip_understates_is_not_believed() -> None:
    """An entry that unpacks to more than the directory says is refused, not unpacked."""
    content = bytes(5000)
    data = zipped(("trust.note", content))
    report = Report()
    found = read_zip(data.replace((5000).to_bytes(4, "little"), (10).to_bytes(4, "little")), report)
    assert found.get("trust.note") != content
    assert report.findings


def test_entries_that_share_bytes_are_a_finding() -> None:
    """Many names over one block of bytes is how a small file becomes a huge one."""
    data = bytearray(zipped(("trust.note", b"x" * 100), ("log/checkpoint.note", b"y" * 100)))
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = bytes(4)  # its local header is said to stand where the first's does
    report = Report()
    read_zip(bytes(data), report)
    assert report.outcome(Check.CONTAINER) == "failed"


def test_random_damage_never_raises_and_never_passes_as_other_bytes() -> None:
    """Whatever byte is changed: either it is found, or every file is what it was."""
    whole = write_zip(FILES)
    chance = random.Random(4)
    for _ in range(400):
        data = bytearray(whole)
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        report = Report()
        found = read_zip(bytes(data), report)
        assert report.findings or found == FILES
