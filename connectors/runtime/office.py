"""An office folder: where everything of one center lies, read at start."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from connectors.mapping.model import Mapping, read_mapping
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
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer
from hub.protocol.trust import Trust, open_trust


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
    if trust.hub != settings.hub:
        raise UsageError(f"{folder / TRUST} is for the hub {trust.hub}, connector.yaml says {settings.hub}")
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
        mode = path.stat().st_mode
        text = path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as exc:
        remedy = "connector key new --long" if algorithm == COSIGNATURE_MLDSA44 else "connector init"
        raise UsageError(f"can't read the key {path}: `{remedy}` makes one") from exc
    if sys.platform != "win32" and mode & 0o077:
        raise UsageError(f"the key {path} can be read by others: chmod 600 {path}")
    try:
        key = Signer.from_text(text)
    except Malformed as exc:
        raise UsageError(f"{path}: {exc}") from exc
    if key.algorithm != algorithm:
        raise UsageError(f"{path}: expected a key of the kind {algorithm:#04x}, came {key.algorithm:#04x}")
    return key


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
