"""What people call streams, columns, statuses and codes, out of the catalogue of words: what a proposal goes by.

Names of countries, currencies and languages are Unicode's (CLDR), in the languages of the network's offices.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

from connectors.mapping.path import mapped_streams
from connectors.propose.facts import StreamFacts, facts_of
from connectors.propose.guess import Labels
from connectors.propose.template import LANGUAGE_TAGS, PERSON_PARTS
from connectors.propose.vocabulary import StreamVocabulary, Vocabulary, fold_name
from hub.domain.codes.country import COUNTRIES
from hub.domain.codes.currency import CURRENCIES
from schemas.words import LANGUAGES, Language, Words, stream_words, words

BETWEEN: Final = " | "
COUNTRY_ALIASES: Final = "countries."
_LANGUAGES: Final = (*LANGUAGE_TAGS, "fa", "az", "uk", "tr", "mn", "de", "fr", "ko", "ja", "hi", "ar")
NAMES: Final = ("key", "running", "status")
_NAMES_IN: Final = ("zh", "en", "ru", "uz", "kk", "ky", "tg", "tk", "be", "ur")


@cache
def vocabulary() -> Vocabulary:
    """Return every word that people are known to use."""
    here = words("propose")
    return Vocabulary(
        streams={stream.name: _stream(facts_of(stream)) for stream in mapped_streams()},
        key=frozenset(_alternatives(here, "names.key")),
        running=frozenset(_alternatives(here, "names.running")),
        status=frozenset(_alternatives(here, "names.status")),
        parts={part: frozenset(_alternatives(here, f"parts.{part}")) for part in PERSON_PARTS},
        standards={
            "country": _countries(),
            "currency": _unclear_left_out(_names("currencies", CURRENCIES)),
            "language": _unclear_left_out(_names("languages", _LANGUAGES)),
        },
    )


def labels(language: Language) -> Labels:
    """Return what streams, fields, statuses and codes are called in a language."""
    every = {stream.name: (facts_of(stream), stream_words()[stream.name]) for stream in mapped_streams()}
    return Labels(
        streams={name: said.say("title", language) for name, (_, said) in every.items()},
        fields={name: said.group("fields", language) for name, (_, said) in every.items()},
        statuses={name: said.group("statuses", language) for name, (_, said) in every.items()},
        codes={
            name: {
                field.path: said.group(f"codes.{field.path}", language)
                for field in facts.fields
                if field.codes and field.standard is None
            }
            for name, (facts, said) in every.items()
        },
    )


def _stream(facts: StreamFacts) -> StreamVocabulary:
    said = stream_words()[facts.name]
    paths = [field.path for field in (*facts.fields, *facts.changes)]
    own = {
        path: frozenset([fold_name(path.replace("_", " ")), *_alternatives(said, f"fields.{path}")]) for path in paths
    }
    fields = {path: own[path].union(_alternatives(said, f"columns.{path}")) for path in paths}
    statuses = {
        status: [status, *_alternatives(said, f"statuses.{status}", f"said.{status}")] for status in facts.statuses
    }
    codes = {
        field.path: _unclear_left_out(
            {code: [code, *_alternatives(said, f"codes.{field.path}.{code}")] for code in field.codes}
        )
        for field in facts.fields
        if field.codes and field.standard is None
    }
    return StreamVocabulary(
        frozenset(_alternatives(said, "title", "sheets")), fields, own, _unclear_left_out(statuses), codes
    )


def _alternatives(said: Words, *names: str) -> Iterator[str]:
    """Yield every alternative of some texts in every language, folded."""
    for name in names:
        for language in LANGUAGES:
            yield from map(fold_name, (said.find(name, language) or "").split(BETWEEN))


def _unclear_left_out(words_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Return what each word means; a word that means two things means none."""
    found: dict[str, str] = {}
    unclear = set()
    for meant, said in words_of.items():
        for word in map(fold_name, said):
            if found.setdefault(word, meant) != meant:
                unclear.add(word)
    return {word: meant for word, meant in found.items() if word and word not in unclear}


def _names(kind: str, codes: Iterable[str], variants: tuple[str, ...] = ("",)) -> dict[str, list[str]]:
    """Return the names of territories, currencies or languages in the offices' languages, by their codes."""
    from babel import Locale  # noqa: PLC0415 -- it takes a while to read, and only proposals ask for it

    names: dict[str, list[str]] = {code: [] for code in codes}
    for language in _NAMES_IN:
        said: Mapping[str, str] = getattr(Locale.parse(language), kind)
        for code, found in names.items():
            found += [said[code + variant] for variant in variants if code + variant in said]
    return names


def _countries() -> dict[str, str]:
    names = _names("territories", COUNTRIES, ("", "-alt-short", "-alt-variant"))
    here = words("propose")
    for name in here.texts:
        if name.startswith(COUNTRY_ALIASES):
            code = name.removeprefix(COUNTRY_ALIASES)
            names[code] += _alternatives(here, name)
    return _unclear_left_out(names)
