"""The styles of a workbook: how each shows numbers, and what of a look may mean something to people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar
from xml.etree.ElementTree import Element, ParseError, XMLParser

from connectors.source.number_format import BUILT_IN, NumberFormat, read_format

_T = TypeVar("_T")
_NO_FORMAT: Final = "[unknown]"  # a format that a file names by a number of which every country makes its own
_PIECE_CHARS: Final = 1 << 16
_PLAIN_FONTS: Final = frozenset({"", "indexed=64", "indexed=8", "theme=1", "rgb=FF000000"})
_PLAIN_FILLS: Final = frozenset({"", "indexed=64", "indexed=9", "theme=0", "rgb=FFFFFFFF"})


@dataclass(frozen=True, slots=True)
class Styles:
    """What the styles of cells say; a cell names its style by the place in these.

    Shapes: colours has those styles alone that colour a cell: its ground, or its letters.
    """

    formats: tuple[NumberFormat, ...] = (read_format("General"),)
    struck: frozenset[int] = frozenset()
    colours: tuple[tuple[int, str], ...] = ()

    def format_of(self, style: int) -> NumberFormat:
        """Return how a style shows numbers."""
        return self.formats[style] if style < len(self.formats) else read_format(_NO_FORMAT)


def read_styles(text: str) -> Styles:
    """Return the styles that `styles.xml` says.

    Errors: ValueError if it is no XML, or has a document type, which no spreadsheet writes.
    """
    root = parse_xml(text)
    if root is None:
        return Styles()
    codes = dict(BUILT_IN)
    for found in _inside(root, "numFmts"):
        codes[_number(found, "numFmtId")] = found.get("formatCode", "")
    fonts = [(_is_struck(font), _colour(font, _PLAIN_FONTS)) for font in _inside(root, "fonts")]
    fills = [_fill(fill) for fill in _inside(root, "fills")]
    formats = []
    struck = set()
    colours = []
    for index, style in enumerate(_inside(root, "cellXfs")):
        formats.append(read_format(codes.get(_number(style, "numFmtId"), _NO_FORMAT)))
        is_struck, letters = _at(fonts, _number(style, "fontId"), (False, ""))
        ground = _at(fills, _number(style, "fillId"), "")
        if is_struck:
            struck.add(index)
        if letters or ground:
            colours.append((index, f"{ground}/{letters}"))
    return Styles(tuple(formats) or Styles().formats, frozenset(struck), tuple(colours))


def parse_xml(text: str) -> Element | None:
    """Return the root of a part that is read whole, None if it is empty.

    Errors: ValueError. Entities, which a document type alone can declare, never come to be unfolded.
    """
    if not text.strip():
        return None
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("a part has a document type")
    try:
        # In pieces: while one is parsed, nothing else of this process runs.
        parser = XMLParser()  # noqa: S314
        for at in range(0, len(text), _PIECE_CHARS):
            parser.feed(text[at : at + _PIECE_CHARS])
        root = parser.close()
    except ParseError as exc:
        raise ValueError(str(exc)) from exc
    return root


def local_name(element: Element) -> str:
    """Return an element's name without its namespace, of which there are two in use."""
    return element.tag.rpartition("}")[2]


def _inside(root: Element, name: str) -> Iterator[Element]:
    return (item for group in root if local_name(group) == name for item in group)


def _number(element: Element, name: str) -> int:
    text = element.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else 0


def _at(values: list[_T], index: int, default: _T) -> _T:
    return values[index] if index < len(values) else default


def _is_struck(font: Element) -> bool:
    return any(local_name(part) == "strike" and part.get("val", "1") not in ("0", "false") for part in font)


def _colour(parent: Element, plain: frozenset[str], name: str = "color") -> str:
    for part in parent:
        if local_name(part) == name:
            said = next((f"{kind}={part.get(kind)}" for kind in ("rgb", "theme", "indexed") if part.get(kind)), "")
            tint = part.get("tint", "")
            return "" if said in plain and not tint else f"{said}{tint}"
    return ""


def _fill(fill: Element) -> str:
    for pattern in fill:
        if local_name(pattern) == "patternFill":
            kind = pattern.get("patternType", "none")
            return "" if kind in ("none", "gray125") else _colour(pattern, _PLAIN_FILLS, "fgColor")
    return ""
