"""The next trust note: signed here, or asked for; and what `hub key …` says of it, for people and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.base.output import as_json, line, note
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.hq.identity import Identity
    from hub.protocol.keys import Signer, Verifier
    from hub.protocol.trust import Trust

ALGORITHMS: Final = {0x01: "Ed25519", 0x04: "Ed25519 cosignature", 0x06: "ML-DSA-44"}
IN_FORCE: Final = "a running worker publishes it, and takes the keys over, in seconds"


@dataclass(frozen=True, slots=True)
class Issued:
    """A trust note that was made, and what is to be done now. `before` is the one that it goes on from, if known."""

    trust: Trust
    before: Trust | None
    in_force: bool
    file: Path | None = None  # the request, or the note that was signed for another machine
    then: tuple[str, ...] = ()

    def changes(self) -> list[dict[str, Any]]:
        """Return the keys that are new in it, or of which it says something else; all of them without `before`."""
        known = [] if self.before is None else key_rows(self.before)
        return [row for row in key_rows(self.trust) if row not in known]

    def as_values(self, action: str, purpose: str | None = None) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        return {
            "hub": self.trust.hub,
            "action": action,
            "purpose": purpose,
            "changed": True,
            "serial": self.trust.serial,
            "time": self.trust.time,
            "reason": self.trust.reason,
            "in_force": self.in_force,
            "file": None if self.file is None else str(self.file),
            "keys": self.changes(),
            "next": list(self.then),
        }

    def tell(self, action: str, after: Sequence[str] = (), *, json: bool = False, purpose: str | None = None) -> None:
        """Print what was done, for people with the lines `after` it."""
        if json:
            as_json(self.as_values(action, purpose))
            return
        if self.in_force:
            line(f"trust note {self.trust.serial} is in force; {IN_FORCE}")
        else:
            for number, step in enumerate(self.then, start=1):
                line(f"{number}. {step}")
        for text in after:
            line(text)


def issue(identity: Identity, trust: Trust, reason: str, request: Path | None, root_key: Path | None) -> Issued:
    """Have the next trust note signed: here, or by whoever gets the request. Errors: UsageError, Retriable."""
    from hub.hq.rotation import current, next_note, put
    from hub.hq.rotation import request as request_for

    assert identity.folder is not None
    root = root_of(identity, request, root_key)
    made, before = next_note(trust, datetime.now(UTC), reason), current(identity)
    if root is not None:
        put(identity.folder, made, root)
        return Issued(made, before, in_force=True)
    assert request is not None
    request.write_bytes(request_for(made, identity.receipts))
    there = (
        f"take {request} to the machine of the root key: hub key sign {request.name} --root-key FILE "
        "--previous NOTE --out FILE, where NOTE is the trust note that was signed last"
    )
    back = "bring the note back: hub key install FILE; until then all is as it was"
    return Issued(made, before, in_force=False, file=request, then=(there, back))


def root_of(identity: Identity, request: Path | None, root_key: Path | None) -> Signer | None:
    """Return the root key, None where a request is to be written. Errors: UsageError."""
    from hub.hq.identity import ROOT, read_root

    assert identity.folder is not None
    assert identity.trust is not None
    if request is not None:
        return None
    path = root_key or identity.folder / ROOT
    if not path.exists():
        raise UsageError(
            f"{path}: the root key is not here: name it with --root-key, or write a request for it with --request FILE"
        )
    return read_root(path, identity.trust.root)


def pin_witnesses(identity: Identity, registered: Sequence[Verifier]) -> bool:
    """Write a trust note with the centers' witness keys as they are now, if it says anything new.

    It is pinned by the root key. Where that is not here, a line says what to do, and nothing is written.
    Errors: Retriable, if another command has written one since `identity` was loaded.
    """
    from hub.hq.identity import ROOT
    from hub.hq.rotation import current, is_same, with_witnesses

    assert identity.folder is not None
    trust = with_witnesses(current(identity), registered, datetime.now(UTC))
    if is_same(trust, current(identity)):
        return False
    if not (identity.folder / ROOT).exists():
        note("the trust note does not have the witness keys as they are: `hub key renew --request FILE` asks for it")
        return False
    issue(identity, trust, "the witnesses", None, None)
    return True


def unsigned_keys(identity: Identity) -> str:
    """Return what to do where no trust note has the keys of HQ's log, '' where one has."""
    if identity.trust is not None and identity.trust.serial:
        return ""
    return (
        "this trust note is of version 0.1.0 and does not have the keys of HQ's log: `hub key renew --request FILE`, "
        "`hub key sign` where the root key is, `hub key install`"
    )


def key_rows(trust: Trust) -> list[dict[str, Any]]:
    """Return every key of a trust note as plain values, the root key first."""
    rows = [_row("root", trust.root, "pinned", None)]
    for purpose, keys in trust.keys().items():
        for key in keys:
            gone = trust.retired_at(key)
            in_use = purpose == "witness" or trust.in_use(purpose, key.algorithm) == key
            status = f"retired {gone:%Y-%m-%dT%H:%M:%SZ}" if gone else "in use" if in_use else "former"
            rows.append(_row(purpose, key, status, gone))
    return rows


def _row(purpose: str, key: Verifier, status: str, gone: datetime | None) -> dict[str, Any]:
    return {
        "purpose": purpose,
        "name": key.name,
        "id": key.key_id.hex(),
        "kind": ALGORITHMS[key.algorithm],
        "status": status,
        "retired_at": gone,
        "vkey": key.to_text(),
    }
