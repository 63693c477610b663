"""A text that is said later: its name in schemas/words/office.toml, or another file there, and what is filled in.

Code says what is the case; in which words is decided where it is known who reads. A log and `--json` are in English, a
terminal and a verdict sheet in the office's language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from hub.base.text import in_one_line
from schemas.words import Language, words

FILE: Final = "office"
_JOINTS: Final[Mapping[Language, str]] = {"zh": "；", "en": "; ", "ru": "; "}


@dataclass(frozen=True, slots=True)
class Said:
    """One text. A value may be another text, or several of them, which are said in the same language."""

    name: str
    values: Mapping[str, Any]
    file: str = FILE

    def text(self, language: Language = "en") -> str:
        """Return the text in a language."""
        return words(self.file).say(
            self.name, language, **{name: _value(value, language) for name, value in self.values.items()}
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values, to be kept."""
        found = {"text": self.name, "values": {name: _plain(value) for name, value in self.values.items()}}
        return found if self.file == FILE else {**found, "file": self.file}

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Self:
        """Return the text that `to_json` has written."""
        values = {name: _revive(value) for name, value in found["values"].items()}
        return cls(found["text"], values, found.get("file", FILE))

    def __str__(self) -> str:
        """Return the text in English, as logs have it."""
        return self.text()


def said(name: str, /, **values: object) -> Said:
    """Return a text by its name and values; `python -m schemas.words` finds each name in the code."""
    return Said(name, values)


def _value(value: object, language: Language) -> object:
    if isinstance(value, Said):
        return value.text(language)
    if isinstance(value, tuple):
        return _JOINTS[language].join(str(_value(one, language)) for one in value)
    # What is named within a sentence comes from strangers: it does not end the line, nor hide.
    return value if isinstance(value, int | float) else in_one_line(str(value))


def _plain(value: object) -> object:
    if isinstance(value, Said):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float) else str(value)


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        return Said.from_json(value)
    return tuple(_revive(one) for one in value) if isinstance(value, list) else value
