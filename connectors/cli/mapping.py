"""`connector mapping propose`: a mapping guessed from a sheet, shown, asked about, written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.cli.fields import LanguageOption, language_of
from connectors.cli.mapping_files import (
    check_targets,
    mapping_of,
    mappings_that_read,
    replaced_sample,
    targets_for,
    write_mapping,
)
from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base import files
from hub.base.output import as_json, line, table

if TYPE_CHECKING:
    from connectors.cli.worksheets import Worksheet
    from connectors.mapping import PersonField, PersonSaid, RowOutcome
    from connectors.propose.draft import Draft
    from connectors.propose.proposal import Proposal
    from connectors.propose.sources import Context
    from connectors.source.table import Limits
    from schemas.words import Language

app = typer.Typer(help="How sheets are read: mappings, made without writing YAML.", no_args_is_help=True)
_REFUSED_SHOWN = 10


@app.callback()
def _group() -> None:
    """Keep `propose` a command of the group, though it is the only one."""


@app.command("propose")
def propose_mapping(
    file: Annotated[Path, typer.Argument(help="A sheet: CSV, XLSX or JSON lines.")],
    ask: Annotated[bool, typer.Option("--ask", help="Ask for what the sheet leaves open, then write and try.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the mapping. With --ask: mappings/<file>.yaml."),
    ] = None,
    sheet: Annotated[
        str | None, typer.Option("--sheet", help="One worksheet. Default: each that holds a table.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option("--encoding", help="Of a CSV file whose text reads in several, such as windows-1251.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the mapping.")] = False,
    language: LanguageOption = None,
    office: OfficeFolder = Path(),
    json: Json = False,
) -> None:
    """Guess the mapping of a sheet from its names and cells, and say why; what is open is asked and never guessed.

    A mapping that is written with open questions takes no sheet before they are answered. Nothing is sent.

    Examples:

      connector mapping propose offers.xlsx

      connector mapping propose offers.xlsx --ask

      connector mapping propose offers.xlsx --out mappings/offers.yaml
    """
    from connectors.cli.wizard import answer_all
    from connectors.propose.proposal import propose

    opened, chosen = OpenedOffice.open(office), language_of(language, office)
    path = _find(opened, file)
    context = _context(opened, chosen)
    worksheets = _worksheets(path, context, opened.settings.limits, sheet, encoding, chosen if ask else None)
    told: list[dict[str, Any]] = []
    written: list[Path] = []
    targets = targets_for(opened, path, out, ask=ask, count=sum(found.sheet is not None for found in worksheets))
    replaced = replaced_sample(opened, path, targets, chosen) if ask and not force else None
    check_targets(opened, path, targets, worksheets, force=force, replaced=replaced)
    taken: dict[str, frozenset[tuple[str, ...]]] = {}
    for found in worksheets:
        if found.sheet is None:
            if not json:
                line(_say("told.empty", chosen, sheet=found.name or path.name))
            continue
        part = replace(found.sheet, taken=taken)
        proposal = propose(part, context, {})
        if ask:
            _show(path, found, proposal, chosen, with_questions=False)
            proposal = answer_all(part, context, chosen)
        if proposal.draft is not None:
            stream = proposal.draft.stream
            taken = {**taken, stream: taken.get(stream, frozenset()) | proposal.keys}
        if proposal.is_left_out:
            line(_say("told.left_out", chosen))
            continue
        target = targets.pop(0) if targets else None
        text = _text(path, found, proposal, chosen)
        if target is not None:
            write_mapping(target, text)
            written.append(target)
            if replaced is not None and replaced not in written:  # the new one may have its very name
                files.remove(replaced)
        if json:
            told.append(_plain(path, found, proposal, text, chosen))
            continue
        _show(path, found, proposal, chosen)
        _tell_next(opened, path, proposal, target, text, chosen)
    if json:
        as_json(told)


def _worksheets(
    path: Path, context: Context, limits: Limits, sheet: str | None, encoding: str | None, asking: Language | None
) -> list[Worksheet]:
    """Return the worksheets of a file; where its text reads in several encodings, the person who is there is asked.

    Errors: FileRefused; UsageError.
    """
    from connectors.cli.wizard import answer
    from connectors.cli.worksheets import encoding_question, read_worksheets
    from connectors.runtime.told import OfficeError
    from connectors.source.charset import UnknownEncoding, known_encoding
    from connectors.source.problem import FileCode, FileRefused

    try:
        known = None if encoding is None else known_encoding(encoding)
    except UnknownEncoding as exc:
        raise OfficeError("propose.no_encoding", encoding=encoding) from exc
    data = _bytes(path, limits.file_bytes_max)
    try:
        return read_worksheets(path, data, context.vocabulary, limits, sheet, known)
    except FileRefused as exc:
        if exc.code is not FileCode.ENCODING_UNCERTAIN:
            raise
        if asking is None:
            raise OfficeError("propose.which_encoding", file=path.name) from exc
        chosen = answer(encoding_question(data), asking)
        if not chosen:
            raise
        return read_worksheets(path, data, context.vocabulary, limits, sheet, chosen[0])


def _context(office: OpenedOffice, language: Language) -> Context:
    from connectors.mapping.path import mapped_streams
    from connectors.propose.facts import facts_of
    from connectors.propose.sources import Context
    from schemas.vocabulary import labels, vocabulary

    prefixes: dict[str, set[str]] = {}
    for mapping in mappings_that_read(office):
        prefixes.setdefault(mapping.stream, set()).add(mapping.key_prefix)
    return Context(
        vocabulary(),
        labels(language),
        tuple(facts_of(stream) for stream in mapped_streams()),
        {stream: tuple(sorted(found)) for stream, found in prefixes.items()},
    )


def _find(office: OpenedOffice, file: Path) -> Path:
    from connectors.runtime.told import OfficeError

    for path in (file, office.sources / file):
        if path.is_file():
            return path
    raise OfficeError("propose.no_file", file=file, folder=office.sources)


def _bytes(path: Path, bytes_max: int) -> bytes:
    from connectors.runtime.told import OfficeError, os_reason

    try:
        return files.read_named(path, bytes_max)
    except OSError as exc:
        raise OfficeError("errors.os", path=path, reason=os_reason(exc)) from exc


def _text(path: Path, found: Worksheet, proposal: Proposal, language: Language) -> str:
    """Return the mapping with a comment on each guess, and the open questions in it."""
    from connectors.cli.wizard import say
    from connectors.propose.draft import Draft, file_pattern, to_yaml

    draft: Draft = proposal.draft or Draft(
        (file_pattern(path.name),), "?", format=found.sheet.form if found.sheet else {}
    )
    questions = tuple(say(question.text, language) for question in proposal.needed)
    head = [_say("mapping.made", language, file=path.name), _say("mapping.change", language)]
    if questions:
        head.append(_say("mapping.todo", language))
    whys = {
        guess.place: f"{_say(f'sure.{guess.sure}', language)}: {say(guess.why, language)}" for guess in proposal.guesses
    }
    left_out = [_say("told.unused", language, columns=", ".join(proposal.unused))] if proposal.unused else []
    return to_yaml(replace(draft, head=tuple(head), questions=questions, left_out=tuple(left_out)), whys)


def _show(path: Path, found: Worksheet, proposal: Proposal, language: Language, *, with_questions: bool = True) -> None:
    from connectors.cli.preview import warning_text
    from connectors.cli.wizard import say

    rows = len(found.table.rows)
    name = "told.sheet" if found.name else "told.file"
    line(_say(name, language, sheet=found.name or "", file=path.name, rows=rows))
    if proposal.guesses:
        table(
            "",
            [_say(f"headers.{column}", language) for column in ("setting", "source", "sure", "why")],
            [
                [
                    guess.place.removeprefix("fields.").removeprefix("persons."),
                    guess.source,
                    _say(f"sure.{guess.sure}", language),
                    say(guess.why, language),
                ]
                for guess in proposal.guesses
            ],
        )
    speaker = Speaker(language)
    for warning in found.table.warnings:
        line(f"  {warning_text(str(warning.code), warning.column, warning.message, speaker)}")
    unused = [name for name in proposal.unused if name not in proposal.personal]
    if unused:
        line(_say("told.unused", language, columns=", ".join(unused)))
    if proposal.personal:
        line(_say("told.personal", language, columns=", ".join(proposal.personal)))
    if with_questions and proposal.needed:
        line(_say("told.questions", language))
        for question in proposal.needed:
            line(f"  ? {say(question.text, language)}")


def _tell_next(
    office: OpenedOffice,
    path: Path,
    proposal: Proposal,
    target: Path | None,
    text: str,
    language: Language,
) -> None:
    """Say what became of the mapping, how many rows it reads, and what comes next."""
    from connectors.runtime.explanation import explain

    count = len(proposal.needed)
    if not count:
        tried = _try(office, text, path)
        refused = [row for row in tried if row.problems]
        good = sum(row.wanted is not None for row in tried)
        line(_say("told.good", language, good=good, refused=len(refused)))
        stream = proposal.draft.stream if proposal.draft else ""
        for row in refused[:_REFUSED_SHOWN]:
            line(f"  {row.row}: {'; '.join(explain(problem, language, stream) for problem in row.problems)}")
        if len(refused) > _REFUSED_SHOWN:
            line(f"  {_say('told.more_refused', language, count=len(refused) - _REFUSED_SHOWN)}")
        if refused and not good:
            line(_say("told.none_good", language))
    if target is None:
        if count:
            line(_say("told.ask", language, command=_command(office, "mapping", "propose", path, "--ask")))
        out = mapping_of(office, path)
        line(_say("told.write", language, command=_command(office, "mapping", "propose", path, "--out", out)))
        return
    line(_say("told.unfinished" if count else "told.written", language, out=target, n=count))
    if path.resolve().parent != office.sources.resolve():
        line(_say("told.put", language, folder=office.sources.resolve(), file=path.name))
    if not count:
        line(_say("told.next", language, check=_command(office, "check"), run=_command(office, "run")))


def _try(office: OpenedOffice, text: str, path: Path) -> list[RowOutcome]:
    """Return what the mapping makes of the sheet's rows. Errors: UsageError or FileRefused, if it can't be used."""
    from connectors.mapping import Instead, outcomes, read_mapping
    from connectors.source import load

    def seal(place: PersonField, person: PersonSaid) -> Instead:  # noqa: ARG001 -- nobody gets a key by being looked at
        return Instead(None)

    mapping = read_mapping(text, "mapping")
    table = load(path, mapping.format_options(), office.settings.limits)
    return outcomes(mapping, table, office.settings.center, seal)


def _plain(path: Path, found: Worksheet, proposal: Proposal, text: str, language: Language) -> dict[str, Any]:
    from connectors.cli.wizard import say

    return {
        "file": path.name,
        "sheet": found.name,
        "rows": len(found.table.rows),
        "stream": proposal.draft.stream if proposal.draft else None,
        "guesses": [
            {"place": g.place, "from": g.source, "sure": g.sure, "why": say(g.why, language)} for g in proposal.guesses
        ],
        "questions": [
            {
                "id": question.id,
                "text": say(question.text, language),
                "options": [
                    {"answer": option.answer, "label": say(option.label, language)} for option in question.options
                ],
                "suggested": question.suggested,
            }
            for question in proposal.needed
        ],
        "unused": list(proposal.unused),
        "personal": list(proposal.personal),
        "mapping": text,
    }


def _say(name: str, language: Language, **values: object) -> str:
    from schemas.words import words

    return words("propose").say(name, language, **values)


def _command(office: OpenedOffice, *words: str | Path) -> str:
    """Return a command as it is typed here, for this office."""
    from shlex import join

    elsewhere = [] if office.path == Path() else ["--office", str(office.path)]
    return join(["connector", *map(str, words), *elsewhere])
