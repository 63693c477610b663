"""`python -m schemas.sources`: write docs/domain.md below its own text: every stream, and where each name comes from.

The sources themselves stand once, in `sources.json`; which of them an event, a status or a field has, in
`<stream>/sources.json` beside the stream. All else is read from the models and from `<stream>/words.toml`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import schemas
from connectors.mapping.path import mapped_streams, statuses
from connectors.propose.facts import StreamFacts, facts_of
from hub.domain.catalogue import STREAMS
from hub.domain.fields import Crossed
from hub.domain.marks import own_codes
from hub.domain.stream import HQ, EventKind, Stream
from schemas.fields import explanation, form_text
from schemas.rules import CROSSED
from schemas.words import LANGUAGES, stream_words

TARGET: Final = Path(__file__).parents[1] / "docs" / "domain.md"
MARK: Final = "<!-- below: python -m schemas.sources -->\n"
FILE: Final = "sources.json"
PARTS: Final = ("events", "statuses", "fields")


@cache
def sources() -> Mapping[str, str]:
    """Return every source by its short name: what it is."""
    found: dict[str, str] = json.loads(schemas.read(FILE))
    return found


@cache
def sources_of(stream: str) -> Mapping[str, Any]:
    """Return what is said of a stream: its own source, notes, and a source for each event, status and field."""
    found: dict[str, Any] = json.loads(schemas.read(f"{stream}/{FILE}"))
    return found


def names_of(stream: Stream) -> dict[str, set[str]]:
    """Return the names that need a source, by what they are of."""
    return {
        "events": {kind.name for kind in stream.events},
        "statuses": set(statuses(stream)),
        "fields": {name for kind in stream.events for name in kind.model.model_fields},
    }


def faults() -> Iterator[str]:
    """Yield every name without a source, every source that nothing has, and what is unknown."""
    used = set()
    for name, stream in STREAMS.items():
        said = sources_of(name)
        for part, names in names_of(stream).items():
            yield from (f"{name}: {part}: {missing} has no source" for missing in sorted(names - said[part].keys()))
            yield from (f"{name}: {part}: there is no {other}" for other in sorted(said[part].keys() - names))
        for text in (said["stream"], *(text for part in PARTS for text in said[part].values())):
            used.update(labels_of(text))
    yield from (f"{label}: this source is not known" for label in sorted(used - sources().keys()))
    yield from (f"{label}: nothing has this source" for label in sorted(sources().keys() - used))


def labels_of(text: str) -> list[str]:
    """Return the short names of a source's text: `een, own: a remark` has two."""
    return text.partition(":")[0].split(", ")


def generated() -> str:
    """Return what stands in docs/domain.md below its own text."""
    rows = "".join(f"| {label} | {says} |\n" for label, says in sources().items())
    theirs = sorted(STREAMS.values(), key=lambda stream: (stream.writer == HQ, stream.name == "lane"))
    return f"\n## Sources\n| short | what it is |\n|---|---|\n{rows}" + "".join(map(_section, theirs))


def page() -> str:
    """Return docs/domain.md with its generated part made again."""
    own, mark, _ = TARGET.read_text("utf-8").partition(MARK)
    return own + mark + generated()


def _section(stream: Stream) -> str:
    said, titles = sources_of(stream.name), stream_words()[stream.name]
    names = ", ".join(titles.say("title", language) for language in LANGUAGES)
    about = "".join(f"- {text}\n" for text in said.get("about", ()))
    writer = "HQ" if stream.writer == HQ else "its center"
    return (
        f"\n## `{stream.name}`: {names}\nReported by {writer}. Source: {said['stream']}.\n{about}\n"
        + "".join(_events(stream))
        + "".join(_statuses(stream))
        + "".join(_fields(stream))
        + "".join(_rules(stream))
    )


def _events(stream: Stream) -> Iterator[str]:
    said = stream_words()[stream.name]
    yield "| event | what it says | from | to | source |\n|---|---|---|---|---|\n"
    for kind in _newest(stream):
        before = ", ".join(sorted(f"`{status}`" if status else "new" for status in kind.legal_in))
        after = f"`{kind.status_after}`" if kind.status_after else "same"
        text = said.say(f"events.{kind.name}", "en")
        yield f"| `{kind.name}` | {text} | {before} | {after} | {sources_of(stream.name)['events'][kind.name]} |\n"


def _statuses(stream: Stream) -> Iterator[str]:
    said = stream_words()[stream.name]
    yield "\n| status | " + " | ".join(LANGUAGES) + " | source |\n|---|---|---|---|---|\n"
    for status in statuses(stream):
        texts = " | ".join(said.say(f"statuses.{status}", language) for language in LANGUAGES)
        yield f"| `{status}` | {texts} | {sources_of(stream.name)['statuses'][status]} |\n"


def _fields(stream: Stream) -> Iterator[str]:
    facts = facts_of(stream) if stream in mapped_streams() else None
    yield "\n| field | required | what it is | source |\n|---|---|---|---|\n"
    for name in dict.fromkeys(name for kind in _newest(stream) for name in kind.model.model_fields):
        needed = "yes" if _is_required(stream, name) else ""
        text = f"{_meaning(stream, name, facts)}{_codes(stream, name)}"
        yield f"| `{name}` | {needed} | {text} | {sources_of(stream.name)['fields'][name]} |\n"


def _meaning(stream: Stream, name: str, facts: StreamFacts | None) -> str:
    if facts is None:
        return stream_words()[stream.name].say(f"fields.{name}", "en")
    return f"{explanation(stream.name, name, 'en')} ({form_text(facts.of(name), 'en')})"


def _codes(stream: Stream, name: str) -> str:
    found = {code: None for kind in _newest(stream) for code in own_codes(kind.model).get(name, ())}
    return ": " + ", ".join(f"`{code}`" for code in found) if found else ""


def _is_required(stream: Stream, name: str) -> bool:
    field = stream.record.model_fields.get(name)
    return field is not None and field.is_required()


def _rules(stream: Stream) -> Iterator[str]:
    """Yield the rules between fields: those of every record, then what one event asks for beside them."""
    every = stream.record.crossed
    if every:
        yield "\nRules between fields: " + "; ".join(_rule(rule) for rule in every) + ".\n"
    for kind in _newest(stream):
        more = [rule for rule in kind.model.crossed if rule not in every]
        if more and kind.carries_record:
            yield f"\n`{kind.name}` asks for more: " + "; ".join(_rule(rule) for rule in more) + ".\n"


def _rule(rule: Crossed) -> str:
    text = CROSSED[rule.name][1].replace("`field`", f"`{rule.field}`")
    for name, value in rule.arguments.items():
        shown = ", ".join(f"`{one}`" for one in value) if isinstance(value, list) else f"`{value}`"
        text = text.replace(f"`{name}`", shown)
    return text


def _newest(stream: Stream) -> tuple[EventKind, ...]:
    found: dict[str, EventKind] = {}
    for kind in stream.events:
        found.setdefault(kind.name, kind)
    return tuple(found.values())


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8", newline="\n")
