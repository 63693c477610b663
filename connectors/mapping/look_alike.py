"""Keys of one sheet that look as if they began alike, and are typed in different alphabets."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from connectors.source.folding import ambiguous_words
from hub.domain.key import show_key

# The digits at a key's end count the rows: many keys have one stem. Those of an encoded letter are none of them.
_COUNT: Final = re.compile(r"(?<!%)(?<!%[0-9A-F])[0-9]+\Z")


def look_alikes(keys: Sequence[str]) -> dict[int, str]:
    """Return, by their place, the keys with a word that other keys have in another alphabet; the fewer, or all of both.

    Shapes: what is told of each are the parameters of its problem.
    """
    words: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for stem, places in _stems(keys, is_encoded=True).items():
        for word, alphabet in ambiguous_words(show_key(stem)).items():
            words[word][alphabet] += places
    if not words:
        return {}
    for stem, places in _stems(keys, is_encoded=False).items():
        for word, alphabet in ambiguous_words(show_key(stem)).items():
            if word in words:
                words[word][alphabet] += places
    found: dict[int, str] = {}
    for word, by_alphabet in words.items():
        if len(by_alphabet) > 1:
            counts = [len(places) for places in by_alphabet.values()]
            most = max(counts)
            for alphabet, places in by_alphabet.items():
                if len(places) < most or counts.count(most) > 1:
                    found |= dict.fromkeys(places, f"value={word} letter={alphabet.upper()}")
    return found


def _stems(keys: Sequence[str], *, is_encoded: bool) -> dict[str, list[int]]:
    """Return the places of those keys that have an encoded letter, or of those that have none, by their stems."""
    stems: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if ("%" in key) is is_encoded:
            stems[_COUNT.sub("", key)].append(index)
    return stems
