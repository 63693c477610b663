"""`connector preview`: what a sheet says and what is wrong in it, before anything is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice, Sheet
from connectors.cli.speaker import Speaker
from hub.base.output import as_json, line
from hub.protocol.errors import CohubError

if TYPE_CHECKING:
    from connectors.mapping import PersonField, RowOutcome
    from connectors.runtime.persons import Persons
    from schemas.words import Language

_PROBLEMS_SHOWN = 50
_SKIPPED_SHOWN = 10


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(preview)


def preview(
    file: Annotated[Path | None, typer.Argument(help="A sheet; without one, all in the folder.")] = None,
    rows: Annotated[int, typer.Option("--rows", "-n", min=0, help="How many rows to show in full.")] = 3,
    office: OfficeFolder = Path(),
    json: Json = False,
) -> None:
    """Show how a sheet is read, its first rows as wanted states and events, and every error by row and column.

    Nothing is sent and nothing is written.

    Examples:

      connector preview

      connector preview offers.xlsx --rows 10
    """
    from connectors.runtime.told import OfficeError

    opened = OpenedOffice.open(office)
    speaker = opened.speaker
    mappings = opened.mappings()
    paths = [_find(opened, file)] if file is not None else opened.sheets()
    if not paths:
        raise OfficeError("preview.no_sheet", path=opened.sources)
    shown = []
    for path in paths:
        name = path.name
        try:
            for unit in opened.units(path, mappings):
                name = unit.name
                shown.append(_describe(opened, opened.read_unit(unit, path), rows))
        except CohubError as exc:
            if file is not None:
                raise
            shown.append({"file": name, "error": str(exc), "told": speaker.error(exc)})
    if json:
        as_json(shown[0] if file is not None and len(shown) == 1 else shown)
        return
    for number, entry in enumerate(shown):
        if number:
            line()
        _show(entry, speaker)


def _find(office: OpenedOffice, file: Path) -> Path:
    for path in (file, office.sources / file):
        if path.is_file():
            return path
    from connectors.runtime.told import OfficeError

    raise OfficeError("preview.no_file", file=file, path=office.sources)


def _describe(office: OpenedOffice, sheet: Sheet, count: int) -> dict[str, Any]:
    from connectors.cli.person import open_persons
    from connectors.mapping.outcome import Outcomes

    table = sheet.table
    with open_persons(office) as persons:  # read only: nobody new gets a key by being looked at
        found = Outcomes(sheet.mapping, table, office.settings.center, persons.seal)
        described = _described(office, sheet, list(found), count, persons)
        return described | {"skipped": [{"row": row, "why": reason.name} for row, reason in found.skipped]}


def _described(
    office: OpenedOffice, sheet: Sheet, found: list[RowOutcome], count: int, persons: Persons
) -> dict[str, Any]:
    table = sheet.table
    refused = [outcome for outcome in found if outcome.problems]
    blank = table.blank_count + sum(outcome.blank for outcome in found)
    repeated = sum(outcome.duplicate_of is not None for outcome in found)
    good = [outcome for outcome in found if outcome.wanted is not None]
    form = {
        name: value for name, value in table.format.model_dump().items() if value is not None and name != "detected"
    }
    return {
        "file": sheet.name,
        "mapping": sheet.mapping.name,
        "stream": sheet.mapping.stream,
        "format": form,
        "detected": sorted(table.format.detected & set(form)),
        "warnings": [{"code": str(w.code), "column": w.column, "message": w.message} for w in table.warnings],
        "rows": {
            "rows": table.row_count,
            "good": len(good) - repeated,
            "refused": len(refused),
            "repeated": repeated,
            "blank": blank,
        },
        "first": _with_events(office, good[:count], persons),
        "problems": [
            _problem(outcome, problem, office.settings.language) for outcome in refused for problem in outcome.problems
        ],
        "remarks": [
            _problem(outcome, remark, office.settings.language)
            for outcome in good
            if outcome.wanted is not None
            for remark in outcome.wanted.remarks
        ],
    }


def _with_events(office: OpenedOffice, chosen: list[RowOutcome], persons: Persons) -> list[dict[str, Any]]:
    """Return rows as wanted states with the events they need now; what the outbox knows of each entity counts."""
    from connectors.mapping import PersonField
    from connectors.reconcile.plan import NoTransition, plan
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.beliefs import presumed
    from hub.domain.catalogue import STREAMS
    from hub.domain.sealed import sealed_fields

    wanted = [(outcome.row, outcome.wanted) for outcome in chosen if outcome.wanted is not None]
    known = {}
    if office.outbox.exists():
        with Outbox(office.outbox, read_only=True) as outbox, outbox.database.transaction() as connection:
            known = presumed(connection, [f"{state.stream}/{state.subject}" for _, state in wanted])
    shown = []
    for row, state in wanted:
        before = known.get(f"{state.stream}/{state.subject}")
        try:
            events = [planned.kind.type for planned in plan(STREAMS[state.stream], before, state)]
        except NoTransition as exc:
            events = [str(exc)]
        names = STREAMS[state.stream].record.model_fields
        record = {name: state.record[name] for name in names if state.record[name] not in (None, [])}
        for name in sealed_fields(STREAMS[state.stream].record):
            if name in record:
                record[name] = _read_sealed(
                    office, persons, PersonField(state.stream, state.subject, name), record[name]
                )
        shown.append(
            {
                "row": row,
                "entity": state.subject,
                "status": state.status,
                "record": record,
                "occurred_at": state.occurred_at,
                "reason": state.reason,
                "events": events,
            }
        )
    return shown


def _read_sealed(office: OpenedOffice, persons: Persons, place: PersonField, text: str) -> str:
    """Return what HQ will not see, as the office sees it in the sheet anyway."""
    from connectors.cli.person import in_order

    parts = persons.unseal(place, text)
    if parts is None:
        return office.speaker.say("person.erased")
    return office.speaker.say("preview.sealed") + " " + ", ".join(f"{name}={value}" for name, value in in_order(parts))


def _problem(outcome: RowOutcome, problem: Any, language: Language) -> dict[str, Any]:
    from connectors.runtime.explanation import message

    return {
        "row": outcome.row,
        "column": problem.column,
        "field": problem.field,
        "code": str(problem.code),
        "params": problem.params,
        "message": message(problem.code, language),
    }


def _show(entry: dict[str, Any], speaker: Speaker) -> None:
    if "error" in entry:
        speaker.tell("preview.refused", file=entry["file"], reason=entry["told"])
        return
    speaker.tell("preview.file", file=entry["file"], stream=entry["stream"], mapping=f"mappings/{entry['mapping']}")
    form = "; ".join(
        f"{name} {_quoted(value, speaker)}" + (f" ({speaker.say('preview.detected')})" if is_detected else "")
        for name, value in entry["format"].items()
        for is_detected in (name in entry["detected"],)
    )
    line("  " + speaker.say("preview.form", form=form))
    for warning in entry["warnings"]:
        line(
            "  "
            + speaker.say(
                "preview.look", text=warning_text(warning["code"], warning["column"], warning["message"], speaker)
            )
        )
    counts = (f"{speaker.say(f'preview.count_{name}')} {count}" for name, count in entry["rows"].items())
    line("  " + ", ".join(counts))
    _show_skipped(entry["skipped"], speaker)
    for row in entry["first"]:
        _show_row(row, entry["stream"], speaker)
    _show_problems(entry, speaker)


def _show_skipped(skipped: list[dict[str, Any]], speaker: Speaker) -> None:
    """Say which rows are taken for no data, by why they are."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one["why"], []).append(str(one["row"]))
    for why, rows in by_reason.items():
        shown = ", ".join(rows[:_SKIPPED_SHOWN]) + (" …" if len(rows) > _SKIPPED_SHOWN else "")
        line("  " + speaker.say(f"preview.skipped_{why}", rows=shown, count=len(rows)))


def _show_row(row: dict[str, Any], stream: str, speaker: Speaker) -> None:
    from connectors.runtime.local_time import show_time
    from schemas.words import NO_WORDS, stream_words

    known = stream_words().get(stream, NO_WORDS)

    def word(name: str, otherwise: str) -> str:
        return known.find(name, speaker.language) or otherwise

    status = word(f"statuses.{row['status']}", row["status"])
    line("  " + speaker.say("preview.row", row=row["row"], entity=row["entity"], status=status))
    for name, value in row["record"].items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        line(f"      {word(f'fields.{name}', name)}: {text if len(text) <= 120 else text[:117] + '...'}")
    if row["occurred_at"]:
        line("      " + speaker.say("preview.happened", at=show_time(row["occurred_at"])))
    if row["reason"]:
        line("      " + speaker.say("preview.says", values=", ".join(f"{k}={v}" for k, v in row["reason"].items())))
    events = ", ".join(word(f"events.{_event_name(event)}", event) for event in row["events"])
    line("      " + (speaker.say("preview.events", events=events) if events else speaker.say("preview.no_events")))


def _event_name(event: str) -> str:
    """Return `published` of `net.cohub.offer.published.v1`."""
    parts = event.split(".")
    return parts[-2] if len(parts) > 1 else event


def _show_problems(entry: dict[str, Any], speaker: Speaker) -> None:
    from connectors.mapping.problem import Problem
    from connectors.runtime.explanation import explain, remedy

    told = []
    for p in (*entry["problems"], *entry["remarks"]):
        problem = Problem(p["column"], p["field"], p["code"], p["params"])
        text = explain(problem, speaker.language, entry["stream"])
        told.append(speaker.say("preview.problem", row=p["row"], code=p["code"], text=text))
    told = list(dict.fromkeys(told))  # one cell may serve two fields
    for text in told[:_PROBLEMS_SHOWN]:
        line(f"  {text}")
    if len(told) > _PROBLEMS_SHOWN:
        line("  " + speaker.say("preview.more", count=len(told) - _PROBLEMS_SHOWN))
    for code in dict.fromkeys(p["code"] for p in (*entry["problems"], *entry["remarks"])):
        if text := remedy(code, speaker.language):
            line("  " + speaker.say("preview.remedy", code=code, text=text))


def _quoted(value: object, speaker: Speaker) -> str:
    """Return a value of the file's form between quotation marks, so that blanks and semicolons are seen."""
    if isinstance(value, bool):
        return speaker.say("preview.yes") if value else speaker.say("preview.no")
    if isinstance(value, tuple | list | set | frozenset):
        return ", ".join(_quoted(one, speaker) for one in value)
    return speaker.say("preview.quoted", value="\\t" if value == "\t" else value)


def warning_text(code: str, column: str | None, message: str, speaker: Speaker) -> str:
    """Return a note on a file: what it is about by its code, in the office's language."""
    from schemas.words import words
    from schemas.words.said import FILE

    if speaker.language != "en" and f"preview.warning_{code}" in words(FILE).texts:
        text = speaker.say(f"preview.warning_{code}")
    else:
        text = speaker.say("preview.warning", detail=message)
    return speaker.say("preview.in_column", column=column, text=text) if column else text
