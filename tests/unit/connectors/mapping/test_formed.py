"""Promises about fields with a form: what is certain is put into it, for the rest a person is told which it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.mapping import RowOutcome, compile_mapping, read_mapping
from connectors.mapping.convert import Unfit
from connectors.mapping.formed import formed, latin, one_line, paragraphs, patent_class, website
from connectors.source import Row
from hub.domain.catalogue import STREAMS


@pytest.mark.parametrize(
    ("said", "meant"),
    [("www.alfa.example", "http://www.alfa.example"), ("beta.example/a?b=1", "http://beta.example/a?b=1"),
     ("HTTP://gamma.example", "http://gamma.example"), ("https://d.example/Ü", "https://d.example/Ü"),
     ("Https : //e.example", "https://e.example"), ("пример.рф", "http://пример.рф"), ("a\u200b.example ", "http://a.example"),
     ("f.example:8080/x", "http://f.example:8080/x")],
)  # fmt: skip
def test_website_gets_its_scheme(said: str, meant: str) -> None:
    """A host alone is an address, as a browser takes it."""
    assert website(said) == meant


@pytest.mark.parametrize(
    "said", ["нет", "-", "a.uz, b.uz", "info@x.uz", "12.05.2024", "ftp://x.uz", "www", "ООО «Альфа»"]
)
def test_what_is_no_website_is_refused(said: str) -> None:
    """Two addresses, a mail or a word are for a person to correct."""
    with pytest.raises(Unfit, match="BAD_WEBSITE"):
        website(said)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("G06F 17/30 (2006.01)", "G06F 17/30"),
        ("G06F17/30", "G06F17/30"),
        ("C02F  1/28(2006.01)I", "C02F 1/28"),
        ("С02F 1/28", "C02F 1/28"),
        ("МПК C02F 1/28", "C02F 1/28"),
        ("Int. Cl.8 G06F 17/30", "G06F 17/30"),
        ("g06f", "G06F"),
        ("A61K 31/05 [2006.01]", "A61K 31/05"),
        ("H 04 L 9/00", "H04L 9/00"),
        ("F24S 20/20 (2018.01)", "F24S 20/20"),
    ],
)
def test_patent_class_loses_its_version(said: str, meant: str) -> None:
    """A class is itself in every version, and with the letters of either keyboard."""
    assert patent_class(said) == meant


@pytest.mark.parametrize("said", ["G06F 17/30; H04L 9/00", "Z99", "насос", "G06F 17-30"])
def test_what_is_no_patent_class_is_refused(said: str) -> None:
    """Several in one cell are a list, which the mapping splits."""
    with pytest.raises(Unfit, match="BAD_IPC"):
        patent_class(said)


def test_apostrophes_of_uzbek_are_latin() -> None:
    """The official letters are taken as the quotes that look the same; another letter is named."""
    assert latin("Oʻzbekiston maʼlumoti, Gʻijduvon") == "O‘zbekiston ma’lumoti, G‘ijduvon"
    with pytest.raises(Unfit) as caught:
        latin("Azərbaycan")
    assert (caught.value.code, caught.value.params) == ("NOT_LATIN", "value=Azərbaycan letter=ə")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\v", "\u2028", "\t", " \n ", "\n\n"])
def test_line_break_in_one_line_is_a_space(end: str) -> None:
    """Alt+Enter in a title is read as people read it."""
    assert one_line(f"Солнечный{end}насос") == "Солнечный насос"


def test_joiners_of_persian_stay() -> None:
    """What nobody sees goes, what shapes the letters does not."""
    assert one_line("می\u200cخواهم\u00ad\u200b") == "می\u200cخواهم"


def test_only_fields_of_one_line_are_made_one() -> None:
    """A summary keeps its paragraphs."""
    fields = STREAMS["offer"].record.model_fields
    assert formed(fields["title"].rebuild_annotation()) is one_line
    assert formed(fields["summary"].rebuild_annotation()) is paragraphs
    assert paragraphs("one\n\ntwo") == "one\n\ntwo"
    assert paragraphs("one\r\ntwo\rthree\x85four\tfive\u2028six") == "one\ntwo\nthree\nfour five\nsix"
    mapping = read_mapping(
        "files: a\nstream: offer\nkey: k\nfields:\n  title: {column: t}\n  summary: {column: s}\n"
        "  language: {value: en}\n  export_control: {value: free}\n  ipc: {column: i, split: ;}",
        "m",
    )
    cells = {"k": "1", "t": "a\nb", "s": "c\nd", "i": "G06F 17/30 (2006.01); G06F 17/30; С02F 1/28"}
    outcome = RowOutcome(*compile_mapping(mapping, "uz").read(Row(2, cells)))
    assert outcome.wanted is not None
    assert {name: outcome.wanted.record[name] for name in ("title", "summary", "ipc")} == {
        "title": "a b", "summary": "c\nd", "ipc": ["G06F 17/30", "C02F 1/28"],
    }  # fmt: skip


def test_value_that_is_not_in_the_table_is_told_with_those_that_are() -> None:
    """The first of the agreed values are listed, and how many there are."""
    table = ", ".join(f"value {number}: free" for number in range(30))
    mapping = read_mapping(
        "files: a\nstream: offer\nkey: k\nfields:\n  title: {column: t}\n  summary: {column: t}\n"
        f"  language: {{value: en}}\n  export_control: {{column: e, table: {{{table}}}}}",
        "m",
    )
    outcome = RowOutcome(*compile_mapping(mapping, "uz").read(Row(2, {"k": "1", "t": "x", "e": "other"})))
    assert outcome.problems[0].params == "value=other allowed=value 0, value 1, value 2, value 3 … (30)"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("today\x92s \x93pump\x94 \x96 1", "today’s “pump” – 1"),
        ("today\xe2\x80\x99s \xe2\x80\x9cpump\xe2\x80\x9d", "today’s “pump”"),
        ("5\x89, \x8bа\x9b\x99", "5‰, ‹а›™"),
        ("â, ’ and \u200f stay", "â, ’ and \u200f stay"),
    ],
)
@pytest.mark.parametrize("write", [one_line, paragraphs])
def test_signs_that_were_misread_byte_by_byte_are_read_again(
    write: Callable[[str], str], said: str, meant: str
) -> None:
    """A control is nothing that anybody wrote, and these are one sign in every Windows encoding."""
    assert write(said) == meant


def test_signs_that_are_read_again_are_the_same_in_every_windows_encoding() -> None:
    """Those on which two of them differ are open to two readings."""
    for number in [*range(0x80, 0x85), *range(0x86, 0xA0)]:
        meant = {bytes([number]).decode(f"cp125{page}", "replace") for page in range(9)}
        if len(meant) == 1:
            assert one_line(f"a{chr(number)}b") == f"a{meant.pop()}b"
        else:
            with pytest.raises(Unfit, match="HIDDEN_SIGN"):
                one_line(f"a{chr(number)}b")


@pytest.mark.parametrize("sign", "\x00\x07\x1b\x7f\x80\x9d\u202a\u202e\u2066\u2069")
@pytest.mark.parametrize("write", [one_line, paragraphs])
def test_sign_that_nobody_sees_is_refused_with_its_place(write: Callable[[str], str], sign: str) -> None:
    """HQ refuses it as a bad value: here a person is told what is bad in it."""
    with pytest.raises(Unfit, match="HIDDEN_SIGN") as refused:
        write(f"Pump{sign}s")
    assert refused.value.params.endswith(f" sign=U+{ord(sign):04X} at=5")
