"""An office folder: where everything of one center lies, read at start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from connectors.mapping.model import Mapping, read_mapping
from connectors.runtime.pin import check_pin
from connectors.runtime.settings import (
    LONG_KEY,
    OUTBOX,
    SEAL_KEY,
    TRUST,
    WITNESS_KEY,
    ConnectorSettings,
    Overrides,
    read_settings,
)
from connectors.runtime.told import OfficeError, os_reason
from connectors.source.folder import FolderSettings, list_files
from hub.base import files
from hub.base.shell import quote
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer
from hub.protocol.trust import Trust, open_trust
from schemas.words.said import said


@dataclass(frozen=True, slots=True)
class Office:
    """One center's folder and what it is run with.

    `long_key` seals beside `key` where the setting `long_seals` asks for it. An office of version 0.1.0 has no
    `witness_key` until `connector key new --purpose witness` makes one.
    """

    folder: Path
    settings: ConnectorSettings
    key: Signer
    trust: Trust
    long_key: Signer | None = None
    witness_key: Signer | None = None

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
    check_pin(folder, trust)
    if trust.hub != settings.hub:
        raise OfficeError("errors.other_hub", path=folder / TRUST, found=trust.hub, expected=settings.hub)
    key, long_key, witness = read_office_keys(folder, settings)
    return Office(folder, settings, key, trust, long_key, witness)


def read_office_keys(folder: Path, settings: ConnectorSettings) -> tuple[Signer, Signer | None, Signer | None]:
    """Return the seal key, the ML-DSA-44 one where `long_seals` is set, and the witness key, if there is one.

    Errors: UsageError.
    """
    long_key = read_key(folder / LONG_KEY, COSIGNATURE_MLDSA44) if settings.long_seals else None
    witness = folder / WITNESS_KEY
    return (
        read_key(folder / SEAL_KEY),
        long_key,
        read_key(witness, COSIGNATURE_ED25519) if witness.exists() else None,
    )


def read_key(path: Path, algorithm: int = ED25519) -> Signer:
    """Return a private key of the center's. Errors: UsageError, also if others than its owner may read it."""
    try:
        text = files.read_private(path).decode("ascii")
    except files.ExposedError as exc:
        if exc.is_foreign:
            raise OfficeError("errors.key_foreign", path=path, quoted=quote(path)) from exc
        raise OfficeError("errors.key_open", path=path, quoted=quote(path)) from exc
    except files.StrangeFileError as exc:
        raise OfficeError("errors.key_strange", path=path, reason=os_reason(exc)) from exc
    except (OSError, UnicodeDecodeError) as exc:
        remedy = "connector key new --long" if algorithm == COSIGNATURE_MLDSA44 else "connector init"
        raise OfficeError("errors.key_unreadable", path=path, command=remedy) from exc
    try:
        key = Signer.from_text(text)
    except Malformed as exc:
        raise OfficeError("errors.key_broken", path=path) from exc
    if key.algorithm != algorithm:
        kinds = {"expected": f"{algorithm:#04x}", "found": f"{key.algorithm:#04x}"}
        raise OfficeError("errors.key_other_kind", path=path, **kinds)
    return key


def read_trust(path: Path) -> Trust:
    """Return HQ's keys as they were pinned at enrolment. Errors: UsageError."""
    try:
        return open_trust(files.read(path))
    except files.StrangeFileError as exc:
        raise OfficeError("errors.os", path=path, reason=os_reason(exc)) from exc
    except OSError as exc:
        raise OfficeError("errors.trust_unreadable", path=path) from exc
    except Malformed as exc:
        raise OfficeError("errors.trust_broken", path=path) from exc


def list_sheets(settings: FolderSettings, patterns: tuple[str, ...]) -> set[str]:
    """Return the names of the files among the sheets that are of a kind that is read, or that a pattern names.

    Errors: UsageError, if the folder can't be listed.
    """
    try:
        names = set(list_files(settings))
        if patterns:
            names |= set(list_files(settings.model_copy(update={"patterns": patterns})))
    except OSError as exc:
        path = exc.filename or settings.path
        raise OfficeError("errors.sources_unreadable", path=path, reason=os_reason(exc)) from exc
    except ValueError as exc:
        raise OfficeError("errors.too_many_files", path=settings.path, max=settings.files_max) from exc
    return names


def mapping_paths(folder: Path) -> list[Path]:
    """Return the files in a folder that are mappings by their names, in the order of these. Errors: OSError."""
    paths = (folder / entry.name for entry in files.entries(folder))
    return sorted(path for path in paths if path.suffix in (".yaml", ".yml") and not path.name.startswith("."))


@dataclass(frozen=True, slots=True)
class Mappings:
    """The mappings in a folder, by their files' names: those that can be used, and what is wrong with the others."""

    good: list[Mapping]
    bad: dict[str, UsageError]

    def usable(self) -> list[Mapping]:
        """Return the good ones. Errors: UsageError, if there are none but bad ones: what is wrong with the first."""
        if self.bad and not self.good:
            raise next(iter(self.bad.values()))
        return self.good


def read_mappings(folder: Path) -> Mappings:
    """Return the mappings in a folder; a bad one stops no other. Errors: UsageError, if it can't be listed."""
    good: list[Mapping] = []
    bad: dict[str, UsageError] = {}
    try:
        paths = mapping_paths(folder)
    except OSError as exc:
        raise OfficeError("errors.mappings_unreadable", path=exc.filename or folder, reason=os_reason(exc)) from exc
    for path in paths:
        try:
            good.append(_read_mapping(path))
        except UsageError as exc:
            bad[path.name] = exc
    return Mappings(good, bad)


def _read_mapping(path: Path) -> Mapping:
    try:
        return read_mapping(files.read_text(path), path.name)
    except OSError as exc:
        raise OfficeError("errors.mapping_unreadable", path=path, reason=os_reason(exc)) from exc
    except UnicodeDecodeError as exc:
        raise OfficeError("errors.mapping_unreadable", path=path, reason=said("errors.not_utf8")) from exc
