"""Sheets written from known values, as offices and their programs write them: the writing half of a round trip.

What a sheet was made from is known, so that whatever is read from it can be held against that.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final

from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from openpyxl import Workbook

# The network, its neighbours, the rest of the world: whatever their programs write, no other value comes of it.
LOCALES: Final = (
    "en_US", "en_GB", "en_IN", "en_ZA", "ru_RU", "ru_KZ", "zh_CN", "zh_TW", "uz_Latn_UZ", "uz_Cyrl_UZ",
    "kk_KZ", "tg_TJ", "ky_KG", "tk_TM", "az_Latn_AZ", "ur_PK", "hi_IN", "fa_IR", "ar_EG", "ar_SA", "ps_AF",
    "mn_MN", "ka_GE", "hy_AM", "uk_UA", "be_BY", "tr_TR", "de_DE", "de_CH", "de_AT", "fr_FR", "fr_CH",
    "es_ES", "pt_BR", "it_IT", "pl_PL", "cs_CZ", "hu_HU", "fi_FI", "sv_SE", "lt_LT", "bg_BG", "hr_HR",
    "sr_Cyrl_RS", "el_GR", "he_IL", "ja_JP", "ko_KR", "th_TH", "vi_VN", "id_ID", "bn_BD", "my_MM", "ne_NP",
    "mr_IN", "nl_NL", "da_DK", "nb_NO", "sq_AL", "am_ET", "so_SO",
)  # fmt: skip
_DIGITS: Final = {
    "arabic": str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩"),
    "persian": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"),
    "wide": str.maketrans("0123456789.,-", "０１２３４５６７８９．，－"),
    "devanagari": str.maketrans("0123456789", "०१२३४५६७८९"),
}
_UNITS: Final = tuple(
    (word, Decimal(factor))
    for word, factor in (("万", "10000"), ("тыс.", "1000"), ("млн", "1000000"), ("lakh", "100000"), ("%", "0.01"))
)
_SIGNS: Final = {"USD": "$", "RUB": "₽", "CNY": "¥", "PKR": "Rs.", "UZS": "сум", "KZT": "₸", "EUR": "€"}


@dataclass(slots=True)
class Known:
    """What one row was made from; the currency is that of the sign beside the amount, if there is one."""

    amount: Decimal
    currency: str
    signed_on: dt.date
    occurred_at: dt.datetime


@dataclass(slots=True)
class Sheet:
    """One file, its mapping, and what each of its rows was made from."""

    name: str
    data: bytes
    mapping: str
    known: dict[int, Known]


class Pen:
    """How one sheet's columns are written: one convention for each, whatever the others have."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.locale = random.choice(LOCALES)
        self.currency = random.choice(list(_SIGNS))
        self.digits = random.choice([None, None, None, None, None, *_DIGITS])
        self.decimals = random.choice((0, 0, 1, 2, 2, 3, 4, None))
        self.mark, self.group = random.choice(
            [(".", ""), (".", ","), (".", " "), (".", "'"), (".", "_"), (".", "in"), (",", ""), (",", "."), (",", " "),
             (",", "\u00a0"), (",", "\u202f"), (",", "\u2019")]
        )  # fmt: skip
        self.number = random.choice(("marks", "marks", "marks", "locale", "currency", "sign", "unit"))
        self.meant = random.choice([self.currency, random.choice(list(_SIGNS))])
        self.sign = random.choice([_SIGNS[self.meant], self.meant])
        self.unit: str
        self.factor: Decimal
        self.unit, self.factor = random.choice(_UNITS)
        self.says_factor = random.random() < 0.5
        self.has_unit_in_header = random.random() < 0.5
        self.day = random.choice(
            ("iso", "y/m/d", "d.m.y", "d/m/y", "m/d/y", "d-m-y", "m-d-y", "compact", "zh", "locale", "two")
        )
        self.width = random.choice(("short", "medium", "long", "full"))
        self.clock = random.choice(("24", "12", "none", "offset", "z", "locale"))
        self.offset = dt.timezone(dt.timedelta(hours=random.choice((0, 3, 5, 8, -5))))

    def written_number(self, value: Decimal) -> str:
        if self.number == "locale":
            return str(format_decimal(value, format="#,##0.####", locale=self.locale, numbering_system="default"))
        if self.number == "currency":
            return str(format_currency(value, self.currency, locale=self.locale, numbering_system="default"))
        if self.number == "unit":
            value /= self.factor
        whole, _, fraction = f"{value:f}".partition(".")
        if self.group == "in":
            head, tail = whole[:-3], whole[-3:]
            pairs = []
            while head:
                pairs.append(head[-2:])
                head = head[:-2]
            whole = ",".join([*reversed(pairs), tail])
        elif self.group:
            whole = f"{int(whole):,}".replace(",", self.group)
        text = whole + (self.mark + fraction if fraction else "")
        if self.digits:
            text = text.translate(_DIGITS[self.digits])
        if self.number == "sign":
            text = self.random.choice((f"{self.sign}{text}", f"{text} {self.sign}", f"{self.sign} {text}"))
        elif self.number == "unit" and not self.has_unit_in_header:
            text = f"{text} {self.unit}"
        return text

    def written_day(self, day: dt.date) -> str:
        y, m, d = day.year, day.month, day.day
        padded = self.random.random() < 0.8
        mm, dd = (f"{m:02}", f"{d:02}") if padded else (str(m), str(d))
        match self.day:
            case "iso":
                text = day.isoformat()
            case "y/m/d":
                text = f"{y}/{mm}/{dd}"
            case "compact":
                text = f"{y}{m:02}{d:02}"
            case "zh":
                text = f"{y}年{m}月{d}日"
            case "two":
                text = f"{dd}.{mm}.{y % 100:02}"
            case "locale":
                return str(format_date(day, format=self.width, locale=self.locale))
            case form:
                mark = form[1]
                text = mark.join({"d": dd, "m": mm, "y": str(y)}[part] for part in form.split(mark))
        return text.translate(_DIGITS[self.digits]) if self.digits and self.digits != "wide" else text

    def written_moment(self, moment: dt.datetime) -> tuple[str, dt.datetime]:
        """Return a moment's text and what it says: a bare day is its midnight."""
        match self.clock:
            case "none":
                return self.written_day(moment.date()), moment.replace(hour=0, minute=0)
            case "12":
                text = f"{self.written_day(moment.date())} {moment:%I:%M} {'PM' if moment.hour >= 12 else 'AM'}"
            case "offset":
                local = moment.replace(tzinfo=self.offset)
                return f"{self.written_day(moment.date())} {local:%H:%M:%S%z}", local
            case "z":
                return f"{moment:%Y-%m-%dT%H:%M:%SZ}", moment.replace(tzinfo=dt.UTC)
            case "locale":
                return str(
                    format_datetime(moment, format=self.width if self.width != "full" else "long", locale=self.locale)
                ), (moment.replace(tzinfo=dt.UTC) if self.width in ("long", "full") else moment)
            case _:
                text = f"{self.written_day(moment.date())} {moment:%H:%M}"
        return text, moment


class Office:
    """One sheet with three columns to be read, each written by a pen of its own, and two that nobody maps."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.amounts, self.days, self.moments = Pen(random), Pen(random), Pen(random)
        self.kind = random.choice(("csv", "csv", "xlsx", "jsonl"))
        self.zone = random.choice((None, "+05:00", "-03:00"))
        self.encoding = random.choice(("utf-8", "utf-8", "utf-16", "gb18030"))
        self.delimiter = random.choice((",", ";", "\t", "|"))
        self.amount_name = "Amount"
        if self.amounts.number == "unit" and self.amounts.has_unit_in_header:
            self.amount_name += f", {self.amounts.unit}"

    def row(self, number: int) -> tuple[Known, list[Any]]:
        """Return what a row is made from, and its cells."""
        amount, written = self._amount()
        day = dt.date(2000, 1, 1) + dt.timedelta(days=self.random.randint(0, 14_000))
        moment = dt.datetime.combine(day, dt.time(self.random.randint(0, 23), self.random.randint(0, 59)))
        text, said = self.moments.written_moment(moment)
        if said.tzinfo is None:
            said = said.replace(tzinfo=dt.timezone(dt.timedelta(hours=int((self.zone or "+00:00")[:3]))))
        is_signed = self.amounts.number == "sign" and isinstance(written, str)
        currency = self.amounts.meant if is_signed else self.amounts.currency
        others = (
            self.random.choice(("1,5", "1.5", "1,234", "31.12.2024", "")),
            self.random.choice(("12/31/2024", "7,25")),
        )
        known = Known(amount, currency, day, said.astimezone(dt.UTC))
        return known, [f"K-{number}", written, self.days.written_day(day), text, *others]

    def _amount(self) -> tuple[Decimal, Any]:
        pen, random = self.amounts, self.random
        decimals = random.randint(0, 4) if pen.decimals is None else pen.decimals
        amount = Decimal(random.randint(0, 10 ** random.randint(1, 9))).scaleb(-decimals)
        if random.random() < 0.3:
            amount = Decimal(random.randint(1, 99) * 500)
        if pen.number == "currency":  # some have no hundredths, and their format would round them away
            amount = Decimal(int(amount) * 100 + random.randint(0, 99)) / 100
        if pen.number == "unit":
            amount *= 10_000
        elif self.kind != "csv" and random.random() < 0.3:
            return amount, amount
        return amount, pen.written_number(amount)

    def mapping(self) -> str:
        """Return a mapping, which says how some of the columns are written."""
        key = "path" if self.kind == "jsonl" else "column"
        amount = {key: f'"{self.amount_name}"' if self.kind == "jsonl" else self.amount_name}
        if self.random.random() < 0.4 and self.amounts.number in ("marks", "sign", "unit"):
            amount["decimal"] = self.amounts.mark
        if self.amounts.number == "unit" and self.amounts.says_factor:
            amount["factor"] = str(self.amounts.factor)
        is_dated = self.moments.clock not in ("z", "locale")
        form = {"encoding": self.encoding} | ({} if self.kind == "jsonl" else {"delimiter": self.delimiter})
        mapping: dict[str, Any] = {
            "files": "a.*",
            "stream": "deal",
            "key": [{key: "No"}],
            "fields": {
                "title": {"value": "x"},
                "language": {"value": "en"},
                "kind": {"value": "licence"},
                "amount": amount,
                "currency": {"value": self.amounts.currency},
                "signed_on": {key: "Signed"} | self._said_of(self.days),
            },
            "status": {"value": "signed"},
            "occurred_at": {key: "When"} | (self._said_of(self.moments) if is_dated else {}),
            "format": form,
        }
        return json.dumps(mapping | ({"utc_offset": self.zone} if self.zone else {}), ensure_ascii=False)

    def _said_of(self, pen: Pen) -> dict[str, str]:
        order = "".join(part for part in pen.day if part in "dmy")
        if pen.day == "two":
            return {"year_pivot": "50"} | ({"date_order": "dmy"} if self.random.random() < 0.7 else {})
        return {"date_order": order} if order in ("dmy", "mdy") and self.random.random() < 0.4 else {}

    def data(self, rows: list[list[Any]]) -> bytes:
        """Return the file."""
        header = ["No", self.amount_name, "Signed", "When", "Other", "Paid"]
        if self.kind == "csv":
            text = io.StringIO()
            csv.writer(text, delimiter=self.delimiter).writerows([header, *rows])
            return text.getvalue().encode(self.encoding)
        if self.kind == "xlsx":
            book, file = Workbook(), io.BytesIO()
            assert book.active is not None
            for row in [header, *rows]:
                book.active.append(row)
            book.save(file)
            return file.getvalue()
        plain = [[float(cell) if isinstance(cell, Decimal) else cell for cell in row] for row in rows]
        lines = [json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in plain]
        return "\n".join(lines).encode(self.encoding)


def make_sheet(seed: int) -> Sheet:
    """Return the sheet of a seed: a few rows or two dozen, as CSV, XLSX or JSON lines."""
    office = Office(seed)
    first = 1 if office.kind == "jsonl" else 2
    made = [office.row(number) for number in range(office.random.choice((1, 2, 3, 24)))]
    known = {number: one for number, (one, _) in enumerate(made, first)}
    return Sheet(f"a.{office.kind}", office.data([row for _, row in made]), office.mapping(), known)
