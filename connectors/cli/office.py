"""What commands share: the office's options, its sheets, and private files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.durable import create_private
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from connectors.mapping import Mapping
    from connectors.runtime.settings import ConnectorSettings
    from connectors.runtime.units import Unit
    from connectors.source import Table

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
    def sources(self) -> Path:
        """The folder that the sheets lie in."""
        return self.path / self.settings.folder

    @property
    def outbox(self) -> Path:
        """Where the outbox is."""
        from connectors.runtime.settings import OUTBOX

        return self.path / OUTBOX

    def existing_outbox(self) -> Path:
        """Return where the outbox is. Errors: UsageError if the connector has never run."""
        if not self.outbox.exists():
            raise UsageError(f"there is no outbox in {self.path}: `connector run` has not run here yet")
        return self.outbox

    def mappings(self) -> list[Mapping]:
        """Return all mappings, by file name. Errors: UsageError, if one is wrong or there is none."""
        from connectors.runtime.office import read_mappings

        found = read_mappings(self.path / self.settings.mappings)
        if not found:
            raise UsageError(f"there is no mapping in {self.path / self.settings.mappings}: `connector init` makes one")
        return found

    def sheets(self) -> list[Path]:
        """Return the files in the folder that are read, or that a mapping names, by name. Errors: UsageError."""
        from connectors.source.folder import FolderSettings, list_files

        patterns = tuple(pattern for mapping in self._mappings_or_none() for pattern in mapping.files)
        if self.settings.depth_max:
            patterns += tuple(f"*/{pattern}" for pattern in patterns)
        settings = FolderSettings(path=self.sources, depth_max=self.settings.depth_max)
        try:
            names = set(list_files(settings))
            if patterns:
                names |= set(list_files(settings.model_copy(update={"patterns": patterns})))
        except (OSError, ValueError) as exc:
            raise UsageError(f"cannot list {self.sources}: {exc}") from exc
        return [self.sources / name for name in sorted(names)]

    def _mappings_or_none(self) -> list[Mapping]:
        try:
            return self.mappings()
        except UsageError:
            return []

    def units(self, path: Path, mappings: list[Mapping]) -> list[Unit]:
        """Return what is read by itself of a file, each with its mapping: one, or some of its worksheets.

        Errors: UsageError, if no mapping is for it, or several are and it is not said which takes what.
        """
        from connectors.runtime.units import units_of

        name = path.relative_to(self.sources).as_posix() if path.is_relative_to(self.sources) else path.name
        found = units_of(mappings, name)
        if not found:
            known = ", ".join(pattern for mapping in mappings for pattern in mapping.files)
            raise UsageError(f"no mapping is for {path.name}; there are mappings for: {known}")
        return found

    def read_unit(self, unit: Unit, path: Path | None = None) -> Sheet:
        """Return one sheet; `path` is where it lies, if not among the sources. Errors: FileBusy, FileRefused."""
        from connectors.runtime.units import file_of
        from connectors.source import load

        where = path or self.sources / file_of(unit.name)
        return Sheet(unit.name, unit.mapping, load(where, unit.mapping.format_options(), self.settings.limits))


def write_private(path: Path, text: str) -> None:
    """Write a new file that only its owner reads. Errors: UsageError, if it is there already or can't be."""
    try:
        create_private(path, text + "\n")
    except FileExistsError as exc:
        raise UsageError(f"{path} is there already: it is this center's identity and is never overwritten") from exc
    except OSError as exc:
        raise UsageError(f"cannot write {path}: {exc.strerror or exc}") from exc
