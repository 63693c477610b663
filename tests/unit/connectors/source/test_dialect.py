"""Promises about dialects of delimited text: what programs write is read as they meant it, or the row is refused."""

from __future__ import annotations

import pytest

from connectors.source import FormatOptions, Table, read_table
from connectors.source.dialect import detect_delimiter

NAMES = frozenset({"id", "title", "note"})


def read(text: str, **options: object) -> Table:
    return read_table("t.csv", text.encode(), FormatOptions.model_validate({"columns": NAMES, **options}))


def rows(table: Table) -> dict[int, list[object]]:
    return {row.number: list(row.cells.values()) for row in table.rows}


def refused(table: Table) -> dict[int, str]:
    return {problem.row_number: str(problem.code) for problem in table.problems}


def test_backslash_quotes_are_found_where_nothing_else_reads() -> None:
    """MySQL and Spark write a backslash before a quote; a null is an empty cell, a backslash itself is doubled."""
    table = read('id,title,note\n1,"Насос \\"Памир\\"","a, \\"b\\""\n2,"C:\\\\dir",\\N\n3,"x\\ny","z"\n')
    assert rows(table) == {2: ["1", 'Насос "Памир"', 'a, "b"'], 3: ["2", "C:\\dir", None], 4: ["3", "x y", "z"]}


def test_backslash_at_the_end_of_a_cell_is_a_backslash() -> None:
    """A folder's name is no escape."""
    assert rows(read('id,title,note\n1,"C:\\dir\\","x"\n')) == {2: ["1", "C:\\dir\\", "x"]}


def test_both_ways_in_one_file_refuse_the_odd_row_alone() -> None:
    """A row that reads in neither way is refused, and its neighbours are not."""
    table = read('id,title,note\n1,"Насос \\"Памир\\"","b"\n2,"a ""q""","b"\n3,c,d\n', escape="double")
    assert refused(table) == {2: "BROKEN_QUOTES"}
    assert rows(table) == {3: ["2", 'a "q"', "b"], 4: ["3", "c", "d"]}


def test_escape_can_be_named() -> None:
    """What the mapping says of escapes is obeyed."""
    assert rows(read('id,title,note\n1,a \\"b\\",c\n', escape="backslash")) == {2: ["1", 'a "b"', "c"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_space_before_a_quote_is_no_part_of_the_cell(delimiter: str) -> None:
    """People who type CSV put a space behind the delimiter."""
    text = f'id{delimiter}title{delimiter}note\n1{delimiter} "Насос{delimiter} большой"{delimiter} "a ""b"""\n'
    assert rows(read(text)) == {2: ["1", f"Насос{delimiter} большой", 'a "b"']}


def test_single_quotes_around_all_cells_are_quotes() -> None:
    """SQL tools quote by apostrophes."""
    assert rows(read("'id','title','note'\n'007','O''zbek, soat','x'\n")) == {2: ["007", "O'zbek, soat", "x"]}
    assert rows(read("id,title,note\nO'1,'90s pump,x\n")) == {2: ["O'1", "'90s pump", "x"]}


def test_delimiter_is_the_one_under_which_the_names_are_found() -> None:
    """Decimal commas and commas in titles outweigh no header."""
    text = "id;title;note\n" + "1,5,a;b,c,d;e,f\n" * 10
    assert detect_delimiter(text, NAMES) == ";"
    assert detect_delimiter("sep=|\nid|title\n") == "|"
    assert detect_delimiter('"sep=;"\r\nid;title\r\n') == ";"


def test_rows_that_all_leave_out_what_is_empty_are_whole() -> None:
    """Where no row ends in an empty cell, programs write it so: the missing cells are empty."""
    table = read("id;title;note\n1;a;x\n2;b\n3;c\n4;d;y\n5;e\n")
    assert rows(table) == {
        2: ["1", "a", "x"],
        3: ["2", "b", None],
        4: ["3", "c", None],
        5: ["4", "d", "y"],
        6: ["5", "e", None],
    }


def test_block_of_rows_without_their_last_delimiter_is_whole() -> None:
    """Excel leaves the last delimiters out of sixteen rows in which all those cells are empty."""
    table = read("id;title;note\n" + "1;a;\n2;b;x\n" + "".join(f"{n};c\n" for n in range(3, 19)))
    assert refused(table) == {}
    assert len(table.rows) == 18


def test_single_short_row_is_refused() -> None:
    """One lost delimiter among whole rows may be any of them."""
    assert refused(read("id;title;note\n1;a;x\n2;bx\n3;c;\n4;d;y\n")) == {3: "RAGGED_ROW"}


def test_row_cut_by_a_line_break_is_refused_in_all_its_pieces() -> None:
    """A line break that nobody quoted makes two rows of one; neither is taken, nor their neighbours harmed."""
    table = read("id;title;note\n1;a;x\n2;Насос\nдля посёлков;y\n3;Печь\nна косточках;z\n4;d;w\n")
    assert refused(table) == dict.fromkeys((3, 4, 5, 6), "RAGGED_ROW")
    assert rows(table) == {2: ["1", "a", "x"], 7: ["4", "d", "w"]}


def test_short_rows_can_be_named_whole() -> None:
    """What the mapping says of short rows is obeyed; a longer row is never cut."""
    table = read("id;title;note\n1;a;x\n2;bx\n3;c;d;e\n", short_rows="fill")
    assert rows(table) == {2: ["1", "a", "x"], 3: ["2", "bx", None]}
    assert refused(table) == {4: "RAGGED_ROW"}
