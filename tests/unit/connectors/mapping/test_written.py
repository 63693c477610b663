"""Promises of texts as they were written: guards go, what is spoiled is refused, all else stays as it is."""

from __future__ import annotations

import pytest

from connectors.mapping import outcomes, read_mapping
from connectors.mapping.convert import Unfit, as_id, as_text
from connectors.mapping.problem import LocalCode
from connectors.source import read_table
from connectors.source.problem import ProblemCode


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('="007"', "007"),
        ('= "007"', "007"),
        ('="a""b"', 'a"b'),
        ("'008", "008"),
        ("\u2019008", "008"),
        ("'008'", "008"),
        ("'+998 90 123-45-67", "+998 90 123-45-67"),
        ("'050140001235", "050140001235"),
        ("\t009", "009"),
    ],
)
def test_guard_against_spreadsheets_is_no_part_of_the_text(text: str, written: str) -> None:
    """What an export put around an id, so that a spreadsheet would leave it alone, is taken off."""
    assert as_text(text) == written


@pytest.mark.parametrize(
    ("text", "written"), [("'A-12", "A-12"), ('"008"', "008"), ("'A-12'", "A-12"), ("O'Hara-1", "O'Hara-1")]
)
def test_guard_before_letters_goes_from_ids(text: str, written: str) -> None:
    """In an id no mark of quotation stands for itself; in a title it may."""
    assert as_id(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "6,11203E+15", "6.11E+12", "1E+05", "9,1110108E+17", "1e-07", "-1.5E+10", "6.112031505780002E15",
        "6,11\u0415+15",
    ],
)  # fmt: skip
def test_rounded_number_is_refused(text: str) -> None:
    """A number with an exponent has lost its digits when the sheet was saved."""
    with pytest.raises(Unfit) as caught:
        as_text(text)
    assert caught.value.code == ProblemCode.DIGITS_LOST


@pytest.mark.parametrize(
    "text",
    [
        "2-Jan", "02-Jan", "Mar-05", "Sep-15", "2-Jan-24", "02.\u044f\u043d\u0432", "\u044f\u043d\u0432.24",
        "\u042f\u043d\u0432.24", "12.\u043c\u0430\u0439", "1\u67082\u65e5", "05.\u0441\u0435\u043d",
    ],
)  # fmt: skip
def test_code_that_became_a_date_is_refused(text: str) -> None:
    """The forms in which spreadsheets save 1-2, 3/4 or 03-05 after they took it for a day."""
    with pytest.raises(Unfit) as caught:
        as_text(text)
    assert caught.value.code == LocalCode.MADE_A_DATE


@pytest.mark.parametrize(
    "text", ["=A1+B2", '=HYPERLINK("http://a";"007")', "=007", "=SUM(A1:A9)", "=-1", "=" + "x" * 99]
)
def test_formula_is_refused(text: str) -> None:
    """A formula's text is not what a person saw."""
    with pytest.raises(Unfit) as caught:
        as_text(text)
    assert caught.value.code == LocalCode.FORMULA_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "12E5", "1E3", "E+5", "MAR-05", "MAY-12", "5-A", "12-5", "3/4", "2024-05-12", "12.05.2024", "007", "12.10",
        "'90s pumps", "\u02bbzbek", "'Smart' pump", "5 Axis-20", "Type-12", "A.12", "1.5E", "==", "=>", "-", "+", "",
        "5-Way", "10-Bit", "\u0422\u0438\u043f-05",
    ],
)  # fmt: skip
def test_what_a_person_sees_stays(text: str) -> None:
    """Real codes and titles are left as they are."""
    assert as_text(text) == text


def test_long_text_takes_no_longer_than_it_is() -> None:
    """A cell of a million characters is looked at once."""
    for text in ("'1" + "1" * 10**6, "1" * 10**6 + "E+", "a" * 10**6 + ".1"):
        assert as_text(text) == text
    for text in ("='" + "a" * 10**6, '="' + '"' * 10**6 + "a"):
        with pytest.raises(Unfit):
            as_text(text)


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("7", "7"),
        ('"007"', "007"),
        ("9007199254740991", "9007199254740991"),
        ("7.0", [LocalCode.SHOWN_OTHERWISE]),
        ("12.10", [LocalCode.SHOWN_OTHERWISE]),
        ("1e5", [LocalCode.SHOWN_OTHERWISE]),
        ("9007199254740992", [ProblemCode.DIGITS_LOST]),
        ("911101080000001234", [ProblemCode.DIGITS_LOST]),
        ("true", [LocalCode.SHOWN_OTHERWISE]),
        ('"6.11E+15"', [ProblemCode.DIGITS_LOST]),
    ],
)
def test_id_in_json_is_a_text_or_a_small_integer(written: str, key: object) -> None:
    """A double may have been 7, 007 or 7.00, and an integer beyond 2^53 - 1 may have been its neighbour."""
    mapping = read_mapping(
        "files: a.jsonl\nstream: request\nkey: {path: id}\nfields: {title: {path: t}, language: {value: en}}", "m"
    )
    table = read_table("a.jsonl", f'{{"id": {written}, "t": "x"}}'.encode(), mapping.format_options())
    (outcome,) = outcomes(mapping, table, "uz")
    assert (outcome.key if outcome.wanted else [problem.code for problem in outcome.problems]) == key


def test_joined_dates_stay_dates_for_fields_that_are() -> None:
    """A day and a time in two columns make a moment, though no id may be made of them."""
    mapping = read_mapping(
        "files: a.csv\nstream: request\nkey: id\nfields: {title: {column: t}, language: {value: en}}\n"
        "occurred_at: {columns: [d, h]}\n",
        "m",
    )
    table = read_table("a.csv", b"id,t,d,h\n1,x,2024-03-01,14:07\n", mapping.format_options())
    (outcome,) = outcomes(mapping, table, "uz")
    assert outcome.wanted is not None
    assert str(outcome.wanted.occurred_at) == "2024-03-01 14:07:00+00:00"
