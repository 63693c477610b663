"""Promises of columns of numbers and dates: decided by their own cells or by the mapping, and never guessed."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import Workbook

from connectors.mapping import LocalCode, outcomes, read_mapping
from connectors.mapping.compiled import compile_mapping
from connectors.source import Row, read_table
from connectors.source.table import Format
from hub.protocol.errors import UsageError

MAPPING = """
files: "*"
stream: deal
key: No
fields:
  title: {value: x}
  language: {value: en}
  kind: {value: licence}
  amount: {column: AMOUNT}
  currency: {column: Currency, default: USD, optional: true}
  signed_on: {column: Signed}
status: {value: signed}
"""


def read(
    amounts: list[str] | str = "5",
    *,
    signed: list[str] | str = "2024-03-31",
    currency: str = "",
    name: str = "Amount",
    settings: str = "",
    date_settings: str = "",
    more: str = "",
) -> list[Any]:
    """Return, by row, the amount and the day if the row is taken, else its codes."""
    amounts = [amounts] if isinstance(amounts, str) else amounts
    signed = [signed] * len(amounts) if isinstance(signed, str) else signed
    amounts = amounts * len(signed) if len(amounts) == 1 else amounts
    text = io.StringIO()
    rows = [[f"K{i}", *cells, currency] for i, cells in enumerate(zip(amounts, signed, strict=True))]
    csv.writer(text).writerows([["No", name, "Signed", "Currency"], *rows])
    mapping = MAPPING.replace("{column: AMOUNT}", f'{{column: "{name}"{settings}}}') + more
    mapping = mapping.replace("{column: Signed}", f"{{column: Signed{date_settings}}}")
    found = read_mapping(mapping, "deals.yaml")
    options = found.format_options().model_copy(update={"encoding": "utf-8"})
    table = read_table("a.csv", text.getvalue().encode(), options)
    return [
        [problem.code for problem in outcome.problems]
        if outcome.wanted is None
        else (outcome.wanted.record["amount"], outcome.wanted.record["signed_on"])
        for outcome in outcomes(found, table, "uz")
    ]


def amount(*cells: str, **said: Any) -> list[Any]:
    return [str(row[0]) if isinstance(row, tuple) else row for row in read(list(cells), **said)]


def day(*cells: str, **said: Any) -> list[Any]:
    return [str(row[1]) if isinstance(row, tuple) else row for row in read(signed=list(cells), **said)]


OPEN_NUMBER = [LocalCode.AMBIGUOUS_NUMBER]
OPEN_DATE = [LocalCode.AMBIGUOUS_DATE]


def test_number_that_can_be_read_two_ways_is_refused_unless_its_column_tells() -> None:
    """A thousand or a bit more than one: the column's other cells tell, or nobody does."""
    assert amount("1,500", "12,750") == [OPEN_NUMBER, OPEN_NUMBER]
    assert amount("1,500", "7.50") == ["1500", "7.50"]
    assert amount("1,500", "7,50") == ["1.500", "7.50"]
    assert amount("1,500", "1,234,567") == ["1500", "1234567"]
    assert amount("1,500", "0,125") == ["1.500", "0.125"]
    assert amount("1,500", "5", "none") == [OPEN_NUMBER, "5", [LocalCode.BAD_NUMBER]]


def test_numbers_that_contradict_each_other_stand_by_themselves() -> None:
    """Two hands wrote the column: what is certain is read, what is open is refused."""
    assert amount("7.50", "7,25", "1,500") == ["7.50", "7.25", OPEN_NUMBER]


def test_every_row_has_a_say_however_far_down() -> None:
    """The telling cell may be the last of many thousand."""
    assert amount(*["1,500"] * 20_000, "7.50")[:1] == ["1500"]


def test_an_answer_wins_and_a_cell_against_it_is_refused() -> None:
    """What the mapping says is never overruled by cells; the source's own word goes before that of the format."""
    assert amount("1,500", "7,50", settings=', decimal: "."') == ["1500", [LocalCode.BAD_NUMBER]]
    assert amount("1,500", more='format: {decimal: ","}\n') == ["1.500"]
    assert amount("1,500", settings=', decimal: "."', more='format: {decimal: ","}\n') == ["1500"]
    assert amount("\u0661\u066c\u0662\u0663\u0664\u066b\u0665", settings=', decimal: "."') == ["1234.5"]


def test_readings_of_an_open_cell_are_named() -> None:
    """The person sees both values, and which setting decides."""
    mapping = read_mapping(MAPPING.replace("AMOUNT", "Amount"), "m")
    table = read_table("a.csv", b'No,Amount,Signed,Currency\n1,"1,500",03/04/2024,\n')
    (outcome,) = outcomes(mapping, table, "uz")
    assert [problem.params for problem in outcome.problems] == [
        "value=1,500 readings=1.500 / 1500",
        "value=03/04/2024 readings=2024-03-04 / 2024-04-03",
    ]


def test_date_that_can_be_read_two_ways_is_refused_unless_its_column_tells() -> None:
    """Only dates with the same marks between their parts tell of each other."""
    assert day("03/04/2024", "05/06/2024") == [OPEN_DATE, OPEN_DATE]
    assert day("03/04/2024", "31/05/2024") == ["2024-04-03", "2024-05-31"]
    assert day("03/04/2024", "05/31/2024") == ["2024-03-04", "2024-05-31"]
    assert day("03/04/2024", "31.05.2024") == [OPEN_DATE, "2024-05-31"]
    assert day("03.04.2024", "04/04/2024") == ["2024-04-03", "2024-04-04"]
    assert day("03/04/2024", "31/05/2024", "05/31/2024") == [OPEN_DATE, "2024-05-31", "2024-05-31"]
    assert day("03/04/2024", date_settings=", date_order: mdy") == ["2024-03-04"]
    assert day("31/05/2024", date_settings=", date_order: mdy") == [[LocalCode.BAD_DATE]]
    assert day("03/04/2024", more="format: {date_order: dmy}\n") == ["2024-04-03"]


def test_columns_say_nothing_of_each_other() -> None:
    """Days do not vote on amounts, nor amounts on days, nor what happened when on what was signed."""
    rows = read(["1,500"], signed="31.05.2024", more="occurred_at: {column: Signed}\n")
    assert rows == [[LocalCode.AMBIGUOUS_NUMBER]]


def test_unit_needs_a_factor() -> None:
    """A column in ten thousands is never read ten thousand times too small."""
    assert amount("12.5", name="合同金额（万元）", currency="CNY") == [[LocalCode.UNIT_IN_NUMBER]]
    assert amount("12.5", name="合同金额（万元）", currency="CNY", settings=", factor: 10000") == ["125000"]
    assert amount("12.5", name="Сумма, тыс. руб.", currency="RUB") == [[LocalCode.UNIT_IN_NUMBER]]
    assert amount("12.5", name="Amount (USD thousands)", settings=", factor: 1000") == ["12500"]
    assert amount("12.5", name="Amount (USD thousands)", settings=", factor: 1") == ["12.5"]
    assert amount("12.5 万", "12.5", settings=", factor: 10000") == ["125000", "125000"]
    assert amount("12.5 тыс.", settings=", factor: 10000") == [[LocalCode.UNIT_IN_NUMBER]]
    assert amount("12.5 lakh", "5") == [[LocalCode.UNIT_IN_NUMBER], "5"]
    assert amount("5%", settings=", factor: 0.01") == ["0.05"]


@pytest.mark.parametrize(
    "name",
    [
        "金额(万元)", "金额 （单位：万元）", "金额/亿元", "金额万元", "Сумма, млн", "Сумма (тысяч рублей)",
        "Amount, '000 USD", "Amount in thousands", "Amount_mln", "Summa, ming so'm", "Сумма/млрд сум",
        "Amount (lakhs)", "Rs. crore", "Доля, %",
    ],
)  # fmt: skip
def test_unit_in_a_header_is_seen(name: str) -> None:
    """However a header says that it counts in something."""
    assert LocalCode.UNIT_IN_NUMBER in amount("5", name=name)[0]


@pytest.mark.parametrize(
    "name", ["Сумма", "Amount", "Total", "合同金额", "Sum", "Миллер", "Top", "金额", "K", "Percentile"]
)
def test_header_without_a_unit_is_none(name: str) -> None:
    """No unit is made up."""
    assert amount("5", name=name) == ["5"]


def test_currency_beside_a_number_has_to_be_that_of_the_row() -> None:
    """The sign is dropped where it agrees, and the row refused where it does not, or where nothing is mapped."""
    assert amount("$1 234.50", "USD 5", "5 usd") == ["1234.50", "5", "5"]
    assert amount("5 ₽", "5 руб.", "€5") == [[LocalCode.OTHER_CURRENCY]] * 3
    assert amount("¥1234", currency="CNY") == amount("¥1234", currency="JPY") == ["1234"]
    assert amount("¥1234", currency="USD") == [[LocalCode.OTHER_CURRENCY]]
    assert amount("Rs. 5,000.00", currency="PKR") == amount("Rs. 5,000.00", currency="INR") == ["5000.00"]
    assert amount("5", name="Сумма, руб.") == [[LocalCode.OTHER_CURRENCY]]
    assert amount("5", "5 USD", name="Сумма, руб.", currency="RUB") == ["5", [LocalCode.OTHER_CURRENCY]]
    no_currency = MAPPING.replace("  currency: {column: Currency, default: USD, optional: true}\n", "").replace(
        "AMOUNT", "Amount"
    )
    mapping = read_mapping(no_currency, "m")
    (outcome,) = outcomes(mapping, read_table("a.csv", b"No,Amount,Signed,x\n1,$5,2024-03-31,\n"), "uz")
    assert LocalCode.OTHER_CURRENCY in [problem.code for problem in outcome.problems]


def test_unread_currency_is_said_once() -> None:
    """A currency cell that is wrong itself makes no second complaint."""
    table = read_table("a.csv", b"No,Amount,Signed,Currency\n1,$5,2024-03-31,#REF!\n")
    (outcome,) = outcomes(read_mapping(MAPPING.replace("AMOUNT", "Amount"), "m"), table, "uz")
    assert [problem.column for problem in outcome.problems] == ["Currency"]


def test_decimals_beyond_the_field_need_rounding() -> None:
    """Digits are dropped only where the mapping says so, and then as people round: a half away from zero."""
    assert amount("1.00005") == [[LocalCode.TOO_MANY_DECIMALS]]
    assert amount("1.0000500") == [[LocalCode.TOO_MANY_DECIMALS]]
    assert amount("1.500000") == ["1.500000"]
    assert amount("1.005", "2.675", settings=', round: 2, decimal: "."') == ["1.01", "2.68"]
    assert amount("12.34567", settings=", factor: 1000, round: 0") == ["12346"]


def test_whole_number_is_read_under_the_mark_that_leaves_it_whole() -> None:
    """In a field that counts, 1.234 is no fraction; 1.000 may still be one or a thousand."""
    text = """
files: "*"
stream: partner
key: No
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {value: UZ}
  founded_year: {column: Founded}
"""
    mapping = read_mapping(text, "m")
    assert mapping.stream == "partner"
    cells = ["1.998", "1,998", "1 998", "1998,5", "5 руб.", "1998"]
    table = read_table(
        "a.jsonl", "\n".join(f'{{"No": "{i}", "Name": "x", "Founded": "{c}"}}' for i, c in enumerate(cells)).encode()
    )
    found = [
        outcome.wanted.record["founded_year"] if outcome.wanted else [problem.code for problem in outcome.problems]
        for outcome in outcomes(mapping, table, "uz")
    ]
    assert found == [1998, 1998, 1998, [LocalCode.TOO_MANY_DECIMALS], [LocalCode.BAD_NUMBER], 1998]
    (one,) = outcomes(mapping, read_table("a.jsonl", b'{"No": "1", "Name": "x", "Founded": "2.000"}'), "uz")
    assert [problem.code for problem in one.problems] == [LocalCode.AMBIGUOUS_NUMBER]


def test_time_of_day_changes_no_day_and_an_offset_may() -> None:
    """The day is the one that is written; where it is another one at the office, the mapping decides."""
    assert day("01.03.2024 14:07:11", "2024-03-01T00:00:00Z", "2024-03-01 23:59:59") == ["2024-03-01"] * 3
    assert day("2024-02-29T19:00:00Z") == [[LocalCode.DAY_BY_ZONE]]
    offset = 'utc_offset: "+05:00"\n'
    assert day("2024-02-29T18:59:00Z", more=offset) == ["2024-02-29"]
    assert day("2024-02-29T19:00:00Z", more=offset) == [[LocalCode.DAY_BY_ZONE]]
    assert day("2024-02-29T19:00:00Z", more=offset, date_settings=", time: local") == ["2024-03-01"]
    assert day("2024-02-29T19:00:00Z", date_settings=", time: drop") == ["2024-02-29"]
    assert day("2024-03-01T00:00:00Z", more='utc_offset: "-05:00"\n') == [[LocalCode.DAY_BY_ZONE]]
    assert day("2024-03-01T23:59:59.9") == [[LocalCode.BAD_DATE]]


def test_short_year_needs_a_pivot() -> None:
    """And then it is still open which two digits are the year."""
    assert day("31.12.24") == [[LocalCode.SHORT_YEAR]]
    assert day("01.03.24", date_settings=", year_pivot: 50") == [OPEN_DATE]
    assert day("01.03.24", "01.03.99", date_settings=", year_pivot: 50, date_order: dmy") == [
        "2024-03-01",
        "1999-03-01",
    ]
    assert day("01/03/24", more="format: {year_pivot: 50, date_order: mdy}\n") == ["2024-01-03"]


def test_typed_cells_need_no_convention_and_give_no_evidence() -> None:
    """What a workbook keeps as a number or a day is one; a number is no day, and a small day was a number."""
    mapping = read_mapping(MAPPING.replace("AMOUNT", "Amount"), "m")
    reader = compile_mapping(mapping, "uz", Format(kind="xlsx"))
    cells: list[tuple[Any, Any]] = [
        (5, date(2024, 3, 31)), (Decimal("5.5"), datetime(2024, 3, 31, 14, 7, 11)), ("1,500", 20240331),  # noqa: DTZ001
        (True, 45352), (Decimal("NaN"), date(1905, 7, 16)), (Decimal("1E+999"), datetime(2567, 3, 1)), (5, True),  # noqa: DTZ001
    ]  # fmt: skip
    rows = [Row(i, {"No": f"K{i}", "Amount": a, "Signed": d}) for i, (a, d) in enumerate(cells)]
    for row in rows:
        reader.scan(row)
    found = [reader.read(row) for row in rows]
    assert [one[2].record["signed_on"] for one in found if one[2]] == [date(2024, 3, 31)] * 2
    assert [[problem.code for problem in one[3]] for one in found[2:]] == [
        [LocalCode.AMBIGUOUS_NUMBER],
        [LocalCode.BAD_NUMBER, LocalCode.DATE_AS_NUMBER],
        [LocalCode.BAD_NUMBER, LocalCode.DATE_AS_NUMBER],
        [LocalCode.BAD_NUMBER, LocalCode.OTHER_CALENDAR],
        [LocalCode.BAD_DATE],
    ]


def test_moment_without_an_offset_is_the_offices() -> None:
    """A moment is read at the mapping's offset, unless it has its own."""
    mapping = read_mapping(
        MAPPING.replace("AMOUNT", "Amount") + 'occurred_at: {column: When}\nutc_offset: "+05:00"\n', "m"
    )
    text = (
        "No,Amount,Signed,When\n1,5,2024-03-31,2024-03-31 14:30\n2,5,2024-03-31,2024-03-31 14:30Z\n"
        "3,5,2024-03-31,31/03/2024 2:30 PM\n"
    )
    found = outcomes(mapping, read_table("a.csv", text.encode()), "uz")
    assert [one.wanted.occurred_at for one in found if one.wanted] == [
        datetime(2024, 3, 31, 9, 30, tzinfo=UTC),
        datetime(2024, 3, 31, 14, 30, tzinfo=UTC),
        datetime(2024, 3, 31, 9, 30, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("title: {value: x}", "title: {column: Amount, factor: 10}"),
            "fields.title.factor: this setting says nothing",
        ),
        (("{column: Signed}", "{column: Signed, decimal: '.'}"), "fields.signed_on.decimal: this setting says nothing"),
        (("{value: licence}", "{column: Signed, table: {a: licence}, round: 2}"), "fields.kind.round: this setting"),
        (
            ("{column: AMOUNT}", "{column: No, table: {a: '5'}, factor: 10}"),
            "fields.amount.factor: there is nothing to read",
        ),
        (("{column: AMOUNT}", "{value: '1,500'}"), "fields.amount.value: '1,500' is no value of this field"),
        (("{column: Signed}", "{value: 03/04/2024}"), "fields.signed_on.value: '03/04/2024' is no value of this field"),
        (("key: No", "key: {column: No, factor: 10}"), "key: a key is a text as it stands"),
        (("{column: AMOUNT}", "{column: No, factor: '0'}"), "fields.amount.factor: "),
        (("{column: AMOUNT}", "{column: No, round: '-1'}"), "fields.amount.round: "),
        (("{column: Signed}", "{column: Signed, time: noon}"), "fields.signed_on.time: "),
        (("{column: Signed}", "{column: Signed, year_pivot: '101'}"), "fields.signed_on.year_pivot: "),
    ],
)
def test_setting_that_can_mean_nothing_is_refused(change: tuple[str, str], said: str) -> None:
    """A setting in the wrong place would be believed to work."""
    assert change[0] in MAPPING
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        compile_mapping(read_mapping(MAPPING.replace(*change), "m"), "uz")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ('#,##0.00" 万元"', [LocalCode.UNIT_IN_NUMBER]),
        ('#,##0.00" тыс. руб."', [LocalCode.UNIT_IN_NUMBER]),
        ("#,##0.00 [$€-407]", [LocalCode.OTHER_CURRENCY]),
        ('#,##0.00"р."', [LocalCode.OTHER_CURRENCY]),
        ("[$$-409]#,##0.00", "12.5"),
        ('"$"#,##0.00', "12.5"),
        ("#,##0.00", "12.5"),
        ("0%", "12.5"),
        ('0.0" шт."', "12.5"),
    ],
)
def test_number_whose_format_shows_a_unit_or_a_currency_is_held_to_it(code: str, said: Any) -> None:
    """A workbook shows 12.50 万元 where its cell has 12.5: what the person sees counts."""
    book, file = Workbook(), io.BytesIO()
    assert book.active is not None
    book.active.append(["No", "Amount", "Signed", "Currency"])
    book.active.append(["K1", 12.5, date(2024, 3, 31), "USD"])
    book.active["B2"].number_format = code
    book.save(file)
    mapping = read_mapping(MAPPING.replace("AMOUNT", "Amount"), "m")
    (outcome,) = outcomes(mapping, read_table("a.xlsx", file.getvalue(), mapping.format_options()), "uz")
    found = str(outcome.wanted.record["amount"]) if outcome.wanted else [problem.code for problem in outcome.problems]
    assert found == said
