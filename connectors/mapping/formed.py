"""Texts of fields with a form, as offices write them: what is certain is put into HQ's form, for the rest a person is
told which form that is.

HQ's rules stay what they are; what is done here changes nothing that a person would call another value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from pydantic import StringConstraints

from connectors.mapping.convert import Unfit, rules_of
from connectors.mapping.problem import LocalCode
from connectors.source.folding import visible
from hub.domain import fields
from hub.domain.exact_text import CONTROLS

Write = Callable[[str], str]
_LINE_END: Final = re.compile("[\t\n\r\x0b\x0c\x85\u2028\u2029]")
_TAB_OR_END: Final = re.compile("\t|\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_MEANINGLESS: Final = re.compile(
    "[\u00ad\u200b\u2060\ufeff]"
)  # joiners and directions stay: Persian is written with them
# Where U+0085 stands it ends a line, so it is none of these.
_MISREAD: Final = re.compile("[\x80-\x84\x86-\x9f]")
_BY_BYTES: Final = re.compile("\xe2\x80[\x90-\xa6\xb0-\xba]")  # U+2010–2026, 2030–203A
_WINDOWS: Final = bytes.fromhex("82 84 86 87 89 8b 91 92 93 94 95 96 97 99 9b")  # the same in 1250 to 1258
_WINDOWS_SIGNS: Final = str.maketrans(_WINDOWS.decode("latin-1"), _WINDOWS.decode("windows-1252"))
_HIDDEN: Final = re.compile(rf"(?!\n)[{CONTROLS}]")
_CHARS_MAX: Final = 256
_SCHEME: Final = re.compile(r"(https?)\s*:\s*//\s*(\S+)", re.IGNORECASE)
_HOST: Final = re.compile(r"(?:[^\W_](?:[\w-]*[^\W_])?\.)+([^\W\d_]{2,24}|xn--[\w-]+)(?::\d{1,5})?(?:[/?#]\S*)?")
# Ends of names of hosts, for an address without a scheme: `г.Ташкент` and `i.ivanov` are none.
_ENDS: Final = re.compile(
    r"[a-z]{2}|com|net|org|info|biz|edu|gov|int|mil|pro|name|mobi|asia|coop|museum|aero|jobs|travel|online|site|website|"
    r"shop|store|tech|technology|academy|university|institute|science|center|centre|company|group|agency|expert|systems|"
    r"solutions|services|engineering|energy|industries|global|world|cloud|digital|space|club|life|live|news|xyz|top|app|dev|"
    r"xn--[a-z0-9-]+|example|test|рф|рус|қаз|укр|бел|срб|мон|москва|онлайн|сайт|орг|ком|дети|中国|中國|公司|网络|香港|台湾",
    re.IGNORECASE,
)
_IPC_EDGES: Final = re.compile(
    r"^(?:(?:МПК|IPC|Int\.?\s?Cl\.?)[\s\d:.]*(?=[A-HА-Н]))|\s*[(\[]\d{4}\.\d{1,2}[)\]]\s*[A-Z]{0,2}$", re.IGNORECASE
)
_IPC: Final = re.compile(r"([A-H])\s?(\d{2})\s?([A-Z])(?:\s*(\d{1,4})\s?/\s?(\d{2,6}))?")
_IPC_LETTERS: Final = str.maketrans("АВСЕНавсен", "ABCEHabceh")  # typed with the other keyboard; no class has another
# The official apostrophes of Uzbek are letters of no block that HQ takes for Latin; its quotes look the same.
_APOSTROPHES: Final = str.maketrans({"\u02bb": "\u2018", "\u02bc": "\u2019", "\u02b9": "\u2019", "\u02bd": "\u2018"})


def formed(annotation: Any) -> Write | None:
    """Return what puts a text into the form of a field; None if the field has none but its length."""
    patterns = {rule.pattern for rule in rules_of(annotation) if isinstance(rule, StringConstraints)}
    return next((write for pattern, write in _BY_PATTERN.items() if pattern in patterns), None)


def one_line(text: str) -> str:
    """Return a text that stands in one line, as a person reads it: a line break in a cell is a space.

    Errors: Unfit(HIDDEN_SIGN).
    """
    if text.isprintable():
        return text
    parts = map(str.strip, _LINE_END.split(_MEANINGLESS.sub("", _read_again(text))))
    return _without_hidden(" ".join(filter(None, parts)), text)


def paragraphs(text: str) -> str:
    """Return a text that may have paragraphs: whatever ends a line in a cell is a line feed, and a tab is a space.

    Errors: Unfit(HIDDEN_SIGN).
    """
    if text.isprintable():
        return text
    plain = _TAB_OR_END.sub(lambda found: " " if found[0] == "\t" else "\n", _read_again(text))
    return _without_hidden(plain, text)


def _read_again(text: str) -> str:
    """Return a text with the quotes and dashes of Windows and of UTF-8 that some program has read byte by byte.

    What it left in their place are controls, which nobody writes; and each of those here is one sign alone, whichever
    of the Windows encodings it came from. All others stay.
    """
    if _MISREAD.search(text) is None:
        return text
    whole = _BY_BYTES.sub(lambda found: found[0].encode("latin-1").decode("utf-8"), text)
    return whole.translate(_WINDOWS_SIGNS)


def _without_hidden(plain: str, text: str) -> str:
    if found := _HIDDEN.search(plain):
        raise Unfit(LocalCode.HIDDEN_SIGN, text, sign=f"U+{ord(found[0]):04X}", at=found.start() + 1)
    return plain


def website(text: str) -> str:
    """Return an address with its scheme. A name of a host alone is an address, as browsers take it.

    Errors: Unfit(BAD_WEBSITE).
    """
    if re.fullmatch(_pattern(fields.Web), text):
        return text
    plain = visible(text[: 2 * _CHARS_MAX])
    if found := _SCHEME.fullmatch(plain):
        plain = f"{found[1].lower()}://{found[2]}"
    elif (host := _HOST.fullmatch(plain)) and (plain[:4].lower() == "www." or _ENDS.fullmatch(host[1])):
        plain = f"http://{plain}"
    return _fitting(plain, fields.Web, LocalCode.BAD_WEBSITE, text)


def patent_class(text: str) -> str:
    """Return a class of the IPC without its version, `G06F 17/30` for `G06F17/30 (2006.01)`; one that fits stays.

    Errors: Unfit(BAD_IPC).
    """
    if re.fullmatch(_pattern(fields.Ipc), text):
        return text
    plain = _IPC_EDGES.sub("", visible(text[: 2 * _CHARS_MAX])).strip().translate(_IPC_LETTERS).upper()
    if found := _IPC.fullmatch(plain):
        plain = f"{found[1]}{found[2]}{found[3]}" + (f" {found[4]}/{found[5]}" if found[4] else "")
    return _fitting(plain, fields.Ipc, LocalCode.BAD_IPC, text)


def latin(text: str) -> str:
    """Return a text in Latin letters, Uzbek apostrophes as the quotes that look the same.

    Errors: Unfit(NOT_LATIN), with the first letter that is none.
    """
    plain = one_line(text).translate(_APOSTROPHES)
    pattern = _pattern(fields.Latin)
    if re.fullmatch(pattern, plain) is None:
        odd = next((letter for letter in plain if re.fullmatch(pattern, letter) is None), "")
        raise Unfit(LocalCode.NOT_LATIN, text, letter=odd)
    return plain


def _fitting(plain: str, kind: Any, code: LocalCode, text: str) -> str:
    if len(plain) > _CHARS_MAX or re.fullmatch(_pattern(kind), plain) is None:
        raise Unfit(code, text)
    return plain


def _pattern(kind: Any) -> str:
    return next(str(one.pattern) for one in kind.__metadata__ if isinstance(one, StringConstraints))


_BY_PATTERN: Final[dict[str, Write]] = {
    _pattern(fields.Web): website,
    _pattern(fields.Ipc): patent_class,
    _pattern(fields.Latin): latin,
    _pattern(fields.Title): one_line,
    _pattern(fields.Description): paragraphs,
}
