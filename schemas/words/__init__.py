"""What people read, as package data: one catalogue for both ends, in the network's three languages.

The words of a stream stand beside its schemas, in `schemas/<stream>/words.toml`: its title, and by name its events,
statuses, fields and the codes of each field. Of a stream that offices write there are also explanations of its fields,
and, with ` | ` between them, what else a sheet calls its columns and its statuses. What belongs to no stream stands in
this folder:

    verdicts.toml   HQ's verdicts: what each says, and what a person does about it
    problems.toml   what a connector itself finds wrong with a row, and what a person does about it
    sheets.toml     the sheet of verdicts: headers, states, parameters
    notices.toml    what is said of a file as a whole
    alarms.toml     what an office must know of its standing at HQ
    causes.toml     why HQ takes nothing of what a center sends, what each end does about it
    findings.toml   what an audit of HQ's ledger finds: what is wrong, what that means, what to do
    evidence.toml   the page of an evidence bundle; bundle_readme.*.txt is the README beside it
    fields.toml     what is said of a field's form, by `connector fields`, docs/fields.md and the templates
    template.toml   what stands in the workbooks of `connector template`
    office.toml     what an office's terminal says, and why something can't be done there; `said` names one of its texts
    propose.toml    what `connector mapping propose` goes by, says and asks
    orphans.toml    what HQ has and no sheet names any more
    sample.toml     the sample sheet that `connector init` leaves

A table with one string for each language is a text; any other table is a group of texts. A text's name is its path,
such as `events.opened` or `codes.kind.transfer`. TOML, because it refuses a key that stands twice and takes nothing
that is not quoted for anything but a text. `python -m schemas.words` tells what is missing, left over, or not the same
in all languages; CI runs it.

A file is read when it is first asked for, once in a process: programs that print no words don't pay for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal, get_args

import schemas
from hub.protocol.errors import Malformed

Language = Literal["zh", "en", "ru"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
Text = Mapping[Language, str]
STREAM_FILE: Final = "words.toml"


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one file, by their names."""

    texts: Mapping[str, Text]

    def find(self, name: str, language: Language) -> str | None:
        """Return a text; None where this file has none of that name."""
        found = self.texts.get(name)
        return None if found is None else found[language]

    def say(self, name: str, language: Language, /, **values: object) -> str:
        """Return a text with its `{…}` filled in. Errors: KeyError, if there is no such text."""
        return self.texts[name][language].format(**values)

    def group(self, group: str, language: Language) -> dict[str, str]:
        """Return the texts of a group by their names within it, in the file's order."""
        start = f"{group}."
        return {name.removeprefix(start): text[language] for name, text in self.texts.items() if name.startswith(start)}


NO_WORDS: Final = Words({})


def to_language(text: str) -> Language:
    """Return a language by its code. Errors: Malformed, if people here don't read it."""
    for language in LANGUAGES:
        if language == text:
            return language
    raise Malformed(f"language {text[:20]!r}: expected {', '.join(LANGUAGES)}")


@cache
def words(name: str) -> Words:
    """Return the texts of `schemas/words/<name>.toml`. Errors: FileNotFoundError; Malformed."""
    path = f"words/{name}.toml"
    return read_words(path, schemas.read(path))


@cache
def stream_words() -> Mapping[str, Words]:
    """Return the words of every stream that has some, by the stream's name. Errors: Malformed."""
    paths = {stream: f"{stream}/{STREAM_FILE}" for stream in schemas.folders_with(STREAM_FILE)}
    return {stream: read_words(path, schemas.read(path)) for stream, path in paths.items()}


def verdict_text(code: str, language: Language) -> str:
    """Return the sentence that tells a person what a verdict of HQ's means; the code itself, if we don't know it."""
    return words("verdicts").find(f"{code}.message", language) or code


def read_words(path: str, data: bytes) -> Words:
    """Return the texts of a file. Errors: Malformed, if it doesn't read, or a text is not in exactly our languages."""
    found: dict[str, Text] = {}
    for name, table in texts_in(path, data):
        if table.keys() != set(LANGUAGES):
            raise Malformed(f"{path}: {name}: expected {', '.join(LANGUAGES)}, came {', '.join(table)}")
        found[name] = {language: table[language] for language in LANGUAGES}
    return Words(found)


def texts_in(path: str, data: bytes) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield every text of a file by name, in whatever languages it has. Errors: Malformed, if it doesn't read."""
    import tomllib  # noqa: PLC0415 -- programs that print no words don't pay for the parser

    try:
        parsed = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise Malformed(f"{path}: expected TOML in UTF-8: {exc}") from exc
    yield from _texts(path, parsed, ())


def _texts(path: str, table: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[tuple[str, Mapping[str, str]]]:
    name = ".".join(place)
    if table and all(isinstance(value, str) for value in table.values()):
        yield name, table
        return
    for key, value in table.items():
        if not isinstance(value, dict):
            raise Malformed(f"{path}: {'.'.join((*place, key))}: expected a text in {', '.join(LANGUAGES)}")
        yield from _texts(path, value, (*place, key))
