"""Bytes as text: which encoding an office file is in, and its text with the unreadable places marked."""

from __future__ import annotations

import codecs
import re

from connectors.source.problem import FileCode, FileRefused

# Stands for a byte that is no text. A lone surrogate cannot come out of a decoder, so no real text contains it.
MARK = "\udc80"
UNENCODABLE = re.compile("[\ud800-\udfff]")

_SAMPLE_BYTES = 256 * 1024
_HAN_COMMON = range(0xB0, 0xD8)  # GB2312 level 1: the 3,755 characters that make up nearly all of written Chinese
_HAN_RARE = range(0xD8, 0xF8)
_GB_SYMBOLS = (0xA1, 0xA3)  # Chinese punctuation; full-width letters and digits
_CYRILLIC_WORD = re.compile(
    "[\u0404\u0406\u0407\u040e\u0410-\u042f\u0401]?[\u0430-\u044f\u0451\u0454\u0456\u0457\u045e]+"
    "|[\u0404\u0406\u0407\u040e\u0410-\u042f\u0401]+"
)
_WORD = re.compile(r"[^\W\d_]+")
_QUIET = frozenset("\u00ab\u00bb\u2014\u2013\u2116\u2026\u201c\u201d\u201e\u00a0\u00b0\u00a7\u2019\u00b7")
_CERTAIN_SCORE = 0.6
_CERTAIN_MARGIN = 0.2


def detect_encoding(data: bytes) -> tuple[str, bool]:
    """Return the encoding, and whether it is certain enough to say nothing.

    Order: a byte order mark; NULs at every other place (UTF-16 without a mark); UTF-8, also with a few broken places;
    then whichever of GB18030 and windows-1251 makes the more plausible text. The same bytes give the same answer.
    """
    if data.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", True
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", True
    sample = _sample(data)
    if wide := _utf16_without_mark(sample):
        return wide, True
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    letters = sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - broken
    # One pasted row may be broken; text in another encoding has hardly a valid UTF-8 letter (Chinese: one in four).
    if letters >= broken:
        return "utf-8", broken == 0 or letters > 10 * broken
    han, cyrillic = _score_gb18030(sample), _score_windows1251(sample)
    best = max(han, cyrillic)
    certain = best >= _CERTAIN_SCORE and abs(han - cyrillic) >= _CERTAIN_MARGIN
    return ("gb18030" if han >= cyrillic else "windows-1251"), certain


def decode(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return the text and whether every byte of it could be read; unreadable places hold `MARK`.

    A broken character never takes the delimiter or the line end behind it along.
    Errors: FileRefused(NOT_TEXT) if there are more unreadable places than characters.
    """
    if encoding == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = _utf16_without_mark(_sample(data)) or "utf-16-le"
    if encoding in ("utf-8", "utf-8-sig") and data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"  # a mark that the mapping did not mention is still no part of the first name
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _decode_marked(data, encoding)
    if text.isascii() or _is_encodable(text):
        return text, True
    if 2 * len(UNENCODABLE.findall(text)) > len(text):
        raise FileRefused(
            FileCode.NOT_TEXT,
            f"expected text in {encoding}, most of the file is not; name its encoding in the mapping",
            encoding=encoding,
        )
    return text, False


def _decode_marked(data: bytes, encoding: str) -> str:
    if encoding.startswith("utf-16"):
        return data.decode(encoding, "replace").replace("\ufffd", MARK)
    # Line by line, so that a replacement character that was in the text all along is not taken for a broken place.
    # No encoding here has a line end inside a character.
    lines = data.removeprefix(codecs.BOM_UTF8).split(b"\n") if encoding == "utf-8-sig" else data.split(b"\n")
    return "\n".join(_decode_line(line, encoding.removesuffix("-sig")) for line in lines)


def _decode_line(line: bytes, encoding: str) -> str:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return line.decode(encoding, "replace").replace("\ufffd", MARK)


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _sample(data: bytes) -> bytes:
    """Return the lines with bytes above ASCII, up to a limit, or the beginning if there are none."""
    head = data[:_SAMPLE_BYTES]
    if len(data) <= _SAMPLE_BYTES:
        return head
    # Cut at a line end so that no character is halved; a UTF-16 cut must also keep pairs together.
    cut = head.rfind(b"\n")
    head = head[: cut + 1 if cut > 0 else len(head)]
    if not head.isascii():
        return head
    beyond = re.search(rb"[\x80-\xff]", data)
    if beyond is None:
        return head
    start = data.rfind(b"\n", 0, beyond.start()) + 1
    part = data[start : start + _SAMPLE_BYTES]
    cut = part.rfind(b"\n")
    return part[: cut + 1 if cut > 0 else len(part)]


def _utf16_without_mark(sample: bytes) -> str | None:
    """Return the UTF-16 byte order of mostly Latin text (its delimiters and digits have a NUL half), or None."""
    pairs = len(sample) // 2
    even, odd = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    # A few stray NULs are damage in another encoding: there, line ends do not come with a NUL.
    wide_ends = sample.count(b"\n\0" if odd > even else b"\0\n")
    if pairs < 2 or wide_ends < sample.count(b"\n"):
        return None
    if odd > pairs // 4 and odd > 10 * even:
        return "utf-16-le"
    if even > pairs // 4 and even > 10 * odd:
        return "utf-16-be"
    return None


def _score_gb18030(sample: bytes) -> float:
    """Return how plausible the bytes are as Chinese, 0 to 1: the share that common characters take."""
    index, size, common, rare, other = 0, len(sample), 0, 0, 0
    while index < size:
        lead = sample[index]
        if lead < 0x80:
            index += 1
            continue
        trail = sample[index + 1] if index + 1 < size else 0
        if trail < 0x30 or trail in (0x7F, 0xFF) or lead in (0x80, 0xFF) or 0x3A <= trail <= 0x3F:
            other += 3  # an impossible pair: an odd run of bytes, which Chinese never has and other text has all over
            index += 1
        elif trail <= 0x39:
            other += 1
            index += 4
        else:
            if trail >= 0xA1 and (lead in _HAN_COMMON or lead in _GB_SYMBOLS):
                common += 1
            elif trail >= 0xA1 and lead in _HAN_RARE:
                rare += 1
            else:
                other += 1
            index += 2
    total = common + rare + other
    return (common + 0.3 * rare) / total if total else 0.0


def _score_windows1251(sample: bytes) -> float:
    """Return how plausible the bytes are as Russian, 0 to 1: the share that well-formed words take."""
    text = sample.decode("windows-1251", "replace")
    total = len(re.findall(r"[^\x00-\x7f]", text))
    good = sum(character in _QUIET for character in text)
    for word in _WORD.findall(text):
        # Chinese bytes read as windows-1251 change case at random and mix alphabets inside a word.
        if _CYRILLIC_WORD.fullmatch(word):
            good += len(word)
    return good / total if total else 0.0
