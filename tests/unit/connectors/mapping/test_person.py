"""Persons of a sheet: read, sealed in place, and never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.mapping import Instead, LocalCode, PersonField, PersonSaid, RowOutcome, outcomes, read_mapping
from connectors.mapping.compiled import compile_mapping
from connectors.source.reader import read_table
from hub.protocol.errors import UsageError
from hub.protocol.verdict import Code

HEADER = "No,Name,Country,Who,Mail,Phone,Role"
MAPPING = """
files: partners*.csv
stream: partner
key: [No]
fields:
  kind: {value: enterprise}
  name: {column: Name}
  country: {column: Country}
persons:
  contact:
    id: [Mail]
    name: {column: Who}
    email: Mail
    phone: {column: Phone, blanks: ["-"]}
    role: {value: contact}
"""
SEALED = f"sealed.v1.{'k' * 22}.{'A' * 192}"
DOCS = Path(__file__).parents[4] / "docs" / "mapping.md"


class Seal:
    """Seals nobody, and remembers whom it was to seal."""

    def __init__(self, instead: Instead | None = None) -> None:
        self.asked: list[tuple[PersonField, PersonSaid]] = []
        self.instead = instead or Instead(SEALED)

    def __call__(self, place: PersonField, person: PersonSaid) -> Instead:
        self.asked.append((place, person))
        return self.instead


def read(rows: str, seal: Seal, mapping: str = MAPPING, header: str = HEADER) -> list[RowOutcome]:
    found = read_mapping(mapping, "partners.yaml")
    return outcomes(found, read_table("partners.csv", f"{header}\n{rows}".encode(), found.format_options()), "uz", seal)


def test_person_is_read_and_what_was_sealed_stands_in_the_record() -> None:
    """The sealer is told who it is, what there is to seal and for which place; the record has its answer alone."""
    seal = Seal()
    (row,) = read("P-1,Firm,UZ,Nigora Karimova, Nigora@Example.org ,-,\n", seal)
    assert row.wanted is not None
    assert row.wanted.record["contact"] == SEALED
    assert row.wanted.remarks == ()
    parts = {"name": "Nigora Karimova", "email": "Nigora@Example.org", "role": "contact"}
    assert seal.asked == [(PersonField("partner", "uz:P-1", "contact"), PersonSaid("nigora@example.org", parts))]
    assert "Nigora" not in repr(row)


def test_fingerprint_is_of_what_was_sealed_and_not_of_the_person() -> None:
    """A digest over the plaintext could be guessed back: the outbox keeps none."""
    one = read("P-1,Firm,UZ,Nigora,n@example.org,1,\n", Seal())[0]
    two = read("P-1,Firm,UZ,Timur,t@example.org,2,\n", Seal())[0]
    three = read("P-1,Firm,UZ,Nigora,n@example.org,1,\n", Seal(Instead(SEALED[:-1] + "B")))[0]
    assert one.fingerprint == two.fingerprint != three.fingerprint


def test_row_without_a_person_has_no_contact() -> None:
    """Where only constants would be left, there is nobody to seal."""
    seal = Seal()
    (row,) = read("P-1,Firm,UZ,,,-,\n", seal)
    assert row.wanted is not None
    assert (row.wanted.record["contact"], seal.asked) == (None, [])


def test_row_that_does_not_say_who_it_is_is_refused() -> None:
    """What can't be found again can't be erased."""
    seal = Seal()
    (row,) = read("P-1,Firm,UZ,Nigora Karimova,,,\n", seal)
    assert [(p.column, p.field, p.code, p.params) for p in row.problems] == [("Mail", "contact", "NO_PERSON", "")]
    assert seal.asked == []


def test_refused_row_makes_no_key() -> None:
    """A person whose row is not sent is not met."""
    seal = Seal()
    (row,) = read("P-1,Firm,XX,Nigora,n@example.org,,\n", seal)
    assert [problem.code for problem in row.problems] == [Code.UNKNOWN_CODE]
    assert seal.asked == []


def test_problem_of_a_person_never_shows_the_value() -> None:
    """Problems go into the outbox, the log and the verdict sheet: they name the column."""
    secret = "Nigora Karimova"
    mapping = MAPPING.replace("name: {column: Who}", "name: {column: Who, table: {Timur: T}}")
    for rows, code in (
        (f"P-1,Firm,UZ,{secret},n@example.org,,\n", LocalCode.NOT_IN_TABLE),
        (f"P-1,Firm,UZ,Timur,n@example.org,{secret * 20},\n", Code.TOO_LONG),
    ):
        (row,) = read(rows, Seal(), mapping)
        assert [problem.code for problem in row.problems] == [code]
        assert secret not in repr(row)


@pytest.mark.parametrize("value", ['["Nigora", "Timur"]', '{"first": "Nigora"}', '"Nigora \\ud800"'])
def test_person_of_a_json_line_that_is_no_text_is_refused_unseen(value: str) -> None:
    """A list, a group and half a character are no name, and are not repeated."""
    mapping = read_mapping(MAPPING.replace("*.csv", "*.jsonl"), "partners.yaml")
    line = f'{{"No": "P-1", "Name": "Firm", "Country": "UZ", "Who": {value}, "Mail": "n@example.org"}}\n'
    (row,) = outcomes(mapping, read_table("partners.jsonl", line.encode(), mapping.format_options()), "uz", Seal())
    assert row.problems
    assert "Nigora" not in repr(row)


def test_remark_is_for_the_desk_and_the_row_is_sent() -> None:
    """An erased person is said to be erased, in the column that tells who it was."""
    (row,) = read("P-1,Firm,UZ,N,n@example.org,,\n", Seal(Instead(None, LocalCode.PERSON_ERASED)))
    assert row.wanted is not None
    assert row.wanted.record["contact"] is None
    (remark,) = row.wanted.remarks
    assert (remark.column, remark.field, remark.code, remark.params) == ("Mail", "contact", "PERSON_ERASED", "")


def test_sheet_without_its_header_shows_no_row() -> None:
    """Where the header was deleted a person's row stands in its place: the message does not repeat it."""
    with pytest.raises(UsageError, match="it has: none that the mapping names") as raised:
        read("", Seal(), header="P-1,Firm,UZ,Nigora Karimova,n@example.org,1,boss")
    assert "Nigora" not in str(raised.value)
    with pytest.raises(UsageError, match=r"no column .Phone.; it has: No, Name, Country, Who, Mail$"):
        read("", Seal(), header="No,Name,Country,Who,Mail,Role")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("key: [No]", "key: [Mail]", "'Mail' is used by persons.contact.email and by key.0: what is a person's"),
        ("name: {column: Name}", "name: {columns: [Name, Who]}", "'Who' is used by persons.contact.name and by fields"),
        ("id: [Mail]", "id: {value: x}", "persons.contact.id: a person is told from others by the row"),
        ("id: [Mail]", "id: {column: Mail, default: x}", "persons.contact.id: a person is told from others by the row"),
        ("    id: [Mail]\n", "", "persons.contact.id: is required"),
        ("email: Mail", "email: {colunm: Mail}", "persons.contact.email.colunm: there is no such setting"),
        ("email: Mail", "E-Mail: Mail", "expected names of a-z, 0-9 and _, came 'E-Mail'"),
        ("  contact:\n", "  phone:\n", "persons.phone: there is no such sealed field; the fields are: contact"),
        ("stream: partner", "stream: offer", "persons.contact: there is no such sealed field; offer has none"),
        ("fields:\n", "fields:\n  contact: {column: Who2}\n", "fields.contact: is sealed by the connector"),
    ],
)
def test_mapping_that_would_show_a_person_is_refused(old: str, new: str, said: str) -> None:
    """What a mapping says wrongly of persons is answered in one line, at the place."""
    text = MAPPING.replace(old, new)
    if "offer" in new:
        text = text.replace("kind: {value: enterprise}", "title: {column: Name2}\n  language: {value: en}")
        text = text.replace("  name: {column: Name}\n  country: {column: Country}", "  export_control: {value: free}")
    with pytest.raises(UsageError) as raised:
        compile_mapping(read_mapping(text, "partners.yaml"), "uz")
    assert said in str(raised.value)


def test_person_without_parts_is_no_person() -> None:
    """There must be something to seal beside what tells who it is."""
    text = re.sub(r"    (name|email|phone|role):.*\n", "", MAPPING)
    with pytest.raises(UsageError, match=r"persons\.contact: expected 1 to 12 things to seal"):
        read_mapping(text, "partners.yaml")


def test_example_of_the_page_works() -> None:
    """What docs/mapping.md shows of persons is a mapping."""
    text = re.search(r"## Persons\n.*?```yaml\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert text
    seal = Seal()
    header = "Код,Организация,Страна,Имя,Фамилия,Почта,Телефон,Должность"
    (row,) = read("P-1,Завод,UZ,Нигора,Каримова,n@example.org,1,-\n", seal, text[1], header)
    assert row.problems == ()
    assert seal.asked[0][1].parts == {"name": "Нигора Каримова", "email": "n@example.org", "phone": "1"}


def test_hqs_verdict_on_a_sealed_field_leads_to_its_column() -> None:
    """The person in the office is shown where to look."""
    assert read_mapping(MAPPING, "partners.yaml").column_of("contact") == "Mail"
