"""Texts that a spreadsheet shows in place of a value: `#REF!`, `#Н/Д`, `########`, `Err:502`, in any language."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_CHARS_MAX: Final = 60
# Excel's errors all begin with a number sign, and nearly all end in a mark: in every language the name between is one
# word in capitals. LibreOffice numbers its errors; hashes alone are a column that is too narrow.
_SHOUTED: Final = re.compile(r"#[¡¿]?(?P<name>\w[\w/'’. -]{0,30})[!?]")
_NUMBERED: Final = re.compile(
    r"(?:err|error|fehler|erreur|errore|erro|hata|xato|xəta|қате|ката|хато|ошибка|помилка|грешка|błąd|chyba|"
    r"错误|錯誤|エラー|오류|خطا|خطأ)\s?:\s?5[0-3]\d"
)
_NARROW: Final = re.compile(r"#{2,}")
_UNMARKED: Final = frozenset(
    {
        "#n/a", "#н/д", "#нд", "#nv", "#n/d", "#n/b", "#i/t", "#yok", "#hiányzik", "#není_k_dispozici", "#nedostupný",
        "#ne_postoji", "#unknown", "#getting_data", "#ожидание_данных", "#loading", "#loading...", "#error",
        "#err", "#value", "#ref", "#name", "#num", "#div/0", "#null", "#macro",
    }
)  # fmt: skip
# Every language of the network and its neighbours; what is not here is found if it is written in capitals.
_NAMES: Final = frozenset(
    {
        "null", "div/0", "value", "ref", "name", "num", "n/a", "n/d", "spill", "calc", "field", "blocked", "unknown",
        "connect", "busy", "external", "python", "timeout", "error", "macro", "getting_data", "err",
        "пусто", "дел/0", "діл/0", "знач", "ссылка", "посилання", "имя", "імя", "число", "н/д", "перенос", "вычисл",
        "поле", "заблокировано", "неизвестно", "соединение", "подключение", "занято",
        "溢出", "计算", "名称", "引用", "值", "スピル",
    }
)  # fmt: skip


# Inside a longer text only what nobody writes: a reference's error between others, or with more behind it.
_INSIDE: Final = re.compile(
    r"#(?:null|div/0|value|ref|name|num|spill|calc|пусто|дел/0|знач|ссылка|имя|число|перенос|вычисл)[!?]"
    r"|#(?:n/a|н/д)(?!\w)|(?<!#)#{4,}[.,]\d",
    re.IGNORECASE,
)


def has_error_text(text: str) -> bool:
    """Return whether a spreadsheet's error stands anywhere in a text with a number sign."""
    return "#" in text and _INSIDE.search(text) is not None


def is_error_text(text: str) -> bool:
    """Return whether a spreadsheet would show this text where a formula has no result.

    `#1` and `# п/п` are none; a hashtag shouted in one word, `#СТАРТ!`, is taken for one: a person must look at it.
    """
    if len(text) > _CHARS_MAX or ("#" not in text and "＃" not in text and "5" not in text and "５" not in text):
        return False
    plain = (
        (text if text.isascii() else unicodedata.normalize("NFKC", text)).strip().lstrip("='\"").rstrip("\"'").strip()
    )
    if not plain.startswith("#"):
        return _NUMBERED.fullmatch(plain.casefold()) is not None
    if _NARROW.fullmatch(plain) or plain.casefold() in _UNMARKED or plain.casefold().startswith("#n/a "):
        return True
    found = _SHOUTED.fullmatch(plain)
    if found is None:
        return False
    name = found["name"]
    return name.casefold().replace("'", "").replace("’", "") in _NAMES or (
        name == name.upper() and " " not in name and not name[0].isdigit()
    )
