"""The page for readers: everything of a bundle escaped, in three languages, with nothing fetched."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from hub.evidence import texts
from hub.evidence.check import check_bundle
from hub.evidence.container import write_zip
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.page import check_page, page
from hub.evidence.readme import readmes
from hub.evidence.report import Check, Report
from hub.evidence.subject import Subject
from hub.evidence.words import coded, event_word, field_word, purpose_word, status_word
from hub.replay.source import Ledger
from schemas.words import LANGUAGES, words
from tests.support.center import HUB
from tests.support.evidence import HOSTILE, NAMES, ROOT, TRUST, TRUST_NOTE, witness


class Reader(HTMLParser):
    """Collects the tags of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in {"meta", "input", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert reader.open == []
    return reader


def test_page_tells_the_story_in_three_languages(deal: ExportedBundle) -> None:
    """Who, when, what, what HQ decided and why, with which key."""
    said = "".join(read(page(deal.case)).said)
    for expected in ("交易 uz:D-1", "签署交易", "对方中心", "сделка подписана", "отклонено", "Чего это не доказывает"):
        assert expected in said
    for expected in ("deal signed", "2026-03-09 12:00:00 UTC", "INCONSISTENT", "1350000", NAMES["kz"][0]):
        assert expected in said


def test_hostile_title_stays_text(ledger: Ledger) -> None:
    """A title that is a script is shown as one; a mark that turns text around is shown by its number."""
    bundle = export_bundle(ledger, TRUST_NOTE, Subject("deal", "uz:D-2"))
    text = page(bundle.case)
    reader = read(text)
    assert "script" not in reader.tags
    assert HOSTILE.replace("\u202e", "[U+202E]") in "".join(reader.said)
    assert "\u202e" not in text


def test_person_is_nobody_to_those_who_read(deal: ExportedBundle) -> None:
    """A personal value is sealed by its center: the page says so, and proofs hold without it."""
    text = page(deal.case)
    assert "(sealed: only uz can read it)" in text
    assert "sealed.v1" not in text


def test_page_fetches_nothing_and_runs_nothing(deal: ExportedBundle) -> None:
    """It is one file, and its own policy forbids the rest."""
    text = page(deal.case)
    reader = read(text)
    assert not reader.tags & {"script", "link", "img", "iframe", "object", "a", "form", "base"}
    assert not {name for name in reader.attributes if name.startswith("on") or name in {"src", "href", "style"}}
    assert "default-src 'none'" in text
    assert not re.search(r"url\(|@import|https?://", text)


def test_page_with_a_report_shows_every_check_and_finding(deal: ExportedBundle) -> None:
    """Outcome, number, place."""
    report = check_bundle(deal.data, ROOT.verifier).report
    good = "".join(read(page(deal.case, report, ROOT.verifier)).said)
    assert "All of it holds" in good
    assert ROOT.verifier.to_text() in good
    report.error(Check.SEALS, "a <b>bad</b> seal", "lanes/x", "hub.example/uz/1", 7)
    bad = page(deal.case, report, ROOT.verifier)
    assert "Does not hold: see the findings" in bad
    assert "a &lt;b&gt;bad&lt;/b&gt; seal" in bad


def test_event_that_a_check_does_not_hold_for_is_marked_where_it_is_told(deal: ExportedBundle) -> None:
    """Nobody should read a forged figure under "accepted" alone."""
    files = dict(deal.case.files)
    path = next(p for p in sorted(files) if b"deal.signed" in files[p] and p.endswith(".event"))
    files[path] = files[path].replace(b"CNY", b"USD")
    checked = check_bundle(write_zip(files), ROOT.verifier)
    assert checked.case is not None
    text = page(checked.case, checked.report, ROOT.verifier)
    english = text[text.index('<article class="en"') :]
    assert english.count('accepted</span> <span class="chip failed">does not hold</span>') == 1
    assert english.count('<span class="chip failed">does not hold</span><span class="to small">') == 1


def test_page_of_another_release_is_a_warning(deal: ExportedBundle) -> None:
    """A later release may word it otherwise: then it was not compared, which is said."""
    files, report = dict(deal.case.files), Report()
    own = re.search(rb'content="(cohub[^"]*)"', files["summary.html"])
    assert own is not None
    files["summary.html"] = files["summary.html"].replace(own[1], b"cohub 99.0.0")
    check_page(replace(deal.case, files=files, report=report))
    assert report.outcome(Check.SUMMARY) == "warning"


def test_page_asks_for_every_text_of_its_catalogue_and_for_no_other() -> None:
    """No text is translated for nobody, and no name in the code lacks its text."""
    asked: set[str] = set()
    begun: set[str] = set()
    for path in Path(texts.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                asked.add(node.value)
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"say", "self.say", "self._heading"}:
                given = node.args[0]
                if isinstance(given, ast.Constant):
                    assert given.value in words("evidence").texts, f"{path.name}: {given.value!r}"
    # A name that is put together, such as "why_" and a reason, is known by its beginning.
    starts = tuple(start for start in begun if re.fullmatch(r"[a-z_]+[._]", start))
    groups = ("proved.", "not_proved.")
    for name in words("evidence").texts:
        assert name in asked or name.startswith((*starts, *groups)), f"{name}: nothing asks for it"


def test_lists_of_the_page_have_the_same_sentences_in_every_language() -> None:
    """The one sentence that needs witnesses can be put off by its name."""
    for language in LANGUAGES:
        assert list(texts.proved_texts(language)) == ["sealed", "recorded", "logged", "hq_lane", "state"]
        assert len(texts.not_proved_texts(language)) == 4


def test_code_is_said_in_the_words_of_its_own_stream_and_field() -> None:
    """Codes of a standard stand as they are; so does a code of another stream, and whatever a bundle makes up."""
    assert coded("deal", "payment", "royalty", "ru") == "роялти"
    assert coded("deal", "currency", "CNY", "ru") == "CNY"
    assert coded("partner", "kind", "enterprise", "en") == "enterprise"
    assert coded("deal", "kind", "enterprise", "zh") == "enterprise"
    assert coded("offer", "partnership_kinds", ["licence", "?"], "zh") == ["许可", "?"]
    assert coded("center", "streams", ["deal", "../x"], "zh") == ["交易", "../x"]
    assert coded("../offer", "stage", "concept", "zh") == "concept"
    assert coded("deal", "amount", 7, "zh") == 7


def test_what_has_no_word_is_shown_as_it_is_written() -> None:
    """A later release may send what this one does not know."""
    assert event_word("net.cohub.deal.signed.v1", "en") == "deal signed"
    assert event_word("net.cohub.deal.sold.v1", "zh") == "net.cohub.deal.sold.v1"
    assert event_word("anything", "zh") == "anything"
    assert (status_word("deal", "sold", "zh"), field_word("deal", "colour", "zh")) == ("sold", "colour")
    assert [purpose_word(name, "en") for name in ("root", "seal", "x")] == ["HQ's root key", "seals", "x"]


def test_russian_status_agrees_with_its_noun(deal: ExportedBundle) -> None:
    """A deal is feminine, an offer neuter, a partner masculine."""
    assert [status_word(*of, "ru") for of in (("deal", "closed"), ("offer", "published"), ("lane", "open"))] == [
        "завершена",
        "опубликовано",
        "открыт",
    ]
    text = page(deal.case)
    russian = text[text.index('<article class="ru"') : text.index('<article class="en"')]
    assert ">подписана<" in russian.replace("<b>", ">").replace("</b>", "<")


def test_witness_key_of_a_center_stands_once(offer: ExportedBundle) -> None:
    """The hq lane and the trust note both name it; its owner is known."""
    trust = replace(TRUST, serial=9, witnesses=tuple(witness(center).verifier for center in ("uz", "kz", "cn")))
    text = page(replace(offer.case, trust=trust))
    english = text[text.index('<article class="en"') :]
    listed = english[english.index("Keys and their history") :]
    assert listed.count(f"{HUB}/uz/witness+") == 1


def test_readme_is_there_in_three_languages_and_explains_every_check() -> None:
    """Whoever has only the zip learns from it what to do."""
    made = readmes()
    assert sorted(made) == ["README.en.txt", "README.ru.txt", "README.zh.txt"]
    for text in made.values():
        assert all(str(check) in text.decode() for check in Check)
        assert max(map(len, text.decode().splitlines())) <= 110
