"""The closed list of verdicts, each with its message in zh, en and ru.

A verdict is final. ACCEPTED is not listed in a receipt; every other code is. Adding a code is a protocol change:
schemas/PROTOCOL.md lists them, and a connector that does not know one shows the code itself.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, get_args

Language = Literal["zh", "en", "ru"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)


class Code(StrEnum):
    """What HQ decided about one event."""

    ACCEPTED = "ACCEPTED"
    # The record itself
    BAD_HEADERS = "BAD_HEADERS"
    BAD_KEY = "BAD_KEY"
    WRONG_CENTER = "WRONG_CENTER"
    NO_VALUE = "NO_VALUE"
    TOO_LARGE = "TOO_LARGE"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    UNKNOWN_SCHEMA = "UNKNOWN_SCHEMA"
    BAD_VALUE = "BAD_VALUE"
    TIME_IN_FUTURE = "TIME_IN_FUTURE"
    # The field rules
    MISSING_FIELD = "MISSING_FIELD"
    BAD_FIELD = "BAD_FIELD"
    TOO_LONG = "TOO_LONG"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNKNOWN_CODE = "UNKNOWN_CODE"
    INCONSISTENT = "INCONSISTENT"
    EXPORT_CONTROLLED = "EXPORT_CONTROLLED"
    # The entity's life
    UNKNOWN_ENTITY = "UNKNOWN_ENTITY"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    # The network's rules, as HQ's own lane has them
    STREAM_NOT_ALLOWED = "STREAM_NOT_ALLOWED"
    UNKNOWN_CENTER = "UNKNOWN_CENTER"
    CODE_NOT_LISTED = "CODE_NOT_LISTED"


MESSAGES: Final[dict[Code, dict[Language, str]]] = {
    Code.ACCEPTED: {"zh": "已接受", "en": "accepted", "ru": "принято"},
    Code.BAD_HEADERS: {
        "zh": "记录头不符合协议",
        "en": "the record's headers break the protocol",
        "ru": "заголовки записи не соответствуют протоколу",
    },
    Code.BAD_KEY: {
        "zh": "记录键与实体编号不一致",
        "en": "the record's key is not the entity's id",
        "ru": "ключ записи не совпадает с идентификатором объекта",
    },
    Code.WRONG_CENTER: {
        "zh": "该实体属于另一个中心",
        "en": "the entity belongs to another center",
        "ru": "объект принадлежит другому центру",
    },
    Code.NO_VALUE: {"zh": "事件没有内容", "en": "the event has no content", "ru": "событие без содержимого"},
    Code.TOO_LARGE: {
        "zh": "事件超过 256 KiB",
        "en": "the event is larger than 256 KiB",
        "ru": "событие больше 256 КиБ",
    },
    Code.UNKNOWN_TYPE: {"zh": "未知的事件类型", "en": "unknown event type", "ru": "неизвестный тип события"},
    Code.UNKNOWN_SCHEMA: {
        "zh": "总部尚未公布该数据模式",
        "en": "HQ has not announced this schema",
        "ru": "эта схема не объявлена штаб-квартирой",
    },
    Code.BAD_VALUE: {
        "zh": "内容无法按其模式解码",
        "en": "the content does not decode under its schema",
        "ru": "содержимое не читается по своей схеме",
    },
    Code.TIME_IN_FUTURE: {
        "zh": "发生时间晚于总部时间 24 小时以上",
        "en": "it is said to happen more than 24 hours ahead of HQ's clock",
        "ru": "указанное время опережает часы штаб-квартиры более чем на 24 часа",
    },
    Code.MISSING_FIELD: {"zh": "缺少必填项", "en": "a required value is missing", "ru": "нет обязательного значения"},
    Code.BAD_FIELD: {"zh": "该项的值无效", "en": "the value is not valid here", "ru": "недопустимое значение"},
    Code.TOO_LONG: {"zh": "文字过长", "en": "the text is too long", "ru": "слишком длинный текст"},
    Code.OUT_OF_RANGE: {
        "zh": "数值超出允许范围",
        "en": "the value is out of range",
        "ru": "значение вне допустимых пределов",
    },
    Code.UNKNOWN_CODE: {
        "zh": "不是标准代码",
        "en": "not a code of the standard list",
        "ru": "такого кода нет в стандартном списке",
    },
    Code.INCONSISTENT: {
        "zh": "各项之间互相矛盾",
        "en": "the values contradict each other",
        "ru": "значения противоречат друг другу",
    },
    Code.EXPORT_CONTROLLED: {
        "zh": "受出口管制，不得发送",
        "en": "export control forbids sending this",
        "ru": "отправка запрещена экспортным контролем",
    },
    Code.UNKNOWN_ENTITY: {
        "zh": "总部没有该编号的记录",
        "en": "HQ has nothing under this id",
        "ru": "у штаб-квартиры нет записи с таким идентификатором",
    },
    Code.ALREADY_EXISTS: {
        "zh": "该编号已存在",
        "en": "this id exists already",
        "ru": "такой идентификатор уже существует",
    },
    Code.ILLEGAL_TRANSITION: {
        "zh": "当前状态下不允许该事件",
        "en": "not possible in the present status",
        "ru": "невозможно в текущем статусе",
    },
    Code.STREAM_NOT_ALLOWED: {
        "zh": "总部未授权本中心报送此类事件",
        "en": "HQ has not allowed this center to report such events",
        "ru": "штаб-квартира не разрешила центру сообщать такие события",
    },
    Code.UNKNOWN_CENTER: {
        "zh": "网络中没有该中心",
        "en": "there is no such center in the network",
        "ru": "в сети нет такого центра",
    },
    Code.CODE_NOT_LISTED: {
        "zh": "总部现行代码表中没有该代码",
        "en": "the code is not in HQ's current list",
        "ru": "кода нет в действующем списке штаб-квартиры",
    },
}


def message(code: Code, language: Language) -> str:
    """Return the sentence that tells a person what `code` means."""
    return MESSAGES[code][language]
