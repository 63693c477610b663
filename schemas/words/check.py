"""Whether the catalogue of words is complete: what people may be shown, by the closed lists of the code itself.

A stream needs a title, and a word for each of its events, statuses and fields and for each of its own codes, as its
domain file has them; codes of standards (ISO 3166, …) and of the lists that HQ publishes have none. Every closed list
of codes needs what is shown of each. A text that nothing asks for is a fault too: it would be translated for nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Final, get_args

import schemas
from connectors.cli.orphans import COLUMNS as ORPHANS_COLUMNS
from connectors.cli.sample import COLUMNS, EXAMPLES
from connectors.mapping.path import mapped_streams
from connectors.mapping.problem import LocalCode
from connectors.propose.facts import STANDARDS, Form
from connectors.propose.guess import SENTENCES, Sure
from connectors.propose.template import KEY, PERSON_PARTS, STATUS
from connectors.runtime.alarm_name import AlarmName
from connectors.runtime.alarms import BREAKS, TEXTS
from connectors.runtime.explanation import NOT_THE_SHEETS_FAULT, PARAMS
from connectors.runtime.notice import IS_COPY, NOTICE_CODES, NOTICE_HEADERS, NOTICE_STATES, TOLD_STATES
from connectors.runtime.notice import PARAMS as NOTICE_PARAMS
from connectors.runtime.outbox.rows import FileState
from connectors.runtime.verdicts import HEADERS, STATES
from connectors.runtime.witness import Why
from connectors.source.problem import FileCode, ProblemCode
from hub.audit.findings import What
from hub.domain.catalogue import STREAMS
from hub.domain.codes.country import COUNTRIES
from hub.domain.marks import own_codes
from hub.domain.stream import Stream
from hub.evidence.report import Check
from hub.hq.alarms import HALTS, PARTS, HqAlarm
from hub.hq.doctor.examined import CASES, Mark
from hub.hq.doctor.examined import Check as Examination
from hub.hq.rotation import PURPOSES
from hub.ledger.halt import Why as Halted
from hub.protocol.cause import CauseCode
from hub.protocol.errors import Malformed
from hub.protocol.verdict import Code
from schemas.vocabulary import NAMES
from schemas.words import LANGUAGES, STREAM_FILE, texts_in
from schemas.words.asked import asked_texts

# The page itself asks for most of its texts by name, as a test of it sees; only these groups are closed lists.
_PAGE: Final = "words/evidence.toml"
OFFICE: Final = "words/office.toml"
_PAGE_GROUPS: Final = frozenset({"checks", "failures", "purposes"})

FIELD_TEXTS: Final = (
    "required", "optional", "begins", "same", "whole_record", "only_change", "no_more", "list",
)  # fmt: skip
HEADERS_OF_FIELDS: Final = (
    "field", "name", "needed", "meaning", "code", "event", "before", "after", "says", "stream", "statuses",
)  # fmt: skip


def faults() -> list[str]:
    """Return everything that is wrong with the catalogue, each with its file and text."""
    wanted = needed()
    found = [f"{path}: nothing asks for this file" for path in schemas.paths(".toml") if path not in wanted]
    for path, names in wanted.items():
        try:
            texts = dict(texts_in(path, schemas.read(path)))
        except FileNotFoundError:
            found.append(f"{path}: missing")
            continue
        except Malformed as exc:
            found.append(str(exc))
            continue
        if path == OFFICE:
            found += list(_faults_of_office(texts))
            continue
        found += [f"{path}: {fault}" for fault in faults_of(texts, names, _PAGE_GROUPS if path == _PAGE else None)]
        for stream in mapped_streams():
            if path == f"{stream.name}/{STREAM_FILE}":
                found += [f"{path}: {fault}" for fault in same_names(stream, texts)]
    return found


def needed() -> dict[str, set[str]]:
    """Return the names of the texts that must be there, by the file's path."""
    wanted = {f"{name}/{STREAM_FILE}": set(names_of(stream)) for name, stream in STREAMS.items()}
    told = set(Code) - {Code.ACCEPTED} - NOT_THE_SHEETS_FAULT
    wanted["words/verdicts.toml"] = {*_each(Code, "message"), *_each(told, "remedy")}
    wanted["words/problems.toml"] = _each((*LocalCode, *ProblemCode), "message", "remedy")
    wanted["words/sheets.toml"] = {
        *_group("headers", HEADERS),
        *_group("states", STATES),
        *_group("params", PARAMS),
        *_group("remedies", ("ask_hq", "tell_support")),
    }
    wanted["words/alarms.toml"] = {
        *(str(text) for name in AlarmName for text in TEXTS[name]),
        *_group(BREAKS, Why),
        *(f"hq.{text}" for text in _each(HqAlarm, *PARTS)),
        *_group(HALTS, Halted),
    }
    states = (*TOLD_STATES, *NOTICE_STATES)
    wanted["words/notices.toml"] = {
        "old_verdicts",
        *_group("headers", NOTICE_HEADERS),
        *_group("params", NOTICE_PARAMS),
        *_group("states", states),
        # What is said of a file that is too large stands under its code alone.
        *_each((*(set(states) - {FileState.TOO_LARGE, IS_COPY}), *NOTICE_CODES, *FileCode), "message", "remedy"),
    }
    wanted["words/causes.toml"] = {
        "quoted",
        "unknown",
        "unknown_office",
        "unsaid",
        "todo",
        *_each(CauseCode, "message", "office", "hq"),
    }
    wanted["words/doctor.toml"] = {
        *_group("marks", Mark),
        *_group("names", Examination),
        *(f"{check}.{case}.message" for check, cases in CASES.items() for case in cases),
        *(
            f"{check}.{case}.remedy"
            for check, cases in CASES.items()
            for case, mark in cases.items()
            if mark != Mark.OK
        ),
    }
    wanted[OFFICE] = set()  # the code itself asks for each of them, see `schemas.words.asked`
    wanted["words/findings.toml"] = _each(What, "message", "meaning", "remedy")
    wanted[_PAGE] = {*_group("checks", Check), *_group("failures", Check), *_group("purposes", ("root", *PURPOSES))}
    offer = STREAMS["offer"]
    wanted["words/orphans.toml"] = {
        "none",
        "head",
        "file_gone",
        "remedy",
        "remedy_without_end",
        "in_status",
        "status_unknown",
        *_group("columns", ORPHANS_COLUMNS),
    }
    wanted["words/sample.toml"] = {
        *_group("columns", COLUMNS),
        *_group("export_control", own_codes(offer.record)["export_control"]),
        *_group("status", (kind.status_after for kind in offer.events if kind.status_after is not None)),
        *_group("examples", EXAMPLES),
    }
    wanted["words/fields.toml"] = set(_field_texts())
    wanted["words/template.toml"] = set(_template_texts())
    wanted["words/propose.toml"] = set(_propose_texts())
    return wanted


def faults_of(
    texts: Mapping[str, Mapping[str, str]], names: set[str], closed_groups: frozenset[str] | None = None
) -> Iterator[str]:
    """Yield what is wrong with a file's texts.

    Shapes: names are those that must be there; others are too many, unless the file has groups of which only
            `closed_groups` are closed lists.
    """
    for name in sorted(names - texts.keys()):
        yield f"{name}: missing"
    for name, text in texts.items():
        if name not in names and (closed_groups is None or name.partition(".")[0] in closed_groups):
            yield f"{name}: nothing asks for it"
        if text.keys() != set(LANGUAGES):
            yield f"{name}: expected {', '.join(LANGUAGES)}, came {', '.join(text)}"
        for language, said in text.items():
            if not said or (said != said.strip() and not name.startswith("params.")):
                yield f"{name}: {language} is empty, or begins or ends in a blank"
        if len({_places(said) for said in text.values()}) > 1:
            yield f"{name}: the places to fill in are not the same in all languages"


def _faults_of_office(texts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield what the code asks for and is not there, or without what a text wants; and what nobody asks for."""
    places = {name: frozenset(filter(None, _places(text.get("en", "")))) for name, text in texts.items()}
    asked = list(asked_texts())
    for one in asked:
        yield from one.faults(places)
    yield from (f"{OFFICE}: {fault}" for fault in faults_of(texts, set(texts)))
    for name in texts:
        if not any(one.name.fullmatch(name) for one in asked):
            yield f"{OFFICE}: {name}: nothing asks for it"


def names_of(stream: Stream) -> Iterator[str]:
    """Yield the name of every text that a stream needs."""
    is_mapped = stream.name in {mapped.name for mapped in mapped_streams()}
    yield "title"
    for kind in stream.events:
        yield f"events.{kind.name}"
        if kind.status_after is not None:
            yield f"statuses.{kind.status_after}"
        yield from _group("fields", kind.model.model_fields)
        for field, codes in own_codes(kind.model).items():
            yield from _group(f"codes.{field}", codes)
        if is_mapped:  # people write such rows: they are told what a field means, and may call its column otherwise
            yield "sheets"
            yield from _group("explanations", kind.model.model_fields)
            yield from _group("columns", kind.model.model_fields)
            if kind.status_after is not None:
                yield f"said.{kind.status_after}"


def same_names(stream: Stream, texts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield the fields that one language calls by the same name: the columns of a template could not be told apart."""
    for language in LANGUAGES:
        seen: dict[str, str] = {}
        for name in dict.fromkeys(name for kind in stream.events for name in kind.model.model_fields):
            said = texts.get(f"fields.{name}", {}).get(language, name).casefold()
            if said in seen:
                yield f"fields.{name}: {language} is the same as of {seen[said]}"
            seen[said] = name


def _field_texts() -> Iterator[str]:
    yield from FIELD_TEXTS
    yield from _group("headers", HEADERS_OF_FIELDS)
    yield from _group("titles", ("fields", "codes", "events", "changes"))
    yield from _group("forms", (*get_args(Form), "entity_foreign"))
    yield from _group("standards", STANDARDS)
    yield from _group("bounds", ("least", "most", "above", "below"))


def _template_texts() -> Iterator[str]:
    yield from (KEY, STATUS, "sheet", "person", "choose", "several", "mapping.made")
    yield from _group("notes", (KEY, STATUS, "person_id"))
    yield from _group("parts", PERSON_PARTS)
    yield from _group("intro", ("fill", "needed", "saved", "answer"))
    yield from _group("headers", ("column", "needed", "meaning", "form", "example"))


def _propose_texts() -> Iterator[str]:
    """Yield what a proposal says and looks for; a country has other names only if there are some."""
    yield from _group("names", NAMES)
    yield from _group("parts", PERSON_PARTS)
    yield from _group("sure", get_args(Sure))
    for group, names in SENTENCES.items():
        yield from _group(group, names)
    here = dict(texts_in("words/propose.toml", schemas.read("words/propose.toml")))
    yield from (name for name in here if name.startswith("countries.") and name.rpartition(".")[2] in COUNTRIES)


def _places(text: str) -> frozenset[str]:
    try:
        return frozenset(field for _, field, _, _ in Formatter().parse(text) if field is not None)
    except ValueError:
        return frozenset({"a brace that does not close"})


def _each(codes: Iterable[str], *parts: str) -> set[str]:
    return {f"{code}.{part}" for code in codes for part in parts}


def _group(group: str, names: Iterable[str]) -> set[str]:
    return {f"{group}.{name}" for name in names}
