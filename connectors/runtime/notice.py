"""What a person is told of a file as a whole, above the verdicts on its rows, in the three languages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.runtime.outbox.rows import FileState, FileSummary
from connectors.source.problem import FileCode
from hub.protocol.verdict import Language

NOTICE_HEADERS: Final[dict[Language, tuple[str, ...]]] = {
    "zh": ("文件", "状态", "说明", "处理办法"),
    "en": ("File", "State", "Message", "What to do"),
    "ru": ("Файл", "Состояние", "Пояснение", "Что делать"),
}
KEYS_MAX: Final = 20  # of vanished rows that are named
UNFIT: Final = "UNFIT"  # the file can be read, and is not what its mapping expects
ROWS_GONE: Final = "rows_gone"

_STATE_WORDS: Final[dict[str, dict[Language, str]]] = {
    FileState.REFUSED: {"zh": "未读取", "en": "not taken", "ru": "не принят"},
    FileState.TOO_LARGE: {"zh": "未读取", "en": "not taken", "ru": "не принят"},
    FileState.WAITING: {"zh": "等待确认", "en": "waits for approval", "ru": "ждёт подтверждения"},
    FileState.VANISHED: {"zh": "文件已不在", "en": "file is gone", "ru": "файла нет"},
    ROWS_GONE: {"zh": "有行消失", "en": "rows are gone", "ru": "строки исчезли"},
}
_OLD_VERDICTS: Final[dict[Language, str]] = {
    "zh": "下面是上次读取的结果。",
    "en": "What stands below is from the last time it was taken.",
    "ru": "Ниже — итоги последнего прочтения.",
}
# By code, or by state where there is none: what is the matter, and what to do.
_SAID: Final[dict[str, dict[Language, tuple[str, str]]]] = {
    UNFIT: {
        "zh": ("文件与映射文件不符：列缺失或没有表头", "请恢复表头中的列名，或请管理员修改 mappings 中的映射文件。"),
        "en": (
            "the file does not fit its mapping: a column or the header is missing",
            "Restore the column names of the header, or have the mapping in mappings/ changed.",
        ),
        "ru": (
            "файл не подходит к соответствию: нет столбца или заголовка",
            "Верните названия столбцов в заголовок или измените соответствие в mappings.",
        ),
    },
    FileCode.FILE_TOO_LARGE: {
        "zh": ("文件过大", "请把文件拆分成几个。"),
        "en": ("the file is too large", "Split it into several files."),
        "ru": ("файл слишком велик", "Разделите его на несколько файлов."),
    },
    FileCode.UNKNOWN_KIND: {
        "zh": ("无法识别文件类型", "请另存为 XLSX、CSV 或 JSONL。"),
        "en": ("this kind of file is not known", "Save it as XLSX, CSV or JSONL."),
        "ru": ("неизвестный вид файла", "Сохраните его как XLSX, CSV или JSONL."),
    },
    FileCode.NOT_TEXT: {
        "zh": ("文件的文字编码无法识别", "请另存为 XLSX，或“CSV UTF-8”。"),
        "en": ("the file's text can't be read in any encoding we know", "Save it as XLSX, or as CSV UTF-8."),
        "ru": ("кодировка файла не распознана", "Сохраните его как XLSX или «CSV UTF-8»."),
    },
    FileCode.ENCRYPTED: {
        "zh": ("文件有密码保护", "请去掉密码后保存。"),
        "en": ("the file is protected by a password", "Save it without the password."),
        "ru": ("файл защищён паролем", "Сохраните его без пароля."),
    },
    FileCode.OLD_WORKBOOK: {
        "zh": ("这是旧的 XLS 格式", "请另存为 XLSX。"),
        "en": ("this is the old XLS format", "Save it as XLSX."),
        "ru": ("это старый формат XLS", "Сохраните его как XLSX."),
    },
    FileCode.BROKEN_WORKBOOK: {
        "zh": ("工作簿已损坏", "请在 Excel 中打开并重新保存，或从备份恢复。"),
        "en": ("the workbook is damaged", "Open and save it in Excel, or restore it from a copy."),
        "ru": ("книга повреждена", "Откройте и сохраните её в Excel или восстановите из копии."),
    },
    FileCode.EXPANDS_TOO_MUCH: {
        "zh": ("文件解压后过大", "请删除空白的格式区域，或拆分文件。"),
        "en": ("the file is too large once unpacked", "Remove formatted but empty rows, or split the file."),
        "ru": ("распакованный файл слишком велик", "Удалите пустые оформленные строки или разделите файл."),
    },
    FileCode.NO_SUCH_SHEET: {
        "zh": ("没有映射文件指定的工作表", "请恢复工作表的名称。"),
        "en": ("the worksheet that the mapping names is not there", "Restore the worksheet's name."),
        "ru": ("нет листа, названного в соответствии", "Верните название листа."),
    },
    FileCode.NO_SUCH_ROW: {
        "zh": ("找不到表头行", "请恢复表头行。"),
        "en": ("the header row is not there", "Restore the header row."),
        "ru": ("нет строки заголовка", "Верните строку заголовка."),
    },
    FileCode.TOO_MANY_COLUMNS: {
        "zh": ("列数过多", "请删除多余的列。"),
        "en": ("the file has too many columns", "Delete the columns that are not used."),
        "ru": ("слишком много столбцов", "Удалите лишние столбцы."),
    },
    FileCode.TOO_MANY_PROBLEMS: {
        "zh": ("无法读取的行过多", "请检查文件的格式，然后重新导出。"),
        "en": ("too many rows can't be read", "Look at the file's form, and export it again."),
        "ru": ("слишком много нечитаемых строк", "Проверьте вид файла и экспортируйте его заново."),
    },
    FileState.REFUSED: {
        "zh": ("无法读取该文件", "请联系总部。"),
        "en": ("the file can't be taken", "Ask HQ."),
        "ru": ("файл не удаётся принять", "Обратитесь в штаб-квартиру."),
    },
    FileState.WAITING: {
        "zh": ("一次改动的行太多，尚未发送", "请检查文件；若无误，请运行 connector approve。"),
        "en": (
            "very much changed at once, and nothing of it was sent",
            "Look at the file; if it is right, run connector approve.",
        ),
        "ru": (
            "слишком много изменений сразу, ничего не отправлено",
            "Проверьте файл; если всё верно, выполните connector approve.",
        ),
    },
    FileState.VANISHED: {
        "zh": ("文件已不在，总部仍保留其各行，没有撤回", "请放回文件；要撤回，请在表中填写状态。"),
        "en": (
            "the file is gone; HQ still has its rows, and nothing was withdrawn",
            "Put the file back; to withdraw rows, say so in their status column.",
        ),
        "ru": (
            "файла нет; его строки остаются в штаб-квартире, ничего не отозвано",
            "Верните файл; чтобы отозвать строки, укажите это в их статусе.",
        ),
    },
    ROWS_GONE: {
        "zh": ("这些行已不在表中，总部仍保留，没有撤回", "请放回这些行；要撤回，请填写其状态。"),
        "en": (
            "these rows are no longer in the sheet; HQ still has them, and nothing was withdrawn",
            "Put the rows back; to withdraw them, say so in their status column.",
        ),
        "ru": (
            "этих строк больше нет в таблице; в штаб-квартире они остаются, ничего не отозвано",
            "Верните строки; чтобы отозвать их, укажите это в их статусе.",
        ),
    },
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One line about a file, as a person reads it."""

    file: str
    state: str
    said: str
    todo: str


def notices_for(summary: FileSummary, vanished: list[str], language: Language) -> list[Notice]:
    """Return what is to be said of a file as a whole; nothing, if all is well with it."""
    found = []
    if summary.state in _STATE_WORDS:
        said, todo = _SAID[summary.code if summary.code in _SAID else summary.state][language]
        detail = f" ({summary.message})" if summary.message and summary.state != FileState.VANISHED else ""
        text = f"{said}{detail}. {_OLD_VERDICTS[language]}"
        found.append(Notice(summary.name, _STATE_WORDS[summary.state][language], text, todo))
    if vanished and summary.state != FileState.VANISHED:
        said, todo = _SAID[ROWS_GONE][language]
        keys = ", ".join(vanished[:KEYS_MAX]) + (" …" if len(vanished) > KEYS_MAX else "")
        count = f" ({len(vanished)})" if len(vanished) > KEYS_MAX else ""
        found.append(Notice(summary.name, _STATE_WORDS[ROWS_GONE][language], f"{said}{count}: {keys}", todo))
    return found
