"""Promises about rows that are no data: what is certain is skipped and told, what only looks so is refused."""

from __future__ import annotations

from itertools import islice, product
from time import process_time

import pytest

from connectors.mapping import read_mapping
from connectors.mapping.look_alike import look_alikes
from connectors.mapping.no_data import Reason
from connectors.mapping.outcome import Outcomes
from connectors.source import read_table
from hub.domain.key import key_part
from hub.protocol.errors import UsageError

MAPPING = """files: "*.csv"
stream: offer
key: ["№"]
fields:
  title: {column: Название}
  summary: {column: Кратко, optional: true}
  language: {value: ru}
  export_control: {value: free}
"""
ROWS = ["T-1;Насос;Без сети", "T-2;Печь;На косточках"]


def read(rows: list[str], more: str = "", header: str = "№;Название;Кратко") -> Outcomes:
    mapping = read_mapping(MAPPING + more, "m.yaml")
    table = read_table("offers.csv", "\n".join([header, *rows]).encode(), mapping.format_options())
    return Outcomes(mapping, table, "uz")


def told(found: Outcomes) -> dict[int, object]:
    """Return what became of each row: its key, why it was skipped, or its codes."""
    skipped = dict(found.skipped)
    return {
        one.row: skipped.get(one.row) or (one.key if one.wanted is not None else [str(p.code) for p in one.problems])
        for one in found
    }


@pytest.mark.parametrize(
    "total",
    [
        "Итого:;2;",
        "ИТОГО;;",
        "Итого по разделу 1;;",
        "Всего: 2;;",
        ";Итого;2",
        "Total;2;",
        "TOTAL:;;",
        "Grand total;2;",
        "Subtotal;1 200,50;",
        "合计;2;",
        "总计：;;",
        "小计;;",
        "合计（元）;2;",
        "Jami:;2;",
        "Жами;2;",
        "Барлығы:;2;",
        "Жыйынтыгы;2;",
        "Ҳамагӣ;2;",
        "Toplam;2;",
        "Cəmi:;2;",
        "جمع کل;2;",
        "کل;2;",
        "میزان;;",
        "Разом;2;",
        "Summe;2;",
        "Total général;2;",
        "Итого;2 шт.;",
        "Итого;-;—",
    ],
)
def test_total_is_skipped(total: str) -> None:
    """A total's word with nothing but numbers beside it is no entity, in any language of the network."""
    assert told(read([*ROWS, total])) == {2: "T-1", 3: "T-2", 4: Reason.TOTAL}


@pytest.mark.parametrize(
    "row", ["Total;Нефть и газ;Добыча", "Итого;Насос «Итого»;Без сети", "Итого-1;Насос;Без сети", "T-3;Итого;5"]
)
def test_what_may_be_a_total_is_refused(row: str) -> None:
    """A row with a total's word and words beside it is asked about."""
    assert told(read([*ROWS, row]))[4] == ["LOOKS_LIKE_TOTAL"]


@pytest.mark.parametrize(
    ("row", "key"),
    [("TotalEnergies;Нефть;Газ", "TotalEnergies"), ("Total-E;Нефть;Газ", "Total-E"), ("T-3;Итоговый отчёт;5", "T-3"),
     ("T-3;Всего за 5 минут;5", "T-3"), ("Sum-7;Насос;", "Sum-7"), ("Сумы-1;Насос;", "%D0%A1%D1%83%D0%BC%D1%8B-1")],
)  # fmt: skip
def test_name_that_begins_like_a_total_is_data(row: str, key: str) -> None:
    """Only a whole word makes a total, and where it may be a name, only that word."""
    assert told(read([*ROWS, row]))[4] == key


def test_keep_and_skip_decide() -> None:
    """What the mapping says goes before what a row looks like."""
    rows = [*ROWS, "Total;Нефть и газ;Добыча"]
    assert told(read(rows, 'keep: {column: "№", is: total}'))[4] == "Total"
    assert told(read(rows, 'skip: {column: "№", like: "tot*"}'))[4] is Reason.NAMED
    assert told(read(rows, "skip:\n- rows: 2-3\n- {column: Кратко, is: Добыча}")) == dict.fromkeys(
        (2, 3, 4), Reason.NAMED
    )
    assert told(read([*ROWS, "T-3;Черновик;"], "skip: {column: Кратко, empty: yes}"))[4] is Reason.NAMED


def test_row_that_cannot_be_read_is_skipped_by_its_number() -> None:
    """A broken row that is named is no problem of the sheet."""
    assert told(read(['T-1;"Насос;Без сети', *ROWS], "skip: {rows: 2}")) == {3: "T-1", 4: "T-2"}


@pytest.mark.parametrize(
    "skip", ["{rows: x}", "{}", "{rows: 1, column: №}", "{column: №}", "{column: №, is: a, like: b}", "{equals: 3}"]
)
def test_skip_says_what_is_wrong_with_it(skip: str) -> None:
    """A selection is by numbers, or by one test of a column."""
    with pytest.raises(UsageError, match=r"^m\.yaml: skip"):
        read(ROWS, f"skip: {skip}")


def test_skip_by_a_column_that_is_not_there_is_refused() -> None:
    """A renamed column must not let all rows through."""
    with pytest.raises(UsageError, match="Состояние"):
        read(ROWS, "skip: {column: Состояние, is: черновик}")


@pytest.mark.parametrize(
    "again",
    ["№;Название;Кратко", "№;НАЗВАНИЕ;кратко", "\ufeff№;Название;Кратко", "№;Назва\u00adние;Кратко", "№;Название;"],
)
def test_header_again_is_skipped(again: str) -> None:
    """A printed header, or that of an appended file, is no entity."""
    assert told(read([ROWS[0], again, ROWS[1]])) == {2: "T-1", 3: Reason.HEADER, 4: "T-2"}


def test_other_header_below_is_refused() -> None:
    """A file with other columns was appended: what its rows mean is for a person to say."""
    assert told(read([*ROWS, "№;Наименование;Описание"]))[4] == ["LOOKS_LIKE_HEADER"]
    assert told(read([*ROWS, "Название;№;Кратко"]))[4] == ["LOOKS_LIKE_HEADER"]


@pytest.mark.parametrize(
    "numbers", ["1;2;3", "(1);(2);(3)", "1.;2.;3.", "А;1;2", "А;Б;1", "11;54;57", "(11);(54);(57)"]
)
def test_numbers_below_the_header_are_skipped(numbers: str) -> None:
    """Forms number their columns, registers repeat the codes of theirs."""
    found = told(read([numbers, *ROWS]))
    assert found[2] in (Reason.NUMBERS, ["LOOKS_LIKE_HEADER"])
    assert found[3] == "T-1"


def test_numbers_again_on_each_page_are_skipped() -> None:
    """Below a header that is printed again, its numbers are too."""
    page = ["№;Название;Кратко", "1;2;3"]
    assert told(read(["1;2;3", ROWS[0], *page, ROWS[1]])) == {
        2: Reason.NUMBERS, 3: "T-1", 4: Reason.HEADER, 5: Reason.NUMBERS, 6: "T-2",
    }  # fmt: skip


def test_numbers_that_may_be_data_are_data() -> None:
    """Where all rows are numbers, the first may be one."""
    assert told(read(["1;2;7", "2;3;9"])) == {2: "1", 3: "2"}
    assert told(read([*ROWS, "1;2;3"]))[4] == "1"


@pytest.mark.parametrize("units", [";шт.;тыс. руб.", "-;текст;текст", "№;строка;обязательно", ";必填;选填", "—;кг;—"])
def test_units_below_the_header_are_no_data(units: str) -> None:
    """Units and kinds of columns stand in a row of their own."""
    assert told(read([units, *ROWS]))[2] in (Reason.UNITS, ["LOOKS_LIKE_HEADER"])


def test_names_of_fields_below_the_header_are_refused() -> None:
    """Exports have technical names below the spoken ones."""
    assert told(read(["id;title;summary", *ROWS]))[2] == ["LOOKS_LIKE_HEADER"]


def test_key_typed_in_two_alphabets_is_refused_where_the_fewer_are() -> None:
    """PB-12 and РВ-12 look the same: who has typed the few of them otherwise is asked."""
    found = told(read(["РВ-1;Насос;", "РВ-2;Печь;", "PB-3;Плуг;"]))
    assert found[4] == ["LOOK_ALIKE"]
    assert all(isinstance(found[row], str) for row in (2, 3))
    assert told(read(["РВ-1;Насос;", "KZ-2;Печь;"])).keys() == {2, 3}
    assert told(read(["PВ-1;Насос;"]))[2] == ["LOOK_ALIKE"]


@pytest.mark.parametrize("word", ["РВС", "РВТ", "АВС", "СЕВЕР", "РВК"])
def test_word_without_a_number_is_seen_in_both_alphabets(word: str) -> None:
    """A key may be nothing but its word, whatever its last letter."""
    latin = word.translate(str.maketrans("АВЕКРСТ", "ABEKPCT"))
    found = told(read([f"{word};Насос;", f"{latin};Печь;"]))
    assert found == {2: ["LOOK_ALIKE"], 3: ["LOOK_ALIKE"]}


def test_alphabets_are_compared_in_linear_time() -> None:
    """Many words of one alphabet and many keys of the other are not held against each other one by one."""

    def seconds(count: int) -> float:
        words = ["".join(letters) for letters in islice(product("АВЕКМНОРСТ", repeat=4), count)]
        keys = [*(key_part(f"{word}-1/К") for word in words), *(f"AZ-{index}/Q" for index in range(count))]
        started = process_time()
        assert look_alikes(keys) == {}
        return process_time() - started

    seconds(500)
    assert min(seconds(4000) for _ in range(2)) < 2.2 * 8 * min(seconds(500) for _ in range(3))


def test_finding_is_linear() -> None:
    """Eight times the rows take about eight times the time, whatever stands in them."""

    def seconds(count: int) -> float:
        rows = [f"Итого {index};{'Итого ' * 20};{'1' * 50}!" for index in range(count)]
        started = process_time()
        told(read(rows))
        return process_time() - started

    seconds(500)
    assert min(seconds(4000) for _ in range(2)) < 2.2 * 8 * min(seconds(500) for _ in range(3))
