from __future__ import annotations

import pytest

from connectors.mapping import read_mapping
from hub.protocol.errors import UsageError

GOOD = "files: a.csv\nstream: offer\nkey: id\nfields: {title: {column: t}}\n"


def test_scalars_are_text() -> None:
    """YAML's guesses would turn Norway into false, 010 into eight and a date into an object."""
    mapping = read_mapping(GOOD + "status: {column: s, table: {no: published, 010: withdrawn, 2024-01-01: yes}}\n", "m")
    assert mapping.status is not None
    assert mapping.status.table == {"no": "published", "010": "withdrawn", "2024-01-01": "yes"}


def test_patterns_match_file_names_as_windows_does() -> None:
    """Capitals in a file name make no difference on the share, so they make none here."""
    mapping = read_mapping(GOOD.replace("a.csv", '["offers*.xlsx", b.csv]'), "m")
    assert mapping.matches("Offers 2024.XLSX")
    assert not mapping.matches("~$offers.xlsx")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("files: [", "m, line 1: expected the node content"),
        ("- a", "m: expected settings such as files"),
        (GOOD + "files: b.csv\n", "m, line 5: 'files' stands twice"),
        (GOOD + "colour: red\n", "m: colour: there is no such setting"),
        (GOOD.replace("key: id\n", ""), "m: key: is required"),
        (GOOD.replace("{column: t}", "{column: t, value: x}"), "m: fields.title: expected exactly one of"),
        (GOOD.replace("{column: t}", "{}"), "m: fields.title: expected exactly one of column"),
        (GOOD.replace("{column: t}", "{colum: t}"), "m: fields.title.colum: there is no such setting"),
        (GOOD.replace("{column: t}", "{path: '[['}"), "m: fields.title.path: no JMESPath expression"),
        (GOOD.replace("key: id", "key: {value: x}"), "m: key: a key comes from the row"),
        (GOOD.replace("a.csv", "../a.csv"), "m: files: expected a file name"),
        (GOOD + "key_prefix: a b\n", "m: key_prefix: expected up to 40"),
        (GOOD + "utc_offset: Tashkent\n", "m: utc_offset: expected an offset such as +05:00"),
        (GOOD + "format: {encoding: koi}\n", "m: format.encoding: encoding 'koi' is not one of"),
        ("a: !!python/object/apply:os.system [ls]", "m, line 1: could not determine a constructor"),
        ("[" * 1500, "m, line 1: expected at most 50 lists and tables in one another"),
    ],
)
def test_wrong_mapping_is_one_line_with_its_place(text: str, said: str) -> None:
    """A person who wrote the mapping sees where and what, not a traceback."""
    with pytest.raises(UsageError) as caught:
        read_mapping(text, "m")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


def test_used_columns_tell_the_source_what_may_break_a_row() -> None:
    """An error in a column that nobody maps harms no row."""
    options = read_mapping(GOOD + "status: {column: s}\n", "m").format_options()
    assert options.columns == frozenset({"id", "t", "s"})


def test_column_of_leads_from_hqs_field_path_to_the_sheet() -> None:
    """HQ rejects `technology_keywords.0`; the office has to look at its own column."""
    text = GOOD.replace("{title: {column: t}}", "{title: {column: t}, ipc: {column: IPC, split: ','}}")
    mapping = read_mapping(text + "occurred_at: {column: d}\nreason: {columns: [a, b]}\n", "m")
    fields = ("title", "ipc.0", "ce_time", "reason", "summary", "")
    assert [mapping.column_of(field) for field in fields] == ["t", "IPC", "d", "a + b", "", ""]
