"""What the connector itself finds wrong with a row, in the three languages. HQ's codes have theirs in hub.protocol."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from connectors.source.problem import ProblemCode
from hub.protocol.verdict import MESSAGES as VERDICTS
from hub.protocol.verdict import Code, Language


class LocalCode(StrEnum):
    """Why the connector refuses a row that could be read; a closed set beside HQ's and the source's."""

    NO_KEY = "NO_KEY"
    DUPLICATE_KEY = "DUPLICATE_KEY"
    NOT_IN_TABLE = "NOT_IN_TABLE"
    BAD_DATE = "BAD_DATE"
    BAD_NUMBER = "BAD_NUMBER"
    BAD_YES_NO = "BAD_YES_NO"
    NOT_ONE_VALUE = "NOT_ONE_VALUE"
    BAD_SHAPE = "BAD_SHAPE"
    NO_PERSON = "NO_PERSON"
    PERSON_ERASED = "PERSON_ERASED"  # a remark: the row is sent without them
    PERSON_WAITS = "PERSON_WAITS"  # a remark: the row is sent without them


MESSAGES: Final[dict[str, dict[Language, str]]] = {
    LocalCode.NO_KEY: {
        "zh": "缺少编号(关键列为空)",
        "en": "the row has no number of its own (a key column is empty)",
        "ru": "у строки нет номера (пустой ключевой столбец)",
    },
    LocalCode.DUPLICATE_KEY: {
        "zh": "同一编号出现在内容不同的多行中",
        "en": "several rows with different contents have this number",
        "ru": "один номер у нескольких строк с разным содержанием",
    },
    LocalCode.NOT_IN_TABLE: {
        "zh": "该值不在允许的取值中",
        "en": "this value is not one of those agreed on",
        "ru": "такого значения нет среди согласованных",
    },
    LocalCode.BAD_DATE: {"zh": "不是有效日期", "en": "not a date", "ru": "это не дата"},
    LocalCode.BAD_NUMBER: {"zh": "不是有效数字", "en": "not a number", "ru": "это не число"},
    LocalCode.BAD_YES_NO: {"zh": "应填“是”或“否”", "en": "expected yes or no", "ru": "ожидалось «да» или «нет»"},
    LocalCode.NOT_ONE_VALUE: {
        "zh": "此处应为单个值",
        "en": "expected one value here, not a list or a group",
        "ru": "здесь ожидается одно значение, а не список",
    },
    LocalCode.BAD_SHAPE: {
        "zh": "该行的结构与映射文件不符",
        "en": "the line is not built as the mapping expects",
        "ru": "строение строки не такое, как ожидает файл соответствий",
    },
    LocalCode.NO_PERSON: {
        "zh": "有联系人信息，但缺少识别该人的内容",
        "en": "it says something of a person, and not who that is",
        "ru": "есть сведения о человеке, но не указано, о ком",
    },
    LocalCode.PERSON_ERASED: {
        "zh": "该人的信息已删除，不再发送；本行其余内容照常发送",
        "en": "this person was erased and is not sent any more; the rest of the row is",
        "ru": "данные этого человека удалены и больше не отправляются; остальная строка отправлена",
    },
    LocalCode.PERSON_WAITS: {
        "zh": "总部的版本尚不能接收联系人；本行其余内容照常发送",
        "en": "HQ's release can't take persons yet; the rest of the row is sent",
        "ru": "версия штаб-квартиры пока не принимает сведения о людях; остальная строка отправлена",
    },
    ProblemCode.UNREADABLE_BYTES: {
        "zh": "有无法识别的字符",
        "en": "characters that cannot be read in the file's encoding",
        "ru": "символы, которые не читаются в кодировке файла",
    },
    ProblemCode.NUL_CHARACTER: {
        "zh": "含有空字符，文件可能已损坏",
        "en": "a NUL character: the file may be damaged",
        "ru": "нулевой символ: файл, возможно, повреждён",
    },
    ProblemCode.RAGGED_ROW: {
        "zh": "单元格数与表头不符",
        "en": "more or fewer cells than the header has",
        "ru": "число ячеек не совпадает с заголовком",
    },
    ProblemCode.BROKEN_QUOTES: {
        "zh": "引号未成对",
        "en": "a quotation mark that is never closed, or in the wrong place",
        "ru": "незакрытая или лишняя кавычка",
    },
    ProblemCode.CELL_TOO_LONG: {
        "zh": "单元格内容过长",
        "en": "a cell is longer than the connector reads",
        "ru": "ячейка длиннее допустимого",
    },
    ProblemCode.ERROR_CELL: {
        "zh": "公式出错或没有结果",
        "en": "a formula that shows an error, or has no stored result",
        "ru": "формула с ошибкой или без сохранённого результата",
    },
    ProblemCode.BROKEN_JSON: {
        "zh": "不是有效的 JSON",
        "en": "the line is not valid JSON",
        "ru": "строка не является JSON",
    },
}


def message(code: str, language: Language) -> str:
    """Return the sentence for a code of HQ's, the source's or the connector's; the code itself if it is unknown."""
    found = MESSAGES.get(code)
    if found is None and code in VERDICTS:
        found = VERDICTS[Code(code)]
    return found[language] if found else code
