"""The page of an office says the same in three languages, is short, and has no word that only we understand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from schemas.words import LANGUAGES

ROOT: Final = Path(__file__).parents[3]
LINES_MAX: Final = 110
WORDS_MAX: Final = 24  # of a sentence
JARGON: Final = re.compile(
    r"\b(broker|kafka|topic|lane|outbox|offset|broadcast|ledger|avro|enrol\w*|daemon|systemd|launchd|tls|sasl|брокер\w*|"
    r"топик\w*|демон\w*|исходящ\w+ ящик\w*)\b|服务器主题|通道|发件箱|守护进程",
    re.IGNORECASE,
)


def page(language: str) -> str:
    return (ROOT / f"docs/office.{language}.md").read_text("utf-8")


def commands(text: str) -> list[str]:
    """Return all that is to be typed, in its order; an office joins in its own language."""
    text = re.sub(r"--language (en|ru|zh)\b", "--language …", text)
    return [
        each
        for each in re.findall(r"`([^`]+)`", text)
        if re.match(r"(py|python3|sudo|certutil|shasum|sha256sum|cd|ren|mv) ", each)
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_has_the_same_commands_as_the_others(language: str) -> None:
    """Nobody is told less than his colleagues elsewhere."""
    assert commands(page(language)) == commands(page("en"))
    assert len(commands(page(language))) > 25
    for mark in (r"^## ", r"^\| ", r"^\d\. ", r"^\*\*"):
        found, wanted = (re.findall(mark, page(each), re.MULTILINE) for each in (language, "en"))
        assert len(found) == len(wanted), mark


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_system_has_each_command(language: str) -> None:
    """What Windows is shown, macOS and Linux are shown too."""
    typed = commands(page(language))
    on_windows = [each.removeprefix("py ") for each in typed if each.startswith("py connector")]
    elsewhere = [each.removeprefix("python3 ") for each in typed if each.startswith("python3 connector")]
    assert on_windows == elsewhere


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_is_short_and_plain(language: str) -> None:
    """One page, short sentences, and none of the words that stand in ARCHITECTURE.md."""
    text = page(language)
    assert len(text.splitlines()) <= LINES_MAX
    assert JARGON.findall(text) == []
    for paragraph in re.split(r"\n|\|", re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "x", text)):
        for sentence in re.split(r"[.!?:;。！？：；](?:\s|\*|$)|(?<=[。！？：；])", paragraph):
            assert len(sentence.split()) <= WORDS_MAX, sentence
