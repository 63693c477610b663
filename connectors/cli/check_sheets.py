"""What `connector check` says of the sheets: each is read as `run` reads it, to its last row, and nothing is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from connectors.cli.check import Checked
from connectors.cli.office import OpenedOffice
from hub.protocol.errors import CohubError
from schemas.words.said import said

if TYPE_CHECKING:
    from collections.abc import Iterable

    from connectors.cli.office import Sheet
    from connectors.cli.speaker import Speaker
    from connectors.mapping import RowOutcome
    from schemas.words import Language

SHEET: Final = "sheet"
_CODES_MAX: Final = 5
Named = dict[str, tuple[str, bytes]]  # by entity: the unit that names it first, and what it wants


def check_sheets(office: OpenedOffice) -> Iterator[Checked]:
    """Yield what is to be said of each sheet, of its copies, and of files that are not read, with what to do."""
    from connectors.runtime.aside import copy_reason, find_beside
    from connectors.runtime.notice import in_words
    from connectors.runtime.outbox.rows import FileState
    from connectors.source.copy import find_copies, is_copy
    from connectors.source.folder import FolderSettings

    try:
        paths = office.sheets()
    except CohubError as exc:
        yield Checked(SHEET, False, exc)
        return
    try:
        mappings = office.mappings()
    except CohubError:
        return  # said already, under mappings
    names = {path.relative_to(office.sources).as_posix(): path for path in paths}
    language = office.settings.language
    named: Named = {}
    told = 0
    for name in sorted(names, key=lambda name: (is_copy(name), name)):
        for finding in _check_file(office, name, named):
            told += 1
            yield finding
    for name, of in find_copies(names).items():
        reason = copy_reason(of)
        yield Checked("copy", None, reason.message, name, in_words(FileState.UNMAPPED, reason, language))
    known = ", ".join(pattern for mapping in mappings for pattern in mapping.files)
    for beside in find_beside(FolderSettings(path=office.sources, depth_max=office.settings.depth_max), mappings):
        told += 1
        is_wrong = beside.name in names or beside.what in ("sheet", "other_kind", "odd_name", "unlisted")
        hint = f"; there are mappings for: {known}" if beside.what == "sheet" else ""
        local = in_words(FileState.UNMAPPED, beside.reason, language)
        yield Checked(SHEET, False if is_wrong else None, f"{beside.reason.message}{hint}", beside.name, local)
    if not told:
        yield Checked(SHEET, None, said("check.no_sheet", path=office.sources))


def _check_file(office: OpenedOffice, name: str, named: Named) -> Iterator[Checked]:
    from connectors.runtime.units import units_of

    try:
        units = units_of(office.mappings(), name)
    except CohubError as exc:
        yield Checked(SHEET, False, exc, name)
        return
    for unit in units:
        try:
            yield _check_unit(office, office.read_unit(unit), named)
        except CohubError as exc:
            yield Checked(SHEET, False, exc, unit.name)


def _check_unit(office: OpenedOffice, sheet: Sheet, named: Named) -> Checked:
    from connectors.cli.person import open_persons
    from connectors.mapping.outcome import Outcomes

    with open_persons(office) as persons:  # read only: nobody new gets a key by being looked at
        found = Outcomes(sheet.mapping, sheet.table, office.settings.center, persons.seal)
        codes, refused = _refusals(found, sheet, named)
    in_english, local = (_unit_text(sheet, codes, refused, language) for language in ("en", office.settings.language))
    return Checked(SHEET, not refused, in_english, sheet.name, local)


def _unit_text(sheet: Sheet, codes: Counter[str], refused: int, language: Language) -> str:
    from connectors.cli.preview import warning_text
    from connectors.cli.speaker import Speaker

    speaker = Speaker(language)
    text = speaker.say("check.sheet", rows=sheet.table.row_count, mapping=sheet.mapping.name)
    if refused:
        text += speaker.say("check.refused", count=refused, codes=_tell(codes, speaker))
    for warning in sheet.table.warnings:
        text += speaker.say(
            "check.note", text=warning_text(str(warning.code), warning.column, warning.message, speaker)
        )
    return text


def _refusals(found: Iterable[RowOutcome], sheet: Sheet, named: Named) -> tuple[Counter[str], int]:
    """Return how many rows are refused, and how often for what; note which entities the sheet names."""
    codes: Counter[str] = Counter()
    refused = 0
    for outcome in found:
        problems = {str(problem.code) for problem in outcome.problems}
        if outcome.key:
            other = named.setdefault(f"{sheet.mapping.stream}/{outcome.key}", (sheet.name, outcome.fingerprint))
            if other[0] != sheet.name and other[1] != outcome.fingerprint:
                problems.add(f"DUPLICATE_KEY ({other[0]})")
        codes.update(problems)
        refused += bool(problems)
    return codes, refused


def _tell(codes: Counter[str], speaker: Speaker) -> str:
    from connectors.runtime.explanation import message

    told = [
        f"{count} {code}: {message(code.partition(' ')[0], speaker.language)}" for code, count in codes.most_common()
    ]
    more = speaker.say("check.more_codes", count=len(told) - _CODES_MAX) if len(told) > _CODES_MAX else ""
    return "; ".join(told[:_CODES_MAX]) + more + speaker.say("check.see_preview")
