"""All that is wrong with a mapping is said at once."""

from __future__ import annotations

import pytest

from connectors.mapping import compile_mapping, read_mapping
from connectors.mapping.fault import NoSuchColumn, WrongMapping

GOOD = """
files: a.csv
stream: deal
key: No
fields:
  title: {column: T}
  language: {value: en}
  kind: {column: K, table: {a: licence, b: transfer}}
status: {column: S, table: {x: opened}}
"""


def refused(text: str, header: list[str] | None = None) -> WrongMapping:
    with pytest.raises(WrongMapping) as caught:
        compile_mapping(read_mapping(text, "m.yaml"), "uz", header=header)
    return caught.value


def test_good_mapping_has_no_fault() -> None:
    """Nothing is found where nothing is wrong."""
    assert compile_mapping(read_mapping(GOOD, "m.yaml"), "uz", header=["No", "T", "K", "S"])


def test_all_faults_of_a_mapping_come_at_once() -> None:
    """A person mends the file once: unknown fields, constants, tables, statuses, columns and what is missing."""
    text = (
        GOOD.replace("title: ", "titel: ")
        .replace("licence, b: transfer", "licens, b: transfr")
        .replace("opened", "open")
    )
    text += "reason: {value: x}\npersons: {contact: {id: E, name: N}}\n"
    found = refused(text, ["No", "T", "K"])
    places = [reason.split(": ")[0] for reason in found.reasons]
    assert places == [
        "status",
        "persons.contact.id.0",
        "persons.contact.name",
        "fields.titel",
        "fields.kind.table.a",
        "fields.kind.table.b",
        "fields.title",
        "persons.contact",
        "status.table.x",
        "reason",
    ]
    assert str(found).startswith("m.yaml: 10 things are wrong: (1) status: the sheet has no column 'S'; (2) ")
    assert "\n" not in str(found)


def test_missing_columns_are_named_together() -> None:
    """A header that somebody rewrote is told in one go, with the columns that are there."""
    found = refused(GOOD, ["No", "Title", "Status"])
    assert isinstance(found, NoSuchColumn)
    assert (found.columns, found.column) == (("T", "K", "S"), "T, K, S")
    assert str(found).endswith("(3) status: the sheet has no column 'S'; it has: No, Title, Status")


def test_field_whose_source_is_wrong_is_not_missing_besides() -> None:
    """One mistake is said once."""
    found = refused(GOOD.replace("{value: en}", "{column: L, split: ','}"))
    assert len(found.reasons) == 1


def test_yaml_errors_come_at_once() -> None:
    """So do the settings that there are not, and those that are missing."""
    with pytest.raises(WrongMapping) as caught:
        read_mapping(GOOD.replace("key: No\n", "").replace("{column: T}", "{colum: T}") + "colour: red\n", "m.yaml")
    assert [reason.split(": ")[0] for reason in caught.value.reasons] == ["key", "fields.title.colum", "colour"]


def test_very_many_faults_are_counted() -> None:
    """A mapping of something else altogether fills no screen."""
    table = ", ".join(f"a{i}: b{i}" for i in range(50))
    found = refused(GOOD.replace("{a: licence, b: transfer}", f"{{{table}}}"))
    assert len(found.reasons) == 50
    assert "(20) fields.kind.table.a19: 'b19' is no value of this field; expected one of development, " in str(found)
    assert str(found).endswith("; and 30 more")
