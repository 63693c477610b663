"""Bytes as text: which encoding an office file is in, and its text with the unreadable places marked.

Whoever guesses an encoding wrong gets other letters, and nobody sees it. So an encoding is certain only where the text
that it gives is far likelier than every other text that the same bytes could be; encodings that give the same text
don't compete.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from connectors.source.charset import UnknownEncoding, known_encoding
from connectors.source.folding import fold_name
from connectors.source.plausible import plausibility
from connectors.source.problem import FileCode, FileRefused

# Stands for a byte that is no text. A lone surrogate cannot come out of a decoder, so no real text contains it.
MARK = "\udc80"
UNENCODABLE = re.compile("[\ud800-\udfff]")

_SAMPLE_BYTES = 256 * 1024
_HEAD_BYTES: Final = 64 * 1024
_WINDOWS: Final = 16  # looked at, evenly over the file: two files may have been appended to each other
_WINDOW_BYTES: Final = 4096
_CELLS_MAX: Final = 300  # that are weighed
_CELL_BYTES_MAX: Final = 400
_HALF_BYTES_MAX: Final = 3
_NAMED_BITS: Final = 30.0  # for an encoding under which the names that the mapping uses are there
_UNDEFINED: Final = -12.0
_CERTAIN_BITS: Final = 40.0  # two to this power to one
_LIKELY_BITS: Final = 6.0  # enough if another detector says the same
_TEXT_BITS_MIN: Final = 6.0  # what the text itself must be worth
_MIXED_CELLS: Final = 2
_MIXED_BITS: Final = 4.0  # a cell that is worth more is no other encoding's
_PROBES: Final = 24
_HOPELESS_BITS: Final = 80.0
_CANDIDATES: Final = (
    "windows-1251", "gb18030", "kz1048", "ptcp154", "koi8-r", "koi8-u", "koi8-t", "cp866", "cp1125", "cp855",
    "mac-cyrillic", "iso8859-5", "windows-1252", "windows-1250", "windows-1254", "windows-1256", "windows-1257",
    "iso8859-9", "cp857", "cp850", "mac-roman", "mac-turkish", "big5", "shift_jis", "euc-jp", "euc-kr",
)  # fmt: skip
_RARE_BITS: Final = 4.0  # the others are that much rarer to begin with
_COMMON: Final = frozenset(("windows-1251", "gb18030"))
# Certain only where every cell was weighed; of the others each has siblings that differ in a letter or two.
_RARER: Final = frozenset(("kz1048", "ptcp154", "koi8-r", "koi8-u", "koi8-t", "cp866", "mac-cyrillic", "windows-1256"))
_LATIN: Final = frozenset(
    ("windows-1252", "windows-1250", "windows-1254", "windows-1257", "iso8859-9", "cp857", "cp850")
)
_SHOWN_MAX: Final = 5
_FEW_CHARS: Final = 12
_SHOWN_BITS: Final = 60.0
_EXAMPLE_CHARS_MAX: Final = 40
_SEPARATORS: Final = re.compile(rb"[\r\n\t;,\"]+")
# Letters that no text in Cyrillic, Arabic or Chinese is without, in UTF-8; found by their last byte, which is rare in
# encodings that have a byte for a letter.
_UTF8_LETTERS: Final = [letter.encode() for letter in "оаеит\u0627\u0644\u0631\u06cc的一，、中国大法用"]
_UTF8_LETTER: Final = re.compile(
    b"[%b](?:(?<=%b)|(?<=%b))"
    % (
        b"".join({letter[-1:] for letter in _UTF8_LETTERS}),
        b"|".join(letter for letter in _UTF8_LETTERS if len(letter) == 2),
        b"|".join(letter for letter in _UTF8_LETTERS if len(letter) == 3),
    )
)
_LETTERS_LOOKED_AT: Final = 50
_UTF8_LETTERS_MIN: Final = 4  # two Chinese characters may be valid UTF-8 by chance


class Candidate(NamedTuple):
    """An encoding that the bytes may be in, and how a line of them reads then."""

    encoding: str
    example: str
    bits: float


def detect_encoding(data: bytes, names: Collection[str] = ()) -> tuple[str, bool]:
    """Return the encoding, and whether it is certain.

    Order: a byte order mark; NULs at every other place (UTF-16 without a mark); UTF-8, also with a few broken places;
    then the likeliest of those that an office may meet. The same bytes give the same answer.
    Shapes: names are the columns that a mapping uses: where they are read, the encoding is likelier.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return encoding, True
    sample = _sample(data)
    if wide := _wide_without_mark(sample):
        return wide, True
    text = sample.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    letters = sum(map(len, re.findall(r"[^\x00-\x7f]+", text))) - broken
    # One pasted row may be broken; text in another encoding has hardly a valid UTF-8 letter (Chinese: one in four).
    if letters >= broken:
        if broken == 0:
            return "utf-8", not _is_odd_utf8(text)
        if letters > 10 * broken:
            return "utf-8", True
    cells = _cells(data)
    ranked = _rank(cells, names)
    return ranked[0].encoding, _is_certain(data, cells, ranked)


_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _is_odd_utf8(text: str) -> bool:
    """Return whether the little that is not ASCII is a word in GB18030, and none in UTF-8, which it is by chance."""
    runs = re.findall(r"[^\x00-\x7f]+", text)
    if sum(map(len, runs)) > _FEW_CHARS:
        return False
    for run in runs:
        chinese = _decoded(run.encode(), "gb18030")
        if chinese is not None and len(run) > 1 and max(run) < "\u0800" and plausibility(chinese, "gb18030") > 2.0:
            alphabets = {unicodedata.name(letter, "?").partition(" ")[0] for letter in run}
            if len(alphabets) > 1 or plausibility(run, "utf-8") < -3.0:
                return True
    return False


class _Weighed(NamedTuple):
    encoding: str
    cells: tuple[str | None, ...]  # None where a cell has bytes that the encoding does not have
    weights: tuple[float, ...]
    bits: float


def rank_encodings(data: bytes, names: Collection[str] = ()) -> list[Candidate]:
    """Return the encodings that the bytes may be in, the likeliest first; of those that give the same text, one."""
    return [Candidate(found.encoding, _example(found.cells), found.bits) for found in _rank(_cells(data), names)]


def _rank(cells: list[bytes], names: Collection[str]) -> list[_Weighed]:
    """Return what the cells are in each encoding that is not out of the question after a few of them."""
    wanted = {fold_name(name) for name in names if not name.isascii()}
    probes = cells[:: max(len(cells) // _PROBES, 1)]
    probed = [(_weigh(probes, encoding, wanted).bits, encoding) for encoding in _CANDIDATES]
    least = max(probed)[0] - _HOPELESS_BITS
    found: list[_Weighed] = []
    seen: set[tuple[str | None, ...]] = set()
    for bits, encoding in probed:
        if bits >= least:
            weighed = _weigh(cells, encoding, wanted)
            if weighed.cells not in seen:
                seen.add(weighed.cells)
                found.append(weighed)
    return sorted(found, key=lambda one: -one.bits)


def _weigh(cells: list[bytes], encoding: str, wanted: set[str]) -> _Weighed:
    texts = tuple(_decoded(cell, encoding) for cell in cells)
    weights = tuple(_UNDEFINED if text is None else plausibility(text, encoding) for text in texts)
    bits = sum(weights) - (0.0 if encoding in _COMMON else _RARE_BITS)
    if wanted:
        there = {fold_name(text) for text in texts if text is not None}
        bits += _NAMED_BITS * len(wanted & there) / len(wanted)
    return _Weighed(encoding, texts, weights, bits)


def _decoded(cell: bytes, encoding: str) -> str | None:
    try:
        return cell.decode(encoding)
    except UnicodeDecodeError as exc:
        if len(cell) == _CELL_BYTES_MAX and 0 < exc.start >= len(cell) - _HALF_BYTES_MAX:
            return cell[: exc.start].decode(encoding)  # a long cell was cut inside its last character
        return None


def decode(data: bytes, encoding: str) -> tuple[str, bool]:
    """Return the text and whether every byte of it could be read; unreadable places hold `MARK`.

    A broken character never takes the delimiter or the line end behind it along.
    Errors: FileRefused(NOT_TEXT) if there are more unreadable places than characters.
    """
    if encoding in ("utf-16", "utf-32") and not data.startswith(tuple(mark for mark, _ in _MARKS)):
        encoding = _wide_without_mark(_sample(data)) or f"{encoding}-le"
    if encoding in ("utf-8", "utf-8-sig") and data.startswith(codecs.BOM_UTF8):
        encoding = "utf-8-sig"  # a mark that the mapping did not mention is still no part of the first name
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = _decode_marked(data, encoding)
    if text.isascii() or is_encodable(text):
        return text, True
    if 2 * len(UNENCODABLE.findall(text)) > len(text):
        raise FileRefused(
            FileCode.NOT_TEXT,
            f"expected text in {encoding}, most of the file is not; name its encoding in the mapping",
            encoding=encoding,
        )
    return text, False


def _decode_marked(data: bytes, encoding: str) -> str:
    if encoding.startswith(("utf-16", "utf-32")):
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


def is_encodable(text: str) -> bool:
    """Return whether a text can be written: no byte of it stands for what could not be read."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_certain(data: bytes, cells: list[bytes], ranked: list[_Weighed]) -> bool:
    best = ranked[0]
    if best.encoding not in _COMMON and (best.encoding not in _RARER or not _is_all(data, cells)):
        return False
    margin = best.bits - ranked[1].bits if len(ranked) > 1 else best.bits
    if sum(best.weights) < _TEXT_BITS_MIN or margin < _LIKELY_BITS or _is_mixed(cells, ranked[0]) or _has_utf8(data):
        return False
    return margin >= _CERTAIN_BITS or _is_voted(best)


def _is_all(data: bytes, cells: list[bytes]) -> bool:
    return len(data) <= _HEAD_BYTES and len(cells) < _CELLS_MAX // 2


def _is_mixed(cells: list[bytes], best: _Weighed) -> bool:
    """Return whether some cells are good text in another encoding only, as of two files appended to each other."""
    bad = [(cell, bits) for cell, bits in zip(cells, best.weights, strict=True) if bits < _MIXED_BITS]
    if len(bad) < _MIXED_CELLS:
        return False
    for encoding in _CANDIDATES:
        theirs = _weigh([cell for cell, _ in bad], encoding, set()).weights
        least = -4.0 if encoding in _LATIN else 4.0  # letters with accents have no shares to gain by
        if (
            sum(their > least and their > ours + 8.0 for their, (_, ours) in zip(theirs, bad, strict=True))
            >= _MIXED_CELLS
        ):
            return True
    return False


def _has_utf8(data: bytes) -> bool:
    """Return whether lines of a file in another encoding are in UTF-8."""
    looked_at: Counter[bytes] = Counter()
    for found in _UTF8_LETTER.finditer(data):
        place = found.start()
        letter = data[place - 1 : place + 1]
        looked_at[letter] += 1
        if looked_at[letter] > _LETTERS_LOOKED_AT:
            continue
        start = data.rfind(b"\n", max(place - _WINDOW_BYTES, 0), place) + 1
        end = data.find(b"\n", place, place + _WINDOW_BYTES)
        line = _decoded(data[start:end], "utf-8") if start and end >= 0 else None
        if line is not None and sum(not character.isascii() for character in line) >= _UTF8_LETTERS_MIN:
            return True
    return False


def _is_voted(best: _Weighed) -> bool:
    """Return whether a detector with other models than ours finds the same text."""
    import chardet  # noqa: PLC0415  its models take 30 MB and a fifth of a second, which only a doubt is worth

    text = b"\n".join(cell.encode(best.encoding) for cell in best.cells if cell is not None)
    said = chardet.detect(text)["encoding"]
    if said is None:
        return False
    try:
        return text.decode(known_encoding(said)) == text.decode(best.encoding)
    except (UnknownEncoding, UnicodeDecodeError):
        return False


def _cells(data: bytes) -> list[bytes]:
    """Return distinct cells with bytes beyond ASCII: from the beginning, from all over, and one with each such byte.

    A letter that tells two encodings apart may stand in one row of thousands.
    """
    head = data[:_HEAD_BYTES]
    step = max((len(data) - len(head)) // _WINDOWS, 1)
    windows = [data[start : start + _WINDOW_BYTES] for start in range(len(head), len(data), step)]
    found = dict.fromkeys(islice(_beyond_ascii(head, is_whole=len(head) == len(data)), _CELLS_MAX // 2))
    room = max((_CELLS_MAX - len(found)) // max(len(windows), 1), 1)
    for window in windows:
        found |= dict.fromkeys(islice(_beyond_ascii(window, is_whole=False), room))
    seen = set(b"".join(found))
    for value in range(0x80, 0x100):
        if value not in seen and (place := data.find(value)) >= 0:
            part = data[max(place - _CELL_BYTES_MAX, 0) : place + _CELL_BYTES_MAX]
            with_value = [cell for cell in _beyond_ascii(part, is_whole=len(part) == len(data)) if value in cell]
            found |= dict.fromkeys(with_value[:1])
    return list(found)


def _beyond_ascii(part: bytes, *, is_whole: bool) -> Iterator[bytes]:
    """Yield the cells that are not all ASCII; the first and the last may be halved where the part is not the whole."""
    cells = _SEPARATORS.split(part)
    for cell in cells if is_whole or len(cells) < 3 else cells[1:-1]:
        if not cell.isascii():
            yield cell.strip() if len(cell) <= _CELL_BYTES_MAX else _shortened(cell)


def _shortened(cell: bytes) -> bytes:
    """Return the beginning of a cell, cut at a space if there is one; a character may be halved otherwise."""
    cut = cell.rfind(b" ", 1, _CELL_BYTES_MAX)
    return cell[: cut if cut > 0 else _CELL_BYTES_MAX]


def _example(cells: Iterable[str | None]) -> str:
    """Return how a cell reads: the longest of those that fit a message."""
    fitting = [cell for cell in cells if cell is not None and len(cell) <= _EXAMPLE_CHARS_MAX]
    if fitting:
        return max(fitting, key=len)
    return next((cell[:_EXAMPLE_CHARS_MAX] for cell in cells if cell is not None), "")


def encoding_uncertain(data: bytes, names: Collection[str], *, has_persons: bool = False) -> FileRefused:
    """Return the refusal of a file whose text could be one or another; it says how each would read.

    Of a file with persons it names the encodings alone: any cell may be a person's, and what is said of a file is kept.
    """
    ranked = rank_encodings(data, names)
    shown = [one for one in ranked if one.bits >= ranked[0].bits - _SHOWN_BITS][:_SHOWN_MAX] or ranked[:1]
    told = "; ".join(one.encoding if has_persons else f"{one.encoding}: {one.example!r}" for one in shown)
    return FileRefused(
        FileCode.ENCODING_UNCERTAIN,
        f"the text reads in several encodings: {told}; name the right one in the mapping as format: {{encoding: ...}}",
        candidates=told,
    )


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


def _wide_without_mark(sample: bytes) -> str | None:
    """Return the UTF-16 or UTF-32 of a text without a mark (its delimiters and line ends have a NUL half), or None."""
    if b"\0" not in sample:
        return None
    for size, encodings in ((4, ("utf-32-le", "utf-32-be")), (2, ("utf-16-le", "utf-16-be"))):
        whole = sample[: len(sample) // size * size]
        for encoding in encodings:
            text = _decoded(whole, encoding)
            # A few stray NULs are damage in another encoding: there, ASCII does not come with a NUL each.
            if text and "\0" not in text and _is_written(text) and text.count("\n") == sample.count(b"\n"):
                return encoding
    return None


def _is_written(text: str) -> bool:
    """Return whether all characters are such as people write, and some are ASCII, as in every table."""
    if not any(character.isascii() for character in text):
        return False
    return all(
        character.isprintable() or character in "\r\n\t" or unicodedata.category(character) in ("Cf", "Zs")
        for character in text[:20_000]
    )
