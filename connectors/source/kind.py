"""What a file is by what it begins with: people and programs change names, and export one kind under another's.

Only the first and the last bytes are looked at, never more than a mebibyte of each. A container's content is told by
the names in its central directory, which stands at its end, as plain bytes.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from connectors.source.problem import FileCode, FileRefused

LOOKED_AT: Final = 1024 * 1024
ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OLD_BIFF: Final = re.compile(rb"\x09[\x00\x02\x04\x08][\x04-\x10]\x00[\x00-\x02][\x00-\x06]")
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_BOOKS: Final = ("Workbook".encode("utf-16-le"), "Book".encode("utf-16-le"))
_WEB_PAGE: Final = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)*"
    rb"<\s*(?:!doctype\s+html|html|head|body|table|meta|style)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML: Final = re.compile(rb"\s*<(?:\?xml\s|[A-Za-z][\w.:-]*\s[^>]{0,4096}xmlns)")
_XML_BOOK: Final = (b"urn:schemas-microsoft-com:office:spreadsheet", b"opendocument.spreadsheet", b"office:spreadsheet")
_OTHER_NAMES: Final = (".xlsb", ".ods", ".fods", ".ots", ".numbers", ".et", ".gnumeric", ".dbf", ".wk1", ".wks")
_OLD_NAMES: Final = (".xls", ".xlt", ".xlw")
_WORKBOOK_NAMES: Final = (".xlsx", ".xlsm", ".xltx", *_OLD_NAMES, *_OTHER_NAMES)
_MARKS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")

# What begins files that hold no rows for us, by what people call them.
_OTHERS: Final = (
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "an archive (7z)"),
    (b"Rar!", "an archive (RAR)"),
    (b"PRIVATE+KEY+", "a private key"),  # what of it were told as a header would be beside the sheets
    (b"{\\rtf", "a text document (RTF)"),
    (b"SQLite format 3\0", "a database (SQLite)"),
    (b"\x00\x01\x00\x00Standard", "a database (Access)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
)
_SAVE: Final = "open it in Excel or LibreOffice and save it as .xlsx"


def sniff(path: PurePath, data: bytes, *, by_name: bool = True) -> FileRefused | None:
    """Return why a file is none that is read, by its content; None if it may be one.

    Shapes: by_name is whether the name counts where the content does not tell; not, if the mapping says what it is.
    """
    found = _refusal(data, path.suffix.lower() if by_name else "")
    if found is None:
        return None
    code, said = found
    return FileRefused(code, f"{path.name} {said}")


def _refusal(data: bytes, suffix: str) -> tuple[FileCode, str] | None:
    head = data[:LOOKED_AT]
    if head.startswith(_OLE):
        return _ole(head, data[-LOOKED_AT:])
    if head.startswith((ZIP, _EMPTY_ZIP)):
        return _container(head[:4096], data[-LOOKED_AT:], suffix)
    if _OLD_BIFF.match(head):
        return FileCode.OLD_WORKBOOK, "is in the old .xls format; save it as .xlsx"
    for start, kind in _OTHERS:
        if head.startswith(start):
            return FileCode.UNKNOWN_KIND, f"is {kind}, and no sheet; save the sheet in it as .xlsx or .csv"
    return _text(_plain(head[:65536]), suffix)


def _ole(head: bytes, tail: bytes) -> tuple[FileCode, str]:
    if _ENCRYPTED in head or _ENCRYPTED in tail:
        return FileCode.ENCRYPTED, "is protected with a password; save it without one"
    if "WordDocument".encode("utf-16-le") in head + tail and not any(book in head + tail for book in _BOOKS):
        return FileCode.UNKNOWN_KIND, "is a text document (Word), and no sheet; save the sheet in it as .xlsx"
    return FileCode.OLD_WORKBOOK, "is in the old .xls format; save it as .xlsx"


def _container(head: bytes, tail: bytes, suffix: str) -> tuple[FileCode, str] | None:
    if b"opendocument.spreadsheet" in head:
        return FileCode.OTHER_WORKBOOK, f"is a workbook of another kind (.ods); {_SAVE}"
    if b"xl/workbook.bin" in tail:
        return FileCode.OTHER_WORKBOOK, f"is a workbook of another kind (.xlsb); {_SAVE}"
    if b".iwa" in tail or b"Index.zip" in tail:
        return FileCode.OTHER_WORKBOOK, "is a workbook of another kind (Numbers); export it as .xlsx"
    if b"word/document" in tail or b"opendocument.text" in head:
        return FileCode.UNKNOWN_KIND, "is a text document, and no sheet; save the sheet in it as .xlsx"
    if b"ppt/" in tail or b"opendocument.presentation" in head:
        return FileCode.UNKNOWN_KIND, "is a presentation, and no sheet; save the sheet in it as .xlsx"
    if b"xl/workbook.xml" in tail and suffix in (*_OLD_NAMES, *_OTHER_NAMES, ".json"):
        return (
            FileCode.OTHER_WORKBOOK,
            f"is an XLSX workbook under the name of another kind ({suffix}); rename it to .xlsx",
        )
    return _by_name(suffix)


def _by_name(suffix: str) -> tuple[FileCode, str] | None:
    """Return what a file is by its name, where its content does not tell."""
    if suffix in _OLD_NAMES:
        return FileCode.OLD_WORKBOOK, "is in the old .xls format; save it as .xlsx"
    if suffix in _OTHER_NAMES:
        return FileCode.OTHER_WORKBOOK, f"is a workbook of another kind ({suffix}); {_SAVE}"
    return None


def _text(head: bytes, suffix: str) -> tuple[FileCode, str] | None:
    if _WEB_PAGE.match(head) or head[:200].lstrip().lower().startswith(b"mime-version"):
        return FileCode.WEB_PAGE, f"is a web page (HTML), and no workbook; {_SAVE}"
    if _XML.match(head):
        if any(name in head for name in _XML_BOOK):
            return FileCode.OTHER_WORKBOOK, f"is a workbook of another kind (XML); {_SAVE}"
        return FileCode.UNKNOWN_KIND, "is XML, and no sheet; save it as .xlsx or .csv"
    if suffix == ".json":
        return FileCode.UNKNOWN_KIND, "is JSON; export it as JSON lines (.jsonl), one row a line, or as .csv"
    if suffix in _WORKBOOK_NAMES and head.strip() and b"\0" not in head:
        return FileCode.NO_WORKBOOK, f"is text, and no workbook; rename it to .csv, or {_SAVE}"
    return _by_name(suffix)


def _plain(head: bytes) -> bytes:
    """Return the beginning of a text without its byte order mark and, in UTF-16, without its zero bytes."""
    for mark in _MARKS:
        if head.startswith(mark):
            head = head[len(mark) :]
            return head.replace(b"\0", b"") if len(mark) == 2 else head
    return head
