"""Names of encodings: what people, programs and IANA call them, and which of them an office may meet."""

from __future__ import annotations

import codecs
import re
from typing import Final

# By the name that we use, which is a codec's too; other names lead to it by Python's aliases and those below.
KNOWN: Final[tuple[str, ...]] = (
    "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "gb18030",
    "windows-1251", "kz1048", "ptcp154", "koi8-r", "koi8-u", "koi8-t", "cp866", "cp1125", "cp855", "mac-cyrillic",
    "iso8859-5", "windows-1250", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256",
    "windows-1257", "windows-1258", "iso8859-1", "iso8859-2", "iso8859-3", "iso8859-4", "iso8859-6", "iso8859-7",
    "iso8859-8", "iso8859-9", "iso8859-10", "iso8859-11", "iso8859-13", "iso8859-14", "iso8859-15", "iso8859-16",
    "mac-roman", "mac-turkish", "mac-latin2", "mac-greek", "cp437", "cp720", "cp737", "cp775", "cp850", "cp852",
    "cp857", "cp858", "cp864", "cp874", "big5", "big5hkscs", "cp950", "shift_jis", "cp932", "euc-jp", "euc-kr", "cp949",
)  # fmt: skip
_ALIASES: Final = {
    "ascii": "utf-8",
    "us-ascii": "utf-8",
    "cp65001": "utf-8",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "cp936": "gb18030",
    "cp54936": "gb18030",
    "euc-cn": "gb18030",
    "kz-1048": "kz1048",
    "strk1048-2002": "kz1048",
    "cp154": "ptcp154",
    "pt154": "ptcp154",
    "cyrillic-asian": "ptcp154",
    "dos-866": "cp866",
    "oem866": "cp866",
    "koi8": "koi8-r",
    "koi8-ru": "koi8-u",
    "macintosh": "mac-roman",
    "mac": "mac-roman",
    "x-mac-roman": "mac-roman",
    "maccyrillic": "mac-cyrillic",
    "macroman": "mac-roman",
    "macturkish": "mac-turkish",
    "cp10000": "mac-roman",
    "cp10007": "mac-cyrillic",
    "cp28591": "iso8859-1",
    "cp20866": "koi8-r",
    "cp21866": "koi8-u",
    "cp28595": "iso8859-5",
    "latin-1": "iso8859-1",
    "ms936": "gb18030",
    "ms949": "cp949",
    "sjis": "shift_jis",
    "windows-31j": "cp932",
    "uhc": "cp949",
    "tis-620": "iso8859-11",
}
_CODEPAGE: Final = re.compile(r"(?:windows|win|cp|ibm|dos|oem|ms|x-cp|codepage)?[- ]?(\d{3,5})")
_BY_CODEC: Final = {codecs.lookup(name).name: name for name in reversed(KNOWN)}


class UnknownEncoding(ValueError):
    """No encoding that we read has this name; the message lists those that can be named."""


def known_encoding(name: str) -> str:
    """Return our name of an encoding. Errors: UnknownEncoding."""
    plain = re.sub(r"[\s_]+", "-", name.strip().lower()).removeprefix("x-").removeprefix("cs")
    found = _ALIASES.get(plain)
    if found is None and (page := _CODEPAGE.fullmatch(plain)):
        plain = f"cp{page[1]}"
        found = _ALIASES.get(plain)
    found = found or _by_codec(plain)
    if found is None:
        raise UnknownEncoding(f"encoding {name!r} is not one of {', '.join(KNOWN)}")
    return found


def _by_codec(name: str) -> str | None:
    for spelled in (name, name.replace("-", "_"), name.replace("-", "")):
        try:
            codec = codecs.lookup(spelled)
        except (LookupError, ValueError):  # a name with a NUL is a ValueError
            continue
        if codec.name in _BY_CODEC:
            return _BY_CODEC[codec.name]
    return None
