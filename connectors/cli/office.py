"""What commands share: the office's options, its sheets, and private files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from connectors.cli.speaker import Speaker
from hub.base.durable import create_private
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from connectors.mapping import Mapping
    from connectors.runtime.settings import ConnectorSettings
    from connectors.runtime.units import Unit
    from connectors.source import Table
    from schemas.words.said import Said

OfficeFolder = Annotated[
    Path, typer.Option("--office", "-C", envvar="COHUB_OFFICE", help="The office folder. Default: the current one.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One source file, read, and the mapping that is for it."""

    name: str
    mapping: Mapping
    table: Table


@dataclass(frozen=True, slots=True)
class OpenedOffice:
    """An office folder with its settings, for commands that need neither key nor trust."""

    path: Path
    settings: ConnectorSettings

    @classmethod
    def open(cls, path: Path) -> OpenedOffice:
        """Return an office folder with its settings. Errors: UsageError."""
        from connectors.runtime.settings import Overrides, read_settings

        return cls(path, read_settings(path, Overrides()))

    @property
    def speaker(self) -> Speaker:
        """Who speaks to the people of this office."""
        return Speaker(self.settings.language, self.path)

    @property
    def sources(self) -> Path:
        """The folder that the sheets lie in."""
        return self.path / self.settings.folder

    @property
    def mappings_folder(self) -> Path:
        """The folder that the mappings lie in."""
        return self.path / self.settings.mappings

    @property
    def outbox(self) -> Path:
        """Where the outbox is."""
        from connectors.runtime.settings import OUTBOX

        return self.path / OUTBOX

    def existing_outbox(self) -> Path:
        """Return where the outbox is. Errors: UsageError if the connector has never run."""
        from connectors.runtime.told import OfficeError

        if not self.outbox.exists():
            raise OfficeError("errors.no_outbox", path=self.path)
        return self.outbox

    def mappings(self) -> list[Mapping]:
        """Return the mappings that can be used, by file name. Errors: UsageError, if there is none."""
        from connectors.runtime.office import read_mappings
        from connectors.runtime.told import OfficeError

        found = read_mappings(self.mappings_folder).usable()
        if not found:
            raise OfficeError("errors.no_mappings", path=self.mappings_folder)
        return found

    def bad_mappings(self) -> dict[str, Said]:
        """Return what is wrong with the mappings that can't be used, by file name. Errors: UsageError."""
        from connectors.runtime.office import read_mappings
        from connectors.runtime.told import told_of

        return {name: told_of(exc) for name, exc in read_mappings(self.mappings_folder).bad.items()}

    def sheets(self) -> list[Path]:
        """Return the files in the folder that are read, or that a mapping names, by name. Errors: UsageError."""
        from connectors.runtime.office import list_sheets
        from connectors.source.folder import FolderSettings

        patterns = tuple(pattern for mapping in self._mappings_or_none() for pattern in mapping.files)
        if self.settings.depth_max:
            patterns += tuple(f"*/{pattern}" for pattern in patterns)
        settings = FolderSettings(path=self.sources, depth_max=self.settings.depth_max)
        return [self.sources / name for name in sorted(list_sheets(settings, patterns))]

    def _mappings_or_none(self) -> list[Mapping]:
        try:
            return self.mappings()
        except UsageError:
            return []

    def units(self, path: Path, mappings: list[Mapping]) -> list[Unit]:
        """Return what is read by itself of a file, each with its mapping: one, or some of its worksheets.

        Errors: UsageError, if no mapping is for it, or several are and it is not said which takes what.
        """
        from connectors.runtime.told import OfficeError
        from connectors.runtime.units import units_of

        name = path.relative_to(self.sources).as_posix() if path.is_relative_to(self.sources) else path.name
        found = units_of(mappings, name)
        if not found:
            known = ", ".join(pattern for mapping in mappings for pattern in mapping.files)
            raise OfficeError("errors.no_mapping_for", file=path.name, known=known)
        return found

    def read_unit(self, unit: Unit, path: Path | None = None) -> Sheet:
        """Return one sheet; `path` is where it lies, if not among the sources. Errors: FileBusy, FileRefused."""
        from connectors.runtime.units import file_of
        from connectors.source import load

        where = path or self.sources / file_of(unit.name)
        return Sheet(unit.name, unit.mapping, load(where, unit.mapping.format_options(), self.settings.limits))


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner reads. Errors: UsageError, if it is there already or can't be."""
    from connectors.runtime.told import OfficeError, os_reason

    try:
        create_private(path, text + "\n")
    except FileExistsError as exc:
        raise OfficeError("errors.key_there", path=path) from exc
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=path, reason=os_reason(exc)) from exc
