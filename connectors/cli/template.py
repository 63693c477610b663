"""`connector template`: a workbook to fill in, and the mapping that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.cli.fields import LanguageOption, language_of, streams_named
from connectors.cli.mapping_files import mapping_of
from connectors.cli.office import OfficeFolder, OpenedOffice
from connectors.cli.speaker import Speaker
from hub.base import durable, files
from hub.base.output import line

if TYPE_CHECKING:
    from connectors.mapping import Mapping

SUFFIX = ".xlsx"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(template)


def template(
    stream: Annotated[str, typer.Argument(help="A stream, such as offer; `connector fields` lists them.")],
    language: LanguageOption = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The workbook. Default: <stream>.xlsx among the sheets."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the workbook and its mapping.")] = False,
    office: OfficeFolder = Path(),
) -> None:
    """Write a workbook with drop-downs and notes, and its mapping into mappings/: it needs no other work.

    Examples:

      connector template offer --language ru

      connector template partner --language zh --out partners-2026.xlsx
    """
    from connectors.cli.template_book import sheet_name, template_words, write_book
    from connectors.propose.draft import to_yaml
    from connectors.propose.facts import facts_of
    from connectors.propose.template import columns, mapping
    from connectors.runtime.told import OfficeError, os_reason
    from schemas.words import words

    opened = OpenedOffice.open(office)
    chosen = language_of(language, office)
    (wanted,) = streams_named(stream)
    facts = facts_of(wanted)
    book = out or opened.sources / f"{facts.name}{SUFFIX}"
    if book.suffix.lower() != SUFFIX:
        raise OfficeError("propose.suffix", suffix=SUFFIX, found=book.name)
    target = mapping_of(opened, book)
    for path in (book, target):
        if path.exists() and not force:
            raise OfficeError("propose.is_there", path=path)
    said = template_words(facts, chosen)
    sheet = sheet_name(facts, chosen)
    head = words("template").say("mapping.made", chosen, file=book.name, sheet=sheet)
    text = to_yaml(mapping(facts, said, book.name, sheet, (head,)))
    _check_is_free(opened, book.name, target.name)
    try:
        files.make_folder(target.parent)
        write_book(book, facts, columns(facts, said), chosen, book.name)
        durable.write(target, text.encode())
    except OSError as exc:
        raise OfficeError("errors.os", path=exc.filename or book, reason=os_reason(exc)) from exc
    speaker = Speaker(chosen, office)
    speaker.tell("propose.fill_in", book=book, sheet=sheet, mapping=target)
    if book.resolve().parent != opened.sources.resolve():
        line(words("propose").say("told.put", chosen, folder=opened.sources.resolve(), file=book.name))
    speaker.tell("propose.then")


def _check_is_free(office: OpenedOffice, name: str, own: str) -> None:
    """Errors: OfficeError, if another mapping takes a workbook of this name first."""
    from connectors.runtime.office import read_mappings
    from connectors.runtime.told import OfficeError

    folder = office.mappings_folder
    found: list[Mapping] = read_mappings(folder).good if folder.is_dir() else []
    taken = [mapping.name for mapping in found if mapping.name != own and mapping.matches(name)]
    if taken:
        raise OfficeError("propose.taken", mapping=folder / taken[0], file=name)
