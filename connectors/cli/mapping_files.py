"""The files that `connector mapping propose` writes, and the mappings that stand in their way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.base import durable, files

if TYPE_CHECKING:
    from connectors.cli.office import OpenedOffice
    from connectors.cli.worksheets import Worksheet
    from connectors.mapping import Mapping
    from schemas.words import Language

MAPPING_SUFFIX: Final = ".yaml"


def mapping_of(office: OpenedOffice, path: Path) -> Path:
    """Return where the mapping of a sheet goes that nobody has named a place for."""
    return office.mappings_folder / f"{path.stem}{MAPPING_SUFFIX}"


def mappings_that_read(office: OpenedOffice) -> Iterator[Mapping]:
    """Yield the office's mappings but those that are broken: one of them may be what is to be made anew."""
    from connectors.runtime.office import read_mappings

    folder = office.mappings_folder
    yield from read_mappings(folder).good if folder.is_dir() else []


def targets_for(office: OpenedOffice, path: Path, out: Path | None, *, ask: bool, count: int) -> list[Path]:
    """Return where each worksheet's mapping goes, nothing if none is written. Errors: OfficeError."""
    from connectors.runtime.told import OfficeError

    if out is None and not ask:
        return []
    first = out or mapping_of(office, path)
    if first.suffix not in (MAPPING_SUFFIX, ".yml"):
        raise OfficeError("propose.suffix", suffix=MAPPING_SUFFIX, found=first.name)
    return [first, *(first.with_name(f"{first.stem}-{number}{first.suffix}") for number in range(2, count + 1))]


def replaced_sample(office: OpenedOffice, path: Path, targets: list[Path], language: Language) -> Path | None:
    """Return the mapping of the sample, if it would take this sheet and the person who is there gives it up."""
    from connectors.cli.sample import is_sample
    from connectors.cli.wizard import answer
    from connectors.propose.guess import Option, Question, Told

    folder = office.mappings_folder
    found = [
        folder / mapping.name
        for mapping in mappings_that_read(office)
        if (mapping.matches(path.name) or folder / mapping.name in targets) and is_sample(folder / mapping.name)
    ]
    if not found:
        return None
    options = (Option("yes", Told("options.replace_sample")), Option("no", Told("options.keep_sample")))
    told = Told("questions.sample", {"mapping": str(found[0]), "file": path.name})
    chosen = answer(Question("sample", told, options, suggested="yes"), language)
    return found[0] if chosen == ("yes",) else None


def check_targets(
    office: OpenedOffice,
    path: Path,
    targets: list[Path],
    worksheets: list[Worksheet],
    *,
    force: bool,
    replaced: Path | None,
) -> None:
    """Errors: OfficeError, if a mapping is there already, or another one takes the sheet before it."""
    from connectors.runtime.told import OfficeError

    for target in targets:
        if target.exists() and not force and target != replaced:
            raise OfficeError("propose.is_there", path=target)
    if not targets:
        return
    own = {target.name for target in targets} | ({replaced.name} if replaced is not None else set())
    names = {found.name for found in worksheets if found.sheet is not None}
    for mapping in mappings_that_read(office):
        if mapping.name not in own and mapping.matches(path.name) and mapping.format.sheet in (None, *names):
            raise OfficeError("propose.taken", mapping=office.mappings_folder / mapping.name, file=path.name)


def write_mapping(target: Path, text: str) -> None:
    """Write a mapping. Errors: OfficeError."""
    from connectors.runtime.told import OfficeError, os_reason

    try:
        files.make_folder(target.parent)
        durable.write(target, text.encode())
    except OSError as exc:
        raise OfficeError("errors.os", path=target, reason=os_reason(exc)) from exc
