"""What a person does about each code, in the three languages: one short sentence beside each message."""

from __future__ import annotations

from typing import Final

from connectors.mapping.message import LocalCode
from connectors.source.problem import ProblemCode
from hub.protocol.verdict import Code, Language

_ASK_HQ: Final[dict[Language, str]] = {
    "zh": "请联系总部。",
    "en": "Ask HQ.",
    "ru": "Обратитесь в штаб-квартиру.",
}
_TELL_SUPPORT: Final[dict[Language, str]] = {
    "zh": "这不是表格的问题：请把日志 cohub/connector.log 发给总部。",
    "en": "This is not the sheet's fault: send cohub/connector.log to HQ.",
    "ru": "Дело не в таблице: отправьте cohub/connector.log в штаб-квартиру.",
}
_NOTHING: Final[dict[Language, str]] = {"zh": "", "en": "", "ru": ""}

REMEDIES: Final[dict[str, dict[Language, str]]] = {
    Code.ACCEPTED: _NOTHING,
    Code.BAD_HEADERS: _TELL_SUPPORT,
    Code.BAD_KEY: _TELL_SUPPORT,
    Code.WRONG_CENTER: _TELL_SUPPORT,
    Code.NO_VALUE: _TELL_SUPPORT,
    Code.UNKNOWN_TYPE: _TELL_SUPPORT,
    Code.UNKNOWN_SCHEMA: _TELL_SUPPORT,
    Code.BAD_VALUE: _TELL_SUPPORT,
    Code.TOO_LARGE: {
        "zh": "请缩短该行中的长文本。",
        "en": "Shorten the long texts of this row.",
        "ru": "Сократите длинные тексты в этой строке.",
    },
    Code.TIME_IN_FUTURE: {
        "zh": "请改正日期：不能晚于今天。",
        "en": "Correct the date: it may not be later than today.",
        "ru": "Исправьте дату: она не может быть позже сегодняшней.",
    },
    Code.MISSING_FIELD: {
        "zh": "请填写该单元格。",
        "en": "Fill in this cell.",
        "ru": "Заполните эту ячейку.",
    },
    Code.BAD_FIELD: {
        "zh": "请按本列其他行的写法改正。",
        "en": "Correct the cell; see how other rows write it.",
        "ru": "Исправьте ячейку по образцу других строк.",
    },
    Code.TOO_LONG: {
        "zh": "请缩短文字至允许的长度。",
        "en": "Shorten the text to the length allowed.",
        "ru": "Сократите текст до допустимой длины.",
    },
    Code.OUT_OF_RANGE: {
        "zh": "请改为允许范围内的数值。",
        "en": "Enter a value within the limits.",
        "ru": "Введите значение в допустимых пределах.",
    },
    Code.UNKNOWN_CODE: {
        "zh": "请使用标准代码，或在映射文件的取值表中补充该写法。",
        "en": "Use a standard code, or add this spelling to the value table in the mapping.",
        "ru": "Используйте стандартный код или добавьте это написание в таблицу значений.",
    },
    Code.INCONSISTENT: {
        "zh": "请核对该行中相互有关的单元格(日期、金额与币种)。",
        "en": "Compare the cells that belong together (dates, amount and currency).",
        "ru": "Сверьте связанные ячейки (даты, сумму и валюту).",
    },
    Code.EXPORT_CONTROLLED: {
        "zh": "该技术不得发送；限制类技术须先填写许可证号。",
        "en": "This technology may not be sent; for a restricted one enter the licence number first.",
        "ru": "Эту технологию отправлять нельзя; для ограниченной сначала укажите номер лицензии.",
    },
    Code.UNKNOWN_ENTITY: {
        "zh": "请再次保存该行；如仍出现，请联系总部。",
        "en": "Change and save the row again; if it stays, ask HQ.",
        "ru": "Измените и сохраните строку ещё раз; если не поможет — обратитесь в штаб-квартиру.",
    },
    Code.ALREADY_EXISTS: {
        "zh": "请使用新编号，或联系总部。",
        "en": "Use a new number, or ask HQ.",
        "ru": "Используйте новый номер или обратитесь в штаб-квартиру.",
    },
    Code.ILLEGAL_TRANSITION: {
        "zh": "请核对状态一栏：该变更在当前状态下不允许。",
        "en": "Check the status column: this change is not possible now.",
        "ru": "Проверьте столбец статуса: такое изменение сейчас невозможно.",
    },
    Code.STREAM_NOT_ALLOWED: {
        "zh": "请向总部申请报送此类信息的权限。",
        "en": "Ask HQ to allow this center to report this kind of information.",
        "ru": "Попросите штаб-квартиру разрешить центру сообщать такие сведения.",
    },
    Code.UNKNOWN_CENTER: {
        "zh": "请核对对方中心的代号；如属实，请总部先登记该中心。",
        "en": "Check the other center's id; if it is right, ask HQ to register that center.",
        "ru": "Проверьте обозначение центра; если оно верно, попросите штаб-квартиру его зарегистрировать.",
    },
    Code.CODE_NOT_LISTED: {
        "zh": "请从总部现行代码表中选用代码。",
        "en": "Choose a code from HQ's current list.",
        "ru": "Выберите код из действующего списка штаб-квартиры.",
    },
    LocalCode.NO_KEY: {
        "zh": "请为该行填写唯一编号。",
        "en": "Give the row a number of its own.",
        "ru": "Присвойте строке собственный номер.",
    },
    LocalCode.DUPLICATE_KEY: {
        "zh": "请保留其中一行，或为另一行填写新编号。",
        "en": "Keep one of these rows, or give the other a new number.",
        "ru": "Оставьте одну из строк или присвойте другой новый номер.",
    },
    LocalCode.NOT_IN_TABLE: {
        "zh": "请使用本列约定的取值，或在映射文件的取值表中补充。",
        "en": "Use one of the agreed values, or add this one to the value table in the mapping.",
        "ru": "Используйте согласованное значение или добавьте его в таблицу значений.",
    },
    LocalCode.BAD_DATE: {
        "zh": "请填写真实日期，例如 2024-05-31。",
        "en": "Enter a real date such as 2024-05-31.",
        "ru": "Введите настоящую дату, например 31.05.2024.",
    },
    LocalCode.BAD_NUMBER: {
        "zh": "请只填写数字，不要写单位。",
        "en": "Enter only a number, without units.",
        "ru": "Введите только число, без единиц измерения.",
    },
    LocalCode.BAD_YES_NO: {
        "zh": "请填写“是”或“否”。",
        "en": "Enter yes or no.",
        "ru": "Введите «да» или «нет».",
    },
    LocalCode.NOT_ONE_VALUE: {
        "zh": "请只保留一个值。",
        "en": "Leave one value only.",
        "ru": "Оставьте одно значение.",
    },
    LocalCode.BAD_SHAPE: {
        "zh": "请检查导出设置，或修改映射文件中的路径。",
        "en": "Look at the export's settings, or change the path in the mapping.",
        "ru": "Проверьте настройки выгрузки или измените путь в файле соответствий.",
    },
    LocalCode.NO_PERSON: {
        "zh": "请填写识别该人的单元格，或清空其他联系人单元格。",
        "en": "Fill in the cell that tells who it is, or empty the others.",
        "ru": "Заполните ячейку, по которой видно, кто это, или очистите остальные.",
    },
    LocalCode.PERSON_ERASED: {
        "zh": "请从表中删除该人的信息。",
        "en": "Take this person out of the sheet.",
        "ru": "Удалите сведения об этом человеке из таблицы.",
    },
    LocalCode.PERSON_WAITS: {
        "zh": "无需处理：总部更新后会自动发送。",
        "en": "Nothing: it is sent when HQ has been updated.",
        "ru": "Ничего делать не нужно: отправится после обновления штаб-квартиры.",
    },
    ProblemCode.UNREADABLE_BYTES: {
        "zh": "请重新输入该单元格并保存。",
        "en": "Type the cell again and save.",
        "ru": "Введите текст ячейки заново и сохраните файл.",
    },
    ProblemCode.NUL_CHARACTER: {
        "zh": "请重新输入该行，或从备份恢复文件。",
        "en": "Type the row again, or restore the file from a copy.",
        "ru": "Введите строку заново или восстановите файл из копии.",
    },
    ProblemCode.RAGGED_ROW: {
        "zh": "请检查该行是否有多余或缺少的分隔符。",
        "en": "Look for a missing or extra separator in this row.",
        "ru": "Проверьте, нет ли в строке лишнего или пропущенного разделителя.",
    },
    ProblemCode.BROKEN_QUOTES: {
        "zh": "请补全或删除多余的引号。",
        "en": "Close the quotation mark, or remove it.",
        "ru": "Закройте кавычку или удалите её.",
    },
    ProblemCode.CELL_TOO_LONG: {
        "zh": "请缩短单元格内容。",
        "en": "Shorten the cell.",
        "ru": "Сократите содержимое ячейки.",
    },
    ProblemCode.ERROR_CELL: {
        "zh": "请修正公式，打开并重新保存文件。",
        "en": "Mend the formula, then open and save the file.",
        "ru": "Исправьте формулу, откройте и сохраните файл.",
    },
    ProblemCode.BROKEN_JSON: {
        "zh": "请重新导出该文件。",
        "en": "Export the file again.",
        "ru": "Экспортируйте файл заново.",
    },
}


def remedy(code: str, language: Language) -> str:
    """Return what to do about a code; for one we do not know, to ask HQ."""
    return REMEDIES.get(code, _ASK_HQ)[language]
