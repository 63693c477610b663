"""Dushanbe: Russian offers in windows-1251; it writes requests too, though HQ has not allowed it that stream."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from recipe.almaty import request_row, russian_deals
from recipe.network import ROR_KINDS, Network, russian_amount, russian_date
from recipe.phrases import BENEFITS, IP_STATUSES, OFFER_STARTS, PARTNERSHIPS, STAGES, TRIALS, combination, pick
from recipe.sheets import Sheet

_OFFERS = 460


def make(network: Network, folder: Path) -> list[Sheet]:
    """Write Dushanbe's files and return them with their fates."""
    made = [_partners(network, folder), _offers(folder), _requests(folder)]
    return [*made, russian_deals(network, folder, "tj"), _words(network, folder)]


def _partners(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("partners.csv", ["Номер", "Организация", "Страна", "Вид", "LEI"])
    for number, (name, country, kind) in enumerate(network.organisations("TJ"), 1):
        sheet.add([number, name, country, ROR_KINDS.get(kind, "institute"), ""])
    for number, row in enumerate(network.companies("TJ", "AM", "GE", "AZ"), 101):
        kind = "investor" if row["category"] == "FUND" else "enterprise"
        sheet.add([number, row["legal_name"], row["country"], kind, row["lei"]])
    # A year in the number's place, saved twice with different names: which one is meant, only the office knows.
    sheet.add([2024, "Худжандский консервный комбинат", "TJ", "enterprise", ""], "refused", "DUPLICATE_KEY")
    sheet.add([2024, "Бохтарская ткацкая фабрика", "TJ", "enterprise", ""], "refused", "DUPLICATE_KEY")
    sheet.write_csv(folder, "utf-8")
    return sheet


def _offers(folder: Path) -> Sheet:
    header = ["№", "Наименование", "Краткое описание", "Преимущества", "Область", "МПК", "Стадия", "УГТ", "Права"]
    header += ["Сотрудничество", "Экспортный контроль", "Лицензия", "Опубликовано", "Действует до", "Состояние"]
    sheet = Sheet("predlozheniya.csv", [*header, "Причина", "Дата снятия"])
    planted = {30: "EXPORT_CONTROLLED", 60: "EXPORT_CONTROLLED", 95: "EXPORT_CONTROLLED", 130: "CODE_NOT_LISTED"}
    planted |= {165: "CODE_NOT_LISTED", 200: "INCONSISTENT", 235: "BAD_DATE", 270: "MISSING_FIELD", 305: "BAD_IPC"}
    planted |= {340: "NOT_IN_TABLE", 375: "OUT_OF_RANGE"}
    for number in range(_OFFERS):
        row = _offer(number)
        code = planted.get(number, "")
        _break(row, code, number)
        state = "accepted" if not code else "rejected" if code == "CODE_NOT_LISTED" else "refused"
        sheet.add(row, state, code)
        if number % 150 == 149:
            sheet.blank()
    sheet.add(_offer(3), "unchanged")
    sheet.write_csv(folder, "windows-1251", ";")
    return sheet


def _offer(number: int) -> list[str]:
    field, what, used = combination(number * 3 + 1)
    published = dt.date(2025, 2, 3) + dt.timedelta(days=number * 19 % 540)
    withdrawn = number % 31 == 30
    restricted = number % 47 == 46
    return [
        f"Т-{number + 1:04}",
        f"{pick(OFFER_STARTS, number + used)} {what}" + (f", модель {used + 1}" if used else ""),
        f"{pick(BENEFITS, number).format(n=10 + number * 7 % 35)} {pick(TRIALS, number * 3 + used)}",
        pick(BENEFITS, number + 1 + used).format(n=12 + number * 5 % 30),
        field.code if number % 3 else f"{field.code}, PROCESS",
        field.ipc,
        pick(STAGES, number),
        str(1 + number % 9),
        pick(IP_STATUSES, number + used),
        f"{pick(PARTNERSHIPS, number)}, {pick(PARTNERSHIPS, number + 2)}",
        "ограничено" if restricted else "свободно",
        f"ЭК-{1000 + number}" if restricted else "",
        russian_date(published),
        russian_date(published + dt.timedelta(days=365)),
        "отозвано" if withdrawn else "опубликовано",
        "Разработчик передал права" if withdrawn else "",
        russian_date(published + dt.timedelta(days=40)) if withdrawn else "",
    ]


def _break(row: list[str], code: str, number: int) -> None:
    """Make the mistake in a row that `code` names."""
    match code:
        case "EXPORT_CONTROLLED":
            row[10], row[11] = ("запрещено", "ЭК-1") if number == 95 else ("ограничено", "")
        case "CODE_NOT_LISTED":
            row[4] = "COLD-FUSION"  # no such code in HQ's list; only HQ knows its list
        case "INCONSISTENT":
            row[13] = russian_date(dt.date(2020, 1, 1))
        case "BAD_DATE":
            row[12] = "31.02.2026"
        case "MISSING_FIELD":
            row[1] = ""
        case "BAD_IPC":
            row[5] = "Сельское хозяйство"
        case "NOT_IN_TABLE":
            row[8] = "оформляем"
        case "OUT_OF_RANGE":
            row[7] = "0"


def _requests(folder: Path) -> Sheet:
    header = ["№", "Тема", "Описание", "Область", "Дата"]
    sheet = Sheet("zayavki.csv", header)
    for number in range(500, 506):
        row = request_row(number)
        sheet.add([row[0], row[1], row[2], row[3], row[10]], "rejected", "STREAM_NOT_ALLOWED")
    sheet.write_csv(folder, "windows-1251", ";")
    return sheet


def _words(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("podtverzhdeniya.csv", ["№", "Центр", "Сделка", "Ответ", "Сумма", "Валюта"])
    for word in network.confirmations("tj"):
        answer = "да" if word.verdict == "given" else "нет"
        cells = [word.number, word.deal_center, word.deal_number, answer, russian_amount(word.amount), word.currency]
        sheet.add(cells)
    sheet.add(["C-901", "kz", "2024/001", "может быть", "1,00", "USD"], "refused", "NOT_IN_TABLE")
    sheet.write_csv(folder, "windows-1251", ";")
    return sheet
