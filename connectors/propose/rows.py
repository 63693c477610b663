"""Which rows of a sheet the mapping skips: totals are told, what only seems to be no data is asked. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from connectors.propose.draft import RowsDraft
from connectors.propose.guess import Option, Question, Told
from connectors.propose.odd import OddRow
from connectors.propose.sources import Asked

SKIP: Final = "skip"
KEEP: Final = "keep"
_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class SettledRows:
    """The rows that are no data, and those that are though they look otherwise."""

    skip: tuple[RowsDraft, ...] = ()
    keep: tuple[RowsDraft, ...] = ()


def settle_rows(asked: Asked, odd: Sequence[OddRow]) -> SettledRows:
    """Return what the mapping says of rows that seem to be no data.

    What nobody answers stays as it is: such a row is refused, never sent. So no question here keeps a mapping open.
    """
    skip = [row for row in odd if row.kind == "total"]
    keep: list[OddRow] = []
    if skip:
        asked.guess("skip", _shown(skip), "certain", Told("why.total"))
    totals = [row for row in odd if row.kind == "maybe_total"]
    if totals:
        suggested = SKIP if all(row.is_sparse for row in totals) else None
        answer = _ask(asked, "rows:total", "questions.rows_total", totals, suggested)
        skip += totals if answer == SKIP else []
        keep += totals if answer == KEEP else []
    lone = [row for row in odd if row.kind == "lone"]
    if lone and _ask(asked, "rows:lone", "questions.rows_lone", lone, SKIP) == SKIP:
        skip += lone
    return SettledRows(_by_column(skip), _by_column(keep))


def _ask(asked: Asked, name: str, text: str, rows: Sequence[OddRow], suggested: str | None) -> str | None:
    options = (Option(SKIP, Told("options.skip_rows")), Option(KEEP, Told("options.keep_rows")))
    question = Question(name, Told(text, {"rows": _shown(rows)}), options, needed=False, suggested=suggested)
    answer = asked.ask(question)
    if not answer:
        return None
    asked.guess("skip" if answer[0] == SKIP else "keep", _shown(rows), "answered", Told("why.answered"))
    return answer[0]


def _shown(rows: Sequence[OddRow]) -> str:
    shown = "; ".join(f"{row.number} ({row.shown})" for row in rows[:_SHOWN])
    return f"{shown}; … ({len(rows)})" if len(rows) > _SHOWN else shown


def _by_column(rows: Sequence[OddRow]) -> tuple[RowsDraft, ...]:
    texts: dict[str, dict[str, None]] = {}
    for row in rows:
        texts.setdefault(row.column, {})[row.text] = None
    return tuple(RowsDraft(column, tuple(found)) for column, found in texts.items())
