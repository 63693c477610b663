"""What the summary page says. `{…}` are filled in; nothing here comes from a bundle."""

from __future__ import annotations

from hub.evidence.report import Check
from schemas.words import Language, words


def say(name: str, language: Language, **values: object) -> str:
    """Return a text with its values filled in; what is filled in must be escaped already."""
    return words("evidence").say(name, language, **values)


def failure_text(check: str, language: Language) -> str:
    """Return what an error of a check means."""
    return words("evidence").say(f"failures.{check}", language)


def check_text(check: Check, language: Language) -> str:
    """Return what a check is about."""
    return say(f"checks.{check}", language)


def proved_texts(language: Language) -> dict[str, str]:
    """Return what a good bundle proves, each sentence by its name."""
    return words("evidence").group("proved", language)


def not_proved_texts(language: Language) -> dict[str, str]:
    """Return what no bundle proves, each sentence by its name."""
    return words("evidence").group("not_proved", language)
