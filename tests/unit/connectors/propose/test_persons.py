"""Persons: what stands for an address that is not there makes no two of them one."""

from __future__ import annotations

import yaml

from connectors.mapping import read_mapping
from connectors.propose.draft import to_yaml
from tests.unit.connectors.propose.conftest import Propose, asked

SHEET = "Код;Наименование;Вид;Страна;Статус;ФИО;Эл. почта\n" + "".join(
    f"P-{n};Завод {n};предприятие;Узбекистан;зарегистрирован;Каримов {n};{mail}\n"
    for n, mail in enumerate(("a@x.uz", "b@x.uz", "нет", "c@x.uz", "нет", "d@x.uz", "e@x.uz"), 1)
)


def test_word_in_a_column_of_addresses_is_asked(guess: Propose) -> None:
    """Two rows with it would be one person; the mapping is not whole before somebody has said what it means."""
    proposal = guess(SHEET)
    assert asked(proposal) == ["value:contact:Эл. почта:нет"]
    assert proposal.needed[0].suggested == "blank"


def test_word_that_means_nothing_is_a_blank(guess: Propose) -> None:
    """Where the person is told by it, and in what is sealed."""
    draft = guess(SHEET, {"value:contact:Эл. почта:нет": ("blank",)}).draft
    assert draft is not None
    mail = {"column": "Эл. почта", "blanks": ["нет"]}
    assert yaml.safe_load(to_yaml(draft))["persons"]["contact"] == {"id": mail, "name": "ФИО", "email": mail}
    assert read_mapping(to_yaml(draft), "m").persons["contact"].id[0].blanks == ("нет",)


def test_addresses_alone_ask_nothing(guess: Propose) -> None:
    """The columns are named plainly."""
    draft = guess(SHEET.replace("нет", "f@x.uz")).draft
    assert draft is not None
    assert yaml.safe_load(to_yaml(draft))["persons"]["contact"]["id"] == "Эл. почта"


def test_name_in_a_column_of_numbers_is_asked(guess: Propose) -> None:
    """What has no digit is what a partner is called, and no number of it, also where words have no blanks between."""
    head = "编号,技术名称,语言,出口管制,状态,持有单位\n"
    text = head + "A-1,节水,zh,自由出口,已发布,甲公司\nA-2,光伏,zh,自由出口,已撤回,乙大学\n"
    assert asked(guess(text, {"stream": ("offer",)})) == ["use:partner"]
    assert asked(guess(text.replace("甲公司", "P-01").replace("乙大学", "P-02"), {"stream": ("offer",)})) == []
