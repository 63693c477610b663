"""Names of months, of days of the week, and of the halves of a day, as Unicode's CLDR has them.

They are read when the first cell needs them: most sheets write dates in digits.
"""

from __future__ import annotations

from functools import cache
from typing import Final, Literal

from babel import Locale

from connectors.mapping.plain import plain_text

# The languages of the network's offices and of those beside them. Where two of them mean different months by one
# name, the name means neither.
_LOCALES: Final = ("en", "ru", "zh", "uz", "uz_Cyrl", "kk", "tg", "ky", "tk", "az", "ur", "fa", "uk", "be", "tr")
# What Windows and Excel write for the halves of a day beside what CLDR has.
_HALVES: Final = {"am": ("am", "a", "дп", "до полудня", "上午"), "pm": ("pm", "p", "пп", "после полудня", "下午")}
_OFTEN: Final = {"сент": 9, "мар": 3, "sept": 9, "июн": 6, "июл": 7}


def fold_name(name: str) -> str:
    """Return a name as it is looked up: capitals, points and spaces make no difference."""
    return plain_text(name.casefold()).replace(".", "").replace(" ", "").replace("\u0307", "")


@cache
def months() -> dict[str, int]:
    """Return the number of each month by its folded names."""
    found, unclear = _numbered("months", _OFTEN)
    return {name: number for name, number in found.items() if name not in unclear and not name[0].isdigit()}


@cache
def weekdays() -> dict[str, int]:
    """Return the number of each day of the week, from Monday as 0, by its folded names; no name is a month's too."""
    found, unclear = _numbered("days", {})
    return {name: number for name, number in found.items() if name not in unclear and name not in months()}


def _numbered(kind: Literal["months", "days"], known: dict[str, int]) -> tuple[dict[str, int], set[str]]:
    """Return the numbers of CLDR's months or days by their folded names, and the names that mean several of them."""
    found = known.copy()
    unclear = set()
    for locale in map(Locale.parse, _LOCALES):
        for forms in getattr(locale, kind).values():
            for width in ("wide", "abbreviated"):
                for number, name in forms[width].items():
                    folded = fold_name(name)
                    if found.setdefault(folded, number) != number:
                        unclear.add(folded)
    return found, unclear


@cache
def halves() -> dict[str, bool]:
    """Return whether a folded name means the afternoon."""
    found: dict[str, bool] = {fold_name(name): half == "pm" for half, names in _HALVES.items() for name in names}
    for locale in map(Locale.parse, _LOCALES):
        for half in ("am", "pm"):
            for width in ("abbreviated", "wide"):
                name = locale.day_periods["format"][width].get(half)
                if name is not None:
                    found.setdefault(fold_name(name), half == "pm")
    return found
