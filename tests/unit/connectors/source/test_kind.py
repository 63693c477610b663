"""What a file is, is told by its content; a sheet is never taken for something else."""

from __future__ import annotations

import io
import zipfile
from pathlib import PurePath

import openpyxl
import pytest

from connectors.source.kind import sniff
from connectors.source.problem import FileCode

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


def zipped(*names: str, mimetype: str = "") -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as parts:
        if mimetype:
            parts.writestr(zipfile.ZipInfo("mimetype"), mimetype)  # stored, and the first, as the format has it
        for name in names:
            parts.writestr(name, "x" * 5000)
    return output.getvalue()


def book() -> bytes:
    output = io.BytesIO()
    openpyxl.Workbook().save(output)
    return output.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b""),
        ("a.csv", b"<id>;<title>\n1;Pump\n"),
        ("a.csv", b"<b>id</b>,title\n1,Pump\n"),
        ("a.csv", b"table,html\n<table>,<html>\n"),
        ("a.csv", "№,Название\n".encode()),
        ("a.csv", "№,Название\n".encode("utf-16")),
        ("a.csv", "№,Название\n".encode("cp1251")),
        ("a.tsv", b"\tid\ttitle\n"),
        ("a.txt", b'{"id": 1}\n'),
        ("a.jsonl", b'{"id": 1}\n'),
        ("a.xlsx", book()),
        ("a.xlsm", book()),
        ("a.csv", book()),  # read as what it is
        ("a.xlsx", b""),
    ],
)
def test_sheet_is_taken_for_one(name: str, data: bytes) -> None:
    """Whatever is in its first cell."""
    assert sniff(PurePath(name), data) is None


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.xls", OLE + "Workbook".encode("utf-16-le"), FileCode.OLD_WORKBOOK),
        ("a.xlsx", OLE + "Workbook".encode("utf-16-le"), FileCode.OLD_WORKBOOK),
        ("a.xls", b"\x09\x08\x08\x00\x00\x05\x05\x00" + b"\0" * 50, FileCode.OLD_WORKBOOK),
        ("a.xls", b"\0\1\2\3", FileCode.OLD_WORKBOOK),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), FileCode.ENCRYPTED),
        ("a.doc", OLE + "WordDocument".encode("utf-16-le"), FileCode.UNKNOWN_KIND),
        (
            "a.ods",
            zipped("content.xml", mimetype="application/vnd.oasis.opendocument.spreadsheet"),
            FileCode.OTHER_WORKBOOK,
        ),
        (
            "a.xlsx",
            zipped("content.xml", mimetype="application/vnd.oasis.opendocument.spreadsheet"),
            FileCode.OTHER_WORKBOOK,
        ),
        ("a.xlsx", zipped("[Content_Types].xml", "xl/workbook.bin"), FileCode.OTHER_WORKBOOK),
        ("a.numbers", zipped("Index/Document.iwa"), FileCode.OTHER_WORKBOOK),
        ("a.xlsb", b"", FileCode.OTHER_WORKBOOK),
        ("a.et", OLE, FileCode.OLD_WORKBOOK),
        ("a.ods", book(), FileCode.OTHER_WORKBOOK),
        ("a.xls", book(), FileCode.OTHER_WORKBOOK),
        ("a.docx", zipped("word/document.xml"), FileCode.UNKNOWN_KIND),
        ("a.xls", b"<html><body><table>", FileCode.WEB_PAGE),
        ("a.csv", b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>", FileCode.WEB_PAGE),
        ("a.xlsx", "<html xmlns:x='urn:schemas-microsoft-com:office:excel'>".encode("utf-16"), FileCode.WEB_PAGE),
        ("a.xls", b"<!-- made by us -->\n<TABLE border=1>", FileCode.WEB_PAGE),
        ("a.xls", b"MIME-Version: 1.0\nContent-Type: multipart/related", FileCode.WEB_PAGE),
        (
            "a.xls",
            b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
            FileCode.OTHER_WORKBOOK,
        ),
        ("a.xml", b"<?xml version='1.0'?><rows/>", FileCode.UNKNOWN_KIND),
        ("a.xls", b"id\ttitle\n1\tPump\n", FileCode.NO_WORKBOOK),
        ("a.xlsx", "№;Название\n".encode("cp1251"), FileCode.NO_WORKBOOK),
        ("a.json", b'[{"id": 1}]', FileCode.UNKNOWN_KIND),
        ("a.csv", b"%PDF-1.7", FileCode.UNKNOWN_KIND),
        ("a.csv.gz", b"\x1f\x8b\x08\0", FileCode.UNKNOWN_KIND),
        ("a.csv", b"SQLite format 3\0", FileCode.UNKNOWN_KIND),
    ],
)
def test_file_of_another_kind_is_told_with_what_to_do(name: str, data: bytes, code: FileCode) -> None:
    """By what it is, not by what it is called."""
    refused = sniff(PurePath(name), data)
    assert refused is not None
    assert refused.code is code
    assert str(refused).startswith(f"{name} is ")
    assert any(what in str(refused) for what in ("save it", "save the sheet", "export it", "rename it"))


def test_mapping_that_says_what_a_file_is_counts_more_than_its_name() -> None:
    """An export of texts under a workbook's name is read where the mapping names its kind; a web page never is."""
    assert sniff(PurePath("a.xls"), b"id\ttitle\n", by_name=False) is None
    assert sniff(PurePath("a.xls"), b"<html>", by_name=False) is not None
