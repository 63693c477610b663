"""The catalogue of words: whole, in every language, read strictly."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import schemas
from hub.protocol.errors import Malformed
from hub.protocol.verdict import Code
from schemas.words import LANGUAGES, Language, read_words, stream_words, texts_in, to_language, verdict_text
from schemas.words.check import faults, faults_of


def test_catalogue_is_whole() -> None:
    """Every stream, event, status, field, code, verdict, remedy and finding can be said in every language."""
    assert faults() == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[a]\nzh = "甲"\nen = "a"\n', "a: expected zh, en, ru, came zh, en"),
        ('[a]\nzh = "甲"\nen = "a"\nru = "а"\nkk = "а"\n', "a: expected zh, en, ru, came zh, en, ru, kk"),
        ('[a]\nzh = "甲"\nen = ""\nru = "а"\n', "a: en is empty, or begins or ends in a blank"),
        ('[a]\nzh = "甲 "\nen = "a"\nru = "а"\n', "a: zh is empty, or begins or ends in a blank"),
        (
            '[a]\nzh = "甲"\nen = "a {id}"\nru = "а {id}"\n',
            "a: the places to fill in are not the same in all languages",
        ),
        ('[a]\nzh = "甲 {"\nen = "a"\nru = "а"\n', "a: the places to fill in are not the same in all languages"),
        ("", "a: missing"),
        ('[a]\nzh = "甲"\nen = "a"\nru = "а"\n[b]\nzh = "乙"\nen = "b"\nru = "б"\n', "b: nothing asks for it"),
    ],
)
def test_fault_of_a_text_is_told_with_its_name(text: str, fault: str) -> None:
    """What a translator forgot, CI says."""
    assert list(faults_of(dict(texts_in("x.toml", text.encode())), {"a"})) == [fault]


def test_names_in_an_open_group_need_not_be_listed() -> None:
    """Of a page's texts only some groups are closed lists; the page itself asks for the others."""
    texts = dict(texts_in("x.toml", '[a.b]\nzh = "甲"\nen = "a"\nru = "а"\n'.encode()))
    assert list(faults_of(texts, set(), frozenset({"c"}))) == []
    assert list(faults_of(texts, set(), frozenset({"a"}))) == ["a.b: nothing asks for it"]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"a = 1\n",
        b'a = "x"\n',
        b"[a]\n[a]\n",
        b'[a]\nzh = "x"\nzh = "y"\n',
        b'[a]\nzh = "x"\n[a.b]\nzh = "x"\n',
        b'[a]\nzh = "x"\nen = "x"\n',
        b"a = [",
    ],
)
def test_file_that_is_no_catalogue_is_refused(data: bytes) -> None:
    """A text that stands twice, lacks a language, or is not quoted never reaches a person."""
    with pytest.raises(Malformed, match=r"x\.toml"):
        read_words("x.toml", data)


def test_text_is_found_by_its_path_and_filled_in() -> None:
    """A group's texts are found together, in the file's order; what is not there is None."""
    data = '[g.b]\nzh = "乙{n}"\nen = "b{n}"\nru = "б{n}"\n[g.a]\nzh = "甲"\nen = "a"\nru = "а"\n'.encode()
    read = read_words("x.toml", data)
    assert read.say("g.b", "zh", n=2) == "乙2"
    assert read.find("g.c", "zh") is None
    assert read.group("g", "ru") == {"b": "б{n}", "a": "а"}
    with pytest.raises(KeyError):
        read.say("g.c", "zh")


def test_language_is_one_of_those_that_people_here_read() -> None:
    """A language has one spelling."""
    assert [to_language(code) for code in ("zh", "en", "ru")] == list(LANGUAGES)
    with pytest.raises(Malformed, match="expected zh, en, ru"):
        to_language("RU")


def test_words_of_a_stream_are_its_own() -> None:
    """Two streams may have a field or a code of one name and say it differently."""
    deal, partner = stream_words()["deal"], stream_words()["partner"]
    assert "codes.kind.transfer" in deal.texts
    assert "codes.kind.transfer" not in partner.texts
    assert "codes.kind.enterprise" not in deal.texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_of_one_language_differ(language: Language) -> None:
    """A person can tell two verdicts apart."""
    sentences = [verdict_text(code, language) for code in Code]
    assert all(sentence.strip() for sentence in sentences)
    assert len(set(sentences)) == len(sentences)


# A name that is the same in every language.
SAME_EVERYWHERE = {"schema/words.toml: fields.sha256", "words/office.toml: init.ask_language"}
TYPOGRAPHY = "“”…³№"  # what a text in English may have beside ASCII


@pytest.mark.parametrize("path", schemas.paths(".toml"))
def test_texts_are_written_in_their_own_script(path: str) -> None:
    """No translation is missing or stands in another language's place, in any file of the catalogue."""
    for name, text in read_words(path, schemas.read(path)).texts.items():
        if f"{path}: {name}" in SAME_EVERYWHERE:
            continue
        bare = {language: re.sub(r"\{[^}]*\}|`[^`]*`", "", said) for language, said in text.items()}
        if not re.search(r"\w", bare["en"]):
            continue  # nothing but what is filled in
        assert re.search(r"[\u4e00-\u9fff]", bare["zh"]), name
        assert not re.search(r"[А-Яа-яЁё]", bare["zh"]), name
        assert re.search(r"[А-Яа-яЁё№]", bare["ru"]), name
        assert not re.search(r"[\u4e00-\u9fff]", bare["ru"]), name
        assert bare["en"].translate(str.maketrans("", "", TYPOGRAPHY)).isascii(), name


def test_command_that_prints_no_words_reads_none() -> None:
    """`--help` is as quick as it was: neither a catalogue nor its parser is loaded."""
    program = (
        "import sys\nfrom {module} import main\nsys.argv = ['x', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write(str([m for m in ('tomllib', 'schemas.words.check') if m in sys.modules]))"
    )
    for module in ("hub.cli.main", "connectors.cli.main"):
        command = [sys.executable, "-c", program.format(module=module)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == "[]"
