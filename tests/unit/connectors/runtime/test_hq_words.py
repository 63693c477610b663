"""What HQ says of how it stands with an office, whatever it gives as its reason."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from connectors.runtime.hq_words import hq_notice, plain_said, plain_todo, status_said, todo_said
from connectors.runtime.standing import Kept
from hub.protocol.cause import VALUES, CauseCode
from hub.protocol.receipt import LINE_BYTES_MAX, cut_line
from hub.protocol.status import State, StatusNote
from schemas.words import LANGUAGES

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD = {"keys": "1f2e3d4c", "epoch": "0a1b2c3d"}
TEXTS = ("", "{said} {0} %s", "é" * 120, "\N{GRINNING FACE}" * 60, "\N{COMBINING ACUTE ACCENT}" * 99, "=1+1",
         "[red]x[/]", "a " * 120, "\N{RIGHT-TO-LEFT OVERRIDE}abc\x85x", "-", "\N{REPLACEMENT CHARACTER}")  # fmt: skip


def reasons(code: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield reasons of a code: with its values, with too few, with absurd ones, and each of these with a text."""
    good = [GOOD.get(name, "7") for name in names]
    for values in (good, good[:-1], ["0"] * len(names), ["9" * 5000] * len(names), [*good, *good]):
        for text in TEXTS:
            yield cut_line(" ".join((code, *values, text)))


@pytest.mark.parametrize("code", [*CauseCode, "A", "A" * 40])
def test_reason_of_any_code_and_form_is_said_in_every_language(code: str) -> None:
    """Also of one that this release lacks, and of one that was cut at its bound within a value or a character."""
    for number, why in enumerate(dict.fromkeys(reasons(code, VALUES.get(code, ("epoch",))))):  # type: ignore[call-overload]
        assert len(why.encode()) <= LINE_BYTES_MAX
        state = tuple(State)[number % len(State)]
        note = StatusNote("hub.example", "uz", NOW, "", 0, state, NOW, why, 1, "hub.example/hq/00c0ffee", 1)
        assert StatusNote.from_text(note.to_text()) == note
        kept = Kept.from_text(Kept.read(note, NOW, NOW).to_text())
        for language in LANGUAGES:
            said = status_said(kept).text(language)
            assert plain_said(kept.plain(NOW)).text(language) == said == hq_notice(kept, language, is_stale=False).said
            todo, plain = todo_said(kept), plain_todo(kept.plain(NOW))
            assert todo is not None
            assert plain is not None
            assert todo.text(language) == plain.text(language)
