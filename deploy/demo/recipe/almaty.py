"""Almaty: Russian sheets in windows-1251 with `;`, as an old Excel saves them; partners in UTF-8 with a mark."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

from recipe.network import ROR_KINDS, Network, russian_amount, russian_date
from recipe.phrases import DEAL_STARTS, NEEDS, PARTNERSHIPS, REQUEST_STARTS, STAGES, combination, pick
from recipe.sheets import Sheet

_REQUESTS = 420


def make(network: Network, folder: Path) -> list[Sheet]:
    """Write Almaty's files and return them with their fates."""
    return [
        _partners(network, folder),
        _requests(folder),
        russian_deals(network, folder, "kz"),
        _words(network, folder),
    ]


def _partners(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("partners.csv", ["Код", "Название", "Страна", "Вид", "LEI", "Дата соглашения"])
    for number, (name, country, kind) in enumerate(network.organisations("KZ", "MN"), 1):
        since = russian_date(dt.date(2021, 1, 11) + dt.timedelta(days=number * 13 % 1500)) if number % 3 else ""
        sheet.add([f"П-{number}", name, country, ROR_KINDS.get(kind, "institute"), "", since])
    for number, row in enumerate(network.companies("KZ", "MN", "RU"), 1):
        kind = "investor" if row["category"] == "FUND" else "enterprise"
        sheet.add([f"К-{number}", row["legal_name"], row["country"], kind, row["lei"], ""])
    sheet.blank()
    sheet.add(
        ["П-901", "Карагандинский завод горных машин", "KZ", "enterprise", "", "31.04.2024"], "refused", "BAD_DATE"
    )
    sheet.add(["П-902", "Алматинский бизнес-инкубатор", "Казахстан", "service_firm", "", ""], "refused", "UNKNOWN_CODE")
    sheet.write_csv(folder, "utf-8-sig")
    return sheet


def _requests(folder: Path) -> Sheet:
    header = ["№", "Тема", "Описание", "Область", "Рынок", "Партнёрство", "Стадия", "УГТ", "Бюджет", "Валюта", "Дата"]
    sheet = Sheet("zayavki.csv", [*header, "Состояние", "Причина"])
    for number in range(_REQUESTS):
        row = request_row(number)
        if number == 40:
            row[1] = f"{row[1]}: " + "с подробными требованиями к сырью, энергии и воде, " * 6
            sheet.add(row, "refused", "TOO_LONG")
        elif number == 90:
            row[8] = "по договорённости"
            sheet.add(row, "refused", "BAD_NUMBER")
        elif number == 140:
            row[7] = "12"
            sheet.add(row, "refused", "OUT_OF_RANGE")
        elif number == 190:
            row[9] = ""
            sheet.add(row, "refused", "INCONSISTENT")
        elif number in (240, 241):
            row[0] = "З-777"
            sheet.add(row, "refused", "DUPLICATE_KEY")
        elif number == 290:
            row[6] = "почти готово"
            sheet.add(row, "refused", "NOT_IN_TABLE")
        else:
            sheet.add(row)
    sheet.blank()
    sheet.add(request_row(7), "unchanged")
    # The byte 0x98 is no letter in windows-1251.
    line = "З-901;Насосы для ? скважин;;ENERGY;;;;;;;01.06.2025;действует;".encode("windows-1251").replace(
        b"?", b"\x98"
    )
    sheet.add(line, "refused", "UNREADABLE_BYTES")
    sheet.write_csv(folder, "windows-1251", ";")
    return sheet


def request_row(number: int) -> list[str]:
    """Return one request in Russian, as the sheet has it."""
    field, what, used = combination(number)
    published = dt.date(2025, 1, 13) + dt.timedelta(days=number * 17 % 600)
    withdrawn = number % 29 == 28
    description = " ".join(
        pick(NEEDS, number + step).format(n=5 + (number * 3 + step) % 80) for step in range(1 + number % 3)
    )
    has_budget = number % 4 != 3
    return [
        f"З-{number + 1}",
        f"{pick(REQUEST_STARTS, used + number // 3)} {what}" + (f", вариант {used + 1}" if used else ""),
        description,
        field.code,
        field.market,
        f"{pick(PARTNERSHIPS, number)}, {pick(PARTNERSHIPS, number + 1)}",
        pick(STAGES, number + 2),
        str(4 + number % 6),
        _budget(number) if has_budget else "",
        ("KZT", "USD", "RUB", "CNY")[number % 4] if has_budget else "",
        russian_date(published),
        "снято" if withdrawn else "действует",
        "Закупка состоялась" if withdrawn else "",
    ]


def _budget(number: int) -> str:
    return russian_amount(Decimal(150_000 + number * 7_919 % 900_000) / (1 if number % 3 else 8))


def russian_deals(network: Network, folder: Path, center: str) -> Sheet:
    """Write the deals of an office that works in Russian."""
    header = ["Номер", "Предмет", "Вид", "Оплата", "Сумма", "Валюта", "Другой центр", "Сообщено", "Подписан", "Закрыт"]
    sheet = Sheet("sdelki.csv", [*header, "Состояние", "Причина"])
    kinds = {
        "licence": "лицензия",
        "service": "услуги",
        "development": "разработка",
        "transfer": "передача прав",
        "consulting": "консультации",
        "joint_venture": "совместное предприятие",
        "equity": "доля в капитале",
    }
    payments = {
        "lump_sum_once": "единовременно",
        "lump_sum_instalments": "частями",
        "royalty": "роялти",
        "royalty_entry_fee": "роялти с начальным взносом",
    }
    statuses = {"opened": "открыт", "signed": "подписан", "closed": "закрыт", "terminated": "расторгнут"}
    for number, deal in enumerate(network.deals(center)):
        _, what, _ = combination(number * 13 + len(center) + ord(center[0]))
        sheet.add(
            [
                deal.number,
                f"{pick(DEAL_STARTS, number)} {what}",
                kinds[deal.kind],
                payments[deal.payment],
                russian_amount(deal.amount),
                deal.currency,
                deal.counterpart,
                russian_date(deal.reported_on),
                russian_date(deal.signed_on),
                russian_date(deal.closed_on),
                statuses[deal.status],
                "Стороны не согласовали гарантийные обязательства" if deal.status == "terminated" else "",
            ]
        )
    if center == "kz":
        cells = ["лицензия", "роялти", "12 500,00", "USD", "mn", "03.06.2025", "02.06.2025", "", "подписан", ""]
        sheet.add(["2025/901", "Лицензия на сушку шерсти", *cells], "rejected", "UNKNOWN_CENTER")
        cells = ["услуги", "частями", "8 000,00", "USD", "ir", "03.07.2025", "02.07.2025", "", "подписан", ""]
        sheet.add(["2025/902", "Наладка линии розлива", *cells], "rejected", "UNKNOWN_CENTER")
        cells = ["аренда", "частями", "8 000,00", "USD", "uz", "03.07.2025", "02.07.2025", "", "подписан", ""]
        sheet.add(["2025/903", "Аренда испытательного стенда", *cells], "refused", "NOT_IN_TABLE")
        cells = ["услуги", "частями", "восемь тысяч", "USD", "uz", "03.07.2025", "02.07.2025", "", "подписан", ""]
        sheet.add(["2025/904", "Обучение операторов", *cells], "refused", "BAD_NUMBER")
    sheet.write_csv(folder, "windows-1251", ";")
    return sheet


def _words(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("confirmations.xlsx", ["№", "Сделка", "Ответ", "Сумма", "Валюта", "Замечание"])
    for word in network.confirmations("kz"):
        note = "У нас в договоре другая сумма" if word.verdict == "disputed" else None
        answer = "подтверждаем" if word.verdict == "given" else "оспариваем"
        sheet.add([word.number, f"{word.deal_center}:D-{word.deal_number}", answer, word.amount, word.currency, note])
    sheet.add(["C-901", "mn:D-2025/001", "подтверждаем", 900, "USD", None], "rejected", "UNKNOWN_CENTER")
    sheet.write_xlsx(folder)
    return sheet
