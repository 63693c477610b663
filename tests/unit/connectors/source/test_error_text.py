"""Promises of error texts: every spreadsheet's are known, in any language, and nothing that people write is one."""

from __future__ import annotations

import pytest

from connectors.source.error_text import is_error_text

ERRORS = [
    "#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!",
    "#BLOCKED!", "#GETTING_DATA", "#BUSY!", "#ERROR!", "#ССЫЛКА!", "#Н/Д", "#ИМЯ?", "#ЗНАЧ!", "#ДЕЛ/0!", "#ПУСТО!",
    "#ЧИСЛО!", "#ПЕРЕНОС!", "#ВЫЧИСЛ!", "#ПОЛЕ!", "#ДІЛ/0!", "#ПОСИЛАННЯ!", "#溢出!", "#计算!", "#スピル!", "#WERT!",
    "#BEZUG!", "#NV", "#ZAHL!", "#ÜBERLAUF!", "#VALEUR!", "#NOM?", "#NOMBRE!", "#¡VALOR!", "#¿NOMBRE?", "#¡DIV/0!",
    "#N/D", "#RIF!", "#NOME?", "#NÚM!", "#DEĞER!", "#SAYI/0!", "#BAŞV!", "#AD?", "#YOK", "#SAYI!", "#BOŞ!",
    "#ARG!", "#ADR!", "#DZIEL/0!", "#N/D!", "#LICZBA!", "#NAZWA?", "#HODNOTA!", "#ODKAZ!", "#DĚLENÍ_NULOU!",
    "#ÉRTÉK!", "#HIV!", "#HIÁNYZIK", "#ZÉRÓOSZTÓ!", "#REFERENS!", "#SAKNAS!", "#VÆRDI!", "#I/T", "#N/B",
    "#WAARDE!", "#VERW!", "#ARVO!", "########", "###", "Err:502", "Err:508", "Ошибка:502", "错误:502", "Fehler:502",
    "#MACRO?", "#n/a", "#ref!", "＃REF！", "#DIV/0！", '="#N/A"', "=#REF!",
]  # fmt: skip


@pytest.mark.parametrize("text", [*ERRORS, "#N/A Requesting Data...", " #REF! ", "Err: 504", "#IM'Я?"])
def test_error_text_is_known(text: str) -> None:
    """What a formula without a result shows is no value."""
    assert is_error_text(text)


@pytest.mark.parametrize(
    "text",
    ["", "#", "#1", "# п/п", "C#", "№ 5", "#hashtag", "#Solar pump!", "12:500", "Err", "5!", "#5!",
     "Err:502 in the log", "see #REF! below", "REF!", "F#", "#Насос", "Ура!", "#" + "A" * 200 + "!"],
)  # fmt: skip
def test_what_people_write_is_no_error(text: str) -> None:
    """A number sign alone makes no error."""
    assert not is_error_text(text)
