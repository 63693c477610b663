"""docs/fields.md and `connector fields`: every field of every stream, in three languages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.cli.main import run_command
from connectors.mapping.path import mapped_streams
from connectors.propose.facts import facts_of
from hub.domain.catalogue import STREAMS
from schemas.fields import TARGET, code_words, form_text, page, plain
from schemas.words import LANGUAGES, Language, stream_words
from schemas.words.check import same_names

ROOT = Path(__file__).parents[3]


def test_page_is_what_its_generator_writes() -> None:
    """A field that was added, or a word that was changed, stands in the page: `python -m schemas.fields`."""
    assert TARGET.relative_to(ROOT).as_posix() == "docs/fields.md"
    assert TARGET.read_text("utf-8") == page()


@pytest.mark.parametrize("language", LANGUAGES)
def test_page_has_every_field_code_and_status_of_every_stream(language: Language) -> None:
    """Nothing that a mapping may say is missing for the readers of any language."""
    text = page()
    for stream in mapped_streams():
        section = text.split(f"\n## `{stream.name}`", 1)[1].split("\n## ", 1)[0]
        facts, words = facts_of(stream), stream_words()[stream.name]
        for field in (*facts.fields, *facts.changes):
            assert f"| `{field.path}` |" in section
            assert words.say(f"explanations.{field.path}", language) in section
            assert form_text(field, language) in section
            for code, said in code_words(stream.name, field, language).items():
                assert f"| `{field.path}` | `{code}` |" in section
                assert said in section
        for status in facts.statuses:
            assert words.say(f"statuses.{status}", language) in section


def test_form_says_bounds_and_lists() -> None:
    """What a cell may hold is said without opening the code."""
    offer, deal = facts_of(STREAMS["offer"]), facts_of(STREAMS["deal"])
    assert form_text(offer.of("trl"), "ru") == "целое число, от 1, до 9"
    assert form_text(offer.of("technology_keywords"), "en") == "code of HQ's list technology; a list of at most 5"
    assert (
        form_text(deal.of("rate"), "en") == "number, more than 0, less than 100\u202f000\u202f000, at most 8 decimals"
    )
    assert form_text(deal.of("partner"), "zh").startswith("你们“合作伙伴”表中的编号")
    assert form_text(offer.of("countries"), "en").startswith("code of a country (ISO 3166-1)")


def test_two_fields_of_one_name_are_a_fault_of_the_words() -> None:
    """A template's columns could not be told apart."""
    texts = {f"fields.{name}": {"zh": name, "en": name, "ru": name} for name in STREAMS["deal"].record.model_fields}
    assert list(same_names(STREAMS["deal"], texts)) == []
    texts["fields.rate"] = {"zh": "x", "en": "Amount", "ru": "x"}
    assert list(same_names(STREAMS["deal"], texts)) == ["fields.rate: en is the same as of amount"]


def test_json_has_the_rules_of_a_field() -> None:
    """A program reads pattern, bounds and codes; a code of ours comes with its word."""
    found = plain(facts_of(STREAMS["partner"]), "ru")
    fields = {field["field"]: field for field in found["fields"]}
    assert fields["lei"]["pattern"] == "^[0-9A-Z]{18}[0-9]{2}$"
    assert fields["kind"]["codes"]["university"] == "университет"
    assert "UZ" in fields["country"]["codes"]
    assert found["statuses"]["ended"] == "партнёрство окончено"
    assert [change["field"] for change in found["changes"]] == ["reason", "effective_on"]


def test_command_lists_shows_and_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outside of an office it speaks English; a wrong name is answered with the right ones."""
    office = ["--office", str(tmp_path)]
    assert run_command(["fields", *office]) == 0
    assert "deal_confirmation" in capsys.readouterr().out
    assert run_command(["fields", "offer", "--language", "ru", *office]) == 0
    shown = capsys.readouterr().out
    assert "экспортный контроль" in shown
    assert "опубликовано" in shown
    assert run_command(["fields", "offer", "--json", *office]) == 0
    assert json.loads(capsys.readouterr().out)["stream"] == "offer"
    assert run_command(["fields", "offers", *office]) == 2
    assert "expected one of activity, deal, deal_confirmation, investment, offer" in capsys.readouterr().err
    assert run_command(["fields", "--language", "kk", *office]) == 2
    assert "expected zh, en or ru" in capsys.readouterr().err
