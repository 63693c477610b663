"""The YAML of a draft says what the draft says, whatever columns and words are called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mapping import read_mapping
from connectors.propose.draft import Draft, PersonDraft, SourceDraft, scalar, to_yaml
from connectors.source.header import clean_name

# What a header or a cell may hold, once it was cleaned: any character but what no YAML can say.
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(clean_name).filter(bool)


@given(key=NAMES, column=NAMES, word=NAMES, value=NAMES)
def test_draft_comes_back_as_it_was(key: str, column: str, word: str, value: str) -> None:
    """Quotation marks, colons, number signs, `no`, `null`, line separators: all of them are text and stay it."""
    draft = Draft(
        files=("offers.xlsx",),
        stream="offer",
        key=(key, "№ 2"),
        fields={
            "title": SourceDraft(column, split=";", blanks=(word,), table={word: value}),
            "summary": SourceDraft(columns=(column, key), join=word),
            "language": SourceDraft(value=value),
        },
        settings={"status": SourceDraft(column, table={word: "published"})},
        todo={"trl": SourceDraft(column)},
        head=(column, word),
        left_out=(f"not read: {column}, {word}",),
    )
    whys = {"fields.title": word, "key": value, "status": column}
    mapping = read_mapping(to_yaml(draft, whys), "x.yaml")
    assert [source.column for source in mapping.key] == [key, "№ 2"]
    title = mapping.fields["title"]
    assert (title.column, title.table, title.blanks) == (column, {word: value}, (word,))
    assert (mapping.fields["summary"].columns, mapping.fields["summary"].join) == ((column, key), word)
    assert mapping.fields["language"].value == value
    assert "trl" not in mapping.fields
    assert mapping.status is not None
    assert mapping.status.table == {word: "published"}


@given(question=NAMES, column=NAMES)
def test_questions_and_persons_come_back(question: str, column: str) -> None:
    """An open question keeps the mapping from being used whatever it says."""
    draft = Draft(
        files=("x.csv",),
        stream="partner",
        key=("No",),
        fields={"name": SourceDraft("Name")},
        persons={"contact": PersonDraft((f"{column} 1",), {"email": f"{column} 1", "name": f"{column} 2"})},
        questions=(question,),
    )
    mapping = read_mapping(to_yaml(draft), "x.yaml")
    assert mapping.questions == (question,)
    assert mapping.persons["contact"].id[0].column == clean_name(f"{column} 1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Название", "Название"),
        ("№", '"№"'),
        ("null", '"null"'),
        ("a: b", '"a: b"'),
        ("a # b", '"a # b"'),
        (" a", '" a"'),
    ],
)
def test_plain_text_stays_plain(text: str, expected: str) -> None:
    """A person who reads the mapping meets quotation marks only where they are needed."""
    assert scalar(text) == expected
