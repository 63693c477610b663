"""Promises of reading CSV: every row is read, named as unreadable, or blank; no row harms another."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.source import FileRefused, FormatOptions, Limits, ProblemCode, Table, load, read_table
from connectors.source.problem import FileCode, WarningCode

DATA = Path(__file__).parents[3] / "data" / "source"


def read(text: str | bytes, **options: str | int) -> Table:
    data = text if isinstance(text, bytes) else text.encode()
    return read_table("a.csv", data, FormatOptions.model_validate(options))


def cells(table: Table) -> list[tuple[int, list[object]]]:
    return [(row.number, list(row.cells.values())) for row in table.rows]


def problems(table: Table) -> list[tuple[int, ProblemCode]]:
    return [(problem.row_number, problem.code) for problem in table.problems]


def test_read_real_russian_file_detects_everything() -> None:
    """The file that Excel saves on a Russian Windows needs nothing named."""
    table = load(DATA / "centers.ru.windows-1251.csv")
    form = table.format
    assert (form.encoding, form.delimiter) == ("windows-1251", ";")
    assert form.detected == {"kind", "encoding", "delimiter", "header_row"}
    assert table.header == ("Номер", "Организация", "Технология", "Сумма договора, руб.", "Дата")
    assert [row.number for row in table.rows] == [2, 3, 4, 5, 7]
    assert table.rows[1].cells["Технология"] == "Сухой способ; без растворителя"
    assert (table.blank_count, table.row_count, table.warnings, table.problems) == (1, 6, (), ())


def test_read_real_files_in_other_encodings() -> None:
    """Chinese and American exports are read as they come."""
    chinese = load(DATA / "patent_titles.zh.gb18030.csv")
    assert (chinese.format.encoding, chinese.format.delimiter, len(chinese.rows)) == ("gb18030", ",", 12)
    assert chinese.rows[0].cells == {"序号": "1", "专利名称": "一种水电站高压输电线路驱鸟保护装置", "IPC部": "A|G|H"}
    nasa = load(DATA / "nasa_patents.en.csv")
    assert len(nasa.rows) == 7
    companies = load(DATA / "companies_lei.csv")
    assert companies.rows[0].cells["legal_name"] == '"VTB Bank (Armenia)" Closed Joint-Stock Company'


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_detect_delimiter_each_is_told(delimiter: str) -> None:
    """The delimiter is the one under which the rows are as wide as the header."""
    table = read(f"id{delimiter}name{delimiter}price\n1{delimiter}a b{delimiter}2.5\n")
    assert (table.format.delimiter, table.header) == (delimiter, ("id", "name", "price"))


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("name;price\nbolt;1,5\nnut;2,5\n", ";"),
        ("Offers, 2024\nname;price\nbolt;1\nnut;2\n", ";"),
        ("sep=;\nname;price\nbolt,x;1\n", ";"),
        ('a,b\n"x;y;z",1\n"x;y;z",2\n', ","),
        ("name\nbolt\n", ","),
        ("a;b;c\n", ";"),
        ("", ","),
    ],
)
def test_detect_delimiter_misleading_marks_do_not_mislead(text: str, delimiter: str) -> None:
    """Decimal commas, titles, quoted marks and Excel's own hint are all understood."""
    assert read(text).format.delimiter == delimiter


def test_read_title_above_header_is_skipped() -> None:
    """The header is the first row with two cells filled, and rows keep the numbers of the sheet."""
    table = read("Our offers;;\n;;\nid;name;price\n1;bolt;2\n")
    assert (table.header, table.format.header_row, cells(table)) == (
        ("id", "name", "price"),
        3,
        [(4, ["1", "bolt", "2"])],
    )


def test_read_named_header_row_is_obeyed_or_refused() -> None:
    """A named header row is taken as it is, and a missing one is an error of the mapping."""
    assert read("x,y\na,b\n1,2\n", header_row=2).header == ("a", "b")
    for text in ("x,y\n", "x,y\n\n\n\n , \n"):
        with pytest.raises(FileRefused) as caught:
            read(text, header_row=5)
        assert caught.value.code is FileCode.NO_SUCH_ROW


def test_read_damage_in_the_header_shows_in_its_name() -> None:
    """A name that cannot be read is a name nobody maps, never an empty one."""
    assert read("\0,b\0\n1,2\n").header == ("\ufffd", "b\ufffd")
    assert read("a,\ufeff\n1,2\n").header == ("a", "Column B")


def test_read_quoted_line_end_counts_as_one_row() -> None:
    """A cell of two lines is one row, as in the sheet."""
    table = read('id,text\r\n1,"two\r\nlines"\r\n2,x\r\n')
    assert cells(table) == [(2, ["1", "two\r\nlines"]), (3, ["2", "x"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_read_any_line_end_and_none_at_the_end(end: str) -> None:
    """Windows, Unix and old Mac line ends are the same; the last may be missing."""
    assert cells(read(f"a,b{end}1,2{end}3,4")) == [(2, ["1", "2"]), (3, ["3", "4"])]


def test_read_ragged_rows_are_problems_of_their_own() -> None:
    """Too few or too many cells are reported with the row's number; empty cells too many are not."""
    table = read("a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,2,3,,\n,,\n4,5,6\n")
    assert cells(table) == [(2, ["1", "2", "3"]), (5, ["1", "2", "3"]), (7, ["4", "5", "6"])]
    assert problems(table) == [(3, ProblemCode.RAGGED_ROW), (4, ProblemCode.RAGGED_ROW)]
    assert (table.blank_count, table.row_count) == (1, 6)


def test_read_trailing_delimiters_of_the_header_may_be_missing_below() -> None:
    """Delimiters after the last named column mean nothing."""
    table = read("a;b;;\n1;2;;\n3;4\n")
    assert (table.header, cells(table)) == (("a", "b"), [(2, ["1", "2"]), (3, ["3", "4"])])


def test_read_undecodable_bytes_harm_one_row() -> None:
    """A row of broken bytes is named; the rows around it are read."""
    lines = [f"{i};Алатау".encode() for i in range(10)]
    lines[4] = b"4;\xcf\xf0\xe8"
    table = read(b"id;name\n" + b"\n".join(lines))
    assert problems(table) == [(6, ProblemCode.UNREADABLE_BYTES)]
    assert len(table.rows) == 9


def test_read_nul_harms_one_row() -> None:
    """A NUL is damage, and only its row's."""
    table = read("id,name\n1,a\0b\n2,c\n")
    assert (problems(table), cells(table)) == ([(2, ProblemCode.NUL_CHARACTER)], [(3, ["2", "c"])])


@pytest.mark.parametrize(
    ("broken", "label"),
    [('2,"lost', "to the end"), ('2,"lost', "before quoted rows"), ('2,"5" pipe"', "inside")],
)
def test_read_lost_quote_harms_one_row(broken: str, label: str) -> None:
    """A quotation mark that is never closed does not swallow the rows below it."""
    below = '3,"c"\n4,"d"\n' if label == "before quoted rows" else "3,c\n4,d\n"
    table = read(f'id,name\n1,"a"\n{broken}\n{below}')
    assert problems(table) == [(3, ProblemCode.BROKEN_QUOTES)]
    assert cells(table) == [(2, ["1", "a"]), (4, ["3", "c"]), (5, ["4", "d"])]


def test_read_cell_over_limit_harms_one_row() -> None:
    """A cell beyond the limit is named, not cut."""
    table = read_table("a.csv", b"id,name\n1," + b"x" * 200 + b"\n2,b\n", limits=Limits(cell_chars_max=100))
    assert (problems(table), cells(table)) == ([(2, ProblemCode.CELL_TOO_LONG)], [(3, ["2", "b"])])


def test_read_repeated_and_missing_names_are_made_unique_with_a_warning() -> None:
    """Each column can be addressed, and the person learns which were renamed."""
    table = read("Name,Name, ,Name (2),Name\n1,2,3,4,5\n")
    assert table.header == ("Name", "Name (3)", "Column C", "Name (2)", "Name (4)")
    assert [warning.code for warning in table.warnings] == [
        WarningCode.REPEATED_HEADER,
        WarningCode.UNNAMED_COLUMN,
        WarningCode.REPEATED_HEADER,
    ]


def test_read_header_names_are_tidied() -> None:
    """Line ends, double and hard spaces and decomposed letters in a name do not hide a column."""
    assert read('\ufeff"Total\namount", Name\u00a0 one ,\u0438\u0306\n1,2,3\n').header == (
        "Total amount",
        "Name one",
        "\u0439",
    )


@pytest.mark.parametrize(("data", "blank_count"), [(b"", 0), (b"\xef\xbb\xbf", 0), (b"\r\n\r\n", 0), (b" ; ;\n", 0)])
def test_read_empty_file_is_an_empty_table(data: bytes, blank_count: int) -> None:
    """Nothing in the file is no error; a warning says so."""
    table = read(data)
    assert (table.header, len(table.rows), table.blank_count) == ((), 0, blank_count)
    assert [warning.code for warning in table.warnings] == [WarningCode.EMPTY_FILE]


def test_read_header_only_is_an_empty_table() -> None:
    """A sheet that was only begun has its columns and no rows."""
    table = read("id;name\r\n")
    assert (table.header, table.row_count, table.warnings) == (("id", "name"), 0, ())


def test_read_table_far_below_blank_lines_is_found() -> None:
    """However many blank lines stand above a table, it is read, and they are not rows of it."""
    table = read("\n" * 100_000 + "a;b\n1;2\n")
    assert (table.format.header_row, cells(table), table.blank_count) == (100_001, [(100_002, ["1", "2"])], 0)


def test_read_file_without_a_readable_header_is_refused() -> None:
    """What cannot be read at all does not pass for an empty file."""
    with pytest.raises(FileRefused, match="a cell is longer") as caught:
        read(b"x" * 2_000_000)
    assert caught.value.code is FileCode.NO_SUCH_ROW


def test_read_cell_right_of_the_last_name_is_kept() -> None:
    """A note beside the table, under a delimiter that the header has, is a column of its own."""
    table = read("a;b;;;\n1;2\n3;4;;note\n5;6;;;\n")
    assert (table.header, cells(table)) == (
        ("a", "b", "Column D"),
        [(2, ["1", "2", None]), (3, ["3", "4", "note"]), (4, ["5", "6", None])],
    )


def test_read_too_many_columns_or_problems_is_refused() -> None:
    """A file far beyond a sheet's size is refused as a whole."""
    with pytest.raises(FileRefused) as caught:
        read(",".join(f"c{i}" for i in range(1_001)))
    assert caught.value.code is FileCode.TOO_MANY_COLUMNS
    with pytest.raises(FileRefused) as caught:
        read_table("a.csv", b"a,b\n" + b"1,2,3\n" * 20, limits=Limits(problems_max=10))
    assert caught.value.code is FileCode.TOO_MANY_PROBLEMS


def test_rows_are_a_sequence() -> None:
    """Rows can be counted, indexed, sliced and gone through again."""
    rows = read("a\n1\n2\n3\n", header_row=1).rows
    assert [row.number for row in rows] == [row.number for row in rows] == [2, 3, 4]
    assert (rows[-1].cells, [row.number for row in rows[1:]], len(rows)) == ({"a": "3"}, [3, 4], 3)
