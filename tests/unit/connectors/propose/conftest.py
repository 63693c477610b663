from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.mapping.path import mapped_streams
from connectors.propose.facts import facts_of
from connectors.propose.guess import Answers
from connectors.propose.profile import profiles
from connectors.propose.proposal import Proposal, Sheet, propose
from connectors.propose.sources import Context
from connectors.source import read_table
from schemas.vocabulary import labels, vocabulary

Propose = Callable[..., Proposal]


@pytest.fixture(scope="session")
def context() -> Context:
    """What a proposal goes by, with labels in English."""
    return Context(vocabulary(), labels("en"), tuple(facts_of(stream) for stream in mapped_streams()))


@pytest.fixture
def guess(context: Context) -> Propose:
    """Return what proposes a mapping for a sheet that is written as CSV."""

    def make(text: str, answers: Answers | None = None, name: str = "sheet.csv") -> Proposal:
        return propose(sheet_of(text, name), context, answers or {})

    return make


def sheet_of(text: str, name: str = "sheet.csv") -> Sheet:
    """Return a sheet as a proposal takes it."""
    table = read_table(name, text.encode())
    return Sheet(name, profiles(table), (name.rpartition(".")[0],), is_nested=table.format.kind == "jsonl")


OFFERS = """\
№;Название;Язык;Экспортный контроль;Дата публикации;Действует до;Статус
T-1;Солнечный насос;ru;не ограничен;2026-01-15;2027-01-15;опубликовано
T-2;Сортировщик;ru;ограничен;2026-02-15;2027-01-15;снято
"""


def asked(proposal: Proposal) -> list[str]:
    """Return the ids of the questions that a mapping waits for."""
    return [question.id for question in proposal.needed]


def sure(proposal: Proposal) -> dict[str, str]:
    """Return what is certain, by its place."""
    return {guess.place: guess.source for guess in proposal.guesses if guess.sure == "certain"}
