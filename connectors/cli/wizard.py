"""Asks a person what a sheet leaves open, in the office's language, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable

from connectors.propose.guess import Option, Question, Told
from connectors.propose.profile import shorten
from connectors.propose.proposal import Proposal, Sheet, propose
from connectors.propose.sources import Context
from connectors.propose.vocabulary import fold_name
from hub.base.output import ask, line
from schemas.words import Language, words

Prompt = Callable[[str, str | None], str]
_MARK = "*"
BACK = "<"


def say(told: Told | str, language: Language) -> str:
    """Return a sentence of the catalogue; a text as it is."""
    return told if isinstance(told, str) else words("propose").say(told.name, language, **told.values)


def prompt(text: str, default: str | None) -> str:
    """Return what a person types. Errors: typer.Abort at the end of input."""
    return ask(text, default or "")


def answer_all(sheet: Sheet, context: Context, language: Language, ask: Prompt = prompt) -> Proposal:
    """Return the proposal with every question answered, each asked once."""
    answers: dict[str, tuple[str, ...]] = {}
    line()
    line(_asking("how", language))
    while True:
        proposal = propose(sheet, context, answers)
        question = next((question for question in proposal.questions if question.id not in answers), None)
        if question is None:
            return proposal
        found = answer(question, language, ask)
        if found is not None:
            answers[question.id] = found
        elif answers:
            answers.popitem()  # whoever has answered wrongly goes back, and the rest follows from the sheet again


def answer(question: Question, language: Language, ask: Prompt = prompt) -> tuple[str, ...] | None:
    """Ask until there is an answer that can stand; None goes back to the question before."""
    line()
    line(say(question.text, language))
    if question.examples:
        line(f"  {_asking('examples', language, examples=', '.join(map(shorten, question.examples)))}")
    for number, option in enumerate(question.options, 1):
        mark = _MARK if option.answer == question.suggested else " "
        line(f" {mark}{number:>3}  {_label(option, language)}")
    if not question.options and not question.free:
        line(f"  {_asking('stays', language)}")
        return ()
    kind = "text" if question.free else "numbers" if question.several else "number"
    default = _default(question)
    while True:
        typed = ask(f"  {_asking(kind, language)}", default)
        if typed == BACK:
            return None
        found, fault = _read(question, typed, language)
        if fault is None:
            return found
        line(f"  {fault}")


def _read(question: Question, typed: str, language: Language) -> tuple[tuple[str, ...], str | None]:
    """Return the answer that was typed, or what is wrong with it."""
    if not typed:
        return ((), None) if not question.needed else ((), _asking("none", language))
    parts = re.split(r"[,;\s\uff0c\u3001]+", typed) if question.several else [typed]
    answers = []
    for part in filter(None, parts):
        if part.isdecimal() and 1 <= int(part) <= len(question.options):
            answers.append(question.options[int(part) - 1].answer)
        elif (named := _named(question, part, language)) is not None:
            answers.append(named)
        elif question.free and (value := _value(question, part)) is not None:
            answers.append(value)
        elif question.free:
            return (), _asking("not_allowed", language, value=part)
        else:
            return (), _asking("wrong", language, n=len(question.options))
    return tuple(dict.fromkeys(answers)), None


def _named(question: Question, typed: str, language: Language) -> str | None:
    """Return the one answer that is called as it was typed: by its code, or by what the list shows of it."""
    wanted = fold_name(typed)
    found = [
        option.answer
        for option in question.options
        if wanted in {fold_name(option.answer.partition(":")[2] or option.answer), fold_name(_label(option, language))}
    ]
    return found[0] if len(found) == 1 else None


def _value(question: Question, typed: str) -> str | None:
    if question.accepts is not None:
        return question.accepts.get(fold_name(typed))
    return typed if question.pattern is None or re.fullmatch(question.pattern, typed) else None


def _default(question: Question) -> str | None:
    for number, option in enumerate(question.options, 1):
        if option.answer == question.suggested:
            return str(number)
    return None if question.needed else ""


def _label(option: Option, language: Language) -> str:
    return say(option.label, language)


def _asking(name: str, language: Language, **values: object) -> str:
    return words("propose").say(f"asking.{name}", language, **values)
