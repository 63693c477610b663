"""Keys of one sheet that look as if they began alike, and are typed in different alphabets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from connectors.source.folding import ambiguous_words
from hub.domain.key import show_key


def look_alikes(keys: Sequence[str]) -> dict[int, str]:
    """Return, by their place, the keys with a word that other keys have in another alphabet; the fewer, or all of both.

    Shapes: what is told of each are the parameters of its problem.
    """
    stems: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(keys):
        if "%" in key:
            stems[key.rstrip("0123456789")].append(index)
    if not stems:
        return {}
    words: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for stem, places in stems.items():
        for word, alphabet in ambiguous_words(show_key(stem)).items():
            words[word][alphabet].extend(places)
    if not words:
        return {}
    for index, key in enumerate(keys):
        if "%" not in key and any(word in key for word in words):
            for word, alphabet in ambiguous_words(show_key(key)).items():
                if word in words:
                    words[word][alphabet].append(index)
    found: dict[int, str] = {}
    for word, by_alphabet in words.items():
        if len(by_alphabet) > 1:
            most = max(map(len, by_alphabet.values()))
            for alphabet, places in by_alphabet.items():
                if len(places) < most or list(map(len, by_alphabet.values())).count(most) > 1:
                    found |= dict.fromkeys(places, f"value={word} letter={alphabet.upper()}")
    return found
