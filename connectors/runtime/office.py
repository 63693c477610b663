"""An office folder: where everything of one center lies, read at start."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from connectors.mapping.model import Mapping, read_mapping
from connectors.runtime.settings import OUTBOX, SEAL_KEY, TRUST, ConnectorSettings, Overrides, read_settings
from hub.protocol.control import Trust, open_trust
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.note import Signer


@dataclass(frozen=True, slots=True)
class Office:
    """One center's folder and what it is run with."""

    folder: Path
    settings: ConnectorSettings
    key: Signer
    trust: Trust

    @property
    def outbox(self) -> Path:
        """The outbox file."""
        return self.folder / OUTBOX

    @property
    def sources(self) -> Path:
        """The folder that the sheets lie in."""
        return self.folder / self.settings.folder


def read_office(folder: Path, overrides: Overrides | None = None) -> Office:
    """Return the office in a folder. Errors: UsageError, one line that says what to do."""
    settings = read_settings(folder, overrides)
    trust = read_trust(folder / TRUST)
    if trust.hub != settings.hub:
        raise UsageError(f"{folder / TRUST} is for the hub {trust.hub}, connector.yaml says {settings.hub}")
    return Office(folder, settings, read_key(folder / SEAL_KEY), trust)


def read_key(path: Path) -> Signer:
    """Return the center's seal key. Errors: UsageError, also if others than its owner may read it."""
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"can't read the seal key {path}: `connector init` makes one") from exc
    if sys.platform != "win32" and mode & 0o077:
        raise UsageError(f"the seal key {path} can be read by others: chmod 600 {path}")
    try:
        return Signer.from_text(text)
    except Malformed as exc:
        raise UsageError(f"{path}: {exc}") from exc


def read_trust(path: Path) -> Trust:
    """Return HQ's keys as they were pinned at enrolment. Errors: UsageError."""
    try:
        return open_trust(path.read_bytes())
    except OSError as exc:
        raise UsageError(f"can't read {path}: put the trust note that HQ gave you there") from exc
    except Malformed as exc:
        raise UsageError(f"{path}: {exc}; ask HQ for it again") from exc


def read_mappings(folder: Path) -> list[Mapping]:
    """Return the mappings in a folder, in the order of their files' names. Errors: UsageError."""
    try:
        return [
            read_mapping(path.read_text("utf-8"), path.name)
            for path in sorted(folder.iterdir())
            if path.suffix in (".yaml", ".yml") and not path.name.startswith(".")
        ]
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"can't read the mappings in {folder}: {exc}") from exc


def mapping_for(mappings: list[Mapping], name: str) -> Mapping | None:
    """Return the first mapping that is for a file of that name (relative to the sources, with `/`)."""
    base = name.rpartition("/")[2]
    return next((mapping for mapping in mappings if mapping.matches(base)), None)
