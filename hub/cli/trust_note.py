"""The next trust note, as `hub key …` asks for it and says what became of it: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.base.output import as_json, line, note
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.hq.identity import Identity
    from hub.hq.issuing import Issued
    from hub.protocol.keys import Signer
    from hub.protocol.trust import Trust

IN_FORCE: Final = "a running worker publishes it, and takes the keys over, in seconds"


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


def tell(
    issued: Issued,
    action: str,
    *,
    json: bool,
    request: Path | None = None,
    file: Path | None = None,
    purpose: str | None = None,
    then: Sequence[str] = (),
    after: Sequence[str] = (),
) -> None:
    """Write the request where there is one, and print what was done: for people with the lines `after` it.

    `file` is where the note came from; `then` is what is to be done now that the note is in force.
    """
    if issued.request is not None:
        assert request is not None
        request.write_bytes(issued.request)
        file, then = request, _to_the_root_key(request)
    if json:
        as_json(as_values(issued.trust, issued.before, action, purpose, file, then, in_force=issued.is_in_force))
        return
    if issued.is_in_force:
        line(f"trust note {issued.trust.serial} is in force; {IN_FORCE}")
    else:
        for number, step in enumerate(then, start=1):
            line(f"{number}. {step}")
    for text in after:
        line(text)


def as_values(
    trust: Trust,
    before: Trust | None,
    action: str,
    purpose: str | None,
    file: Path | None,
    then: Sequence[str],
    *,
    in_force: bool,
) -> dict[str, Any]:
    """Return a note as `--json` prints it."""
    from hub.hq.issuing import changes

    return {
        "hub": trust.hub,
        "action": action,
        "purpose": purpose,
        "changed": True,
        "serial": trust.serial,
        "time": trust.time,
        "reason": trust.reason,
        "in_force": in_force,
        "file": None if file is None else str(file),
        "keys": [key.model_dump() for key in changes(trust, before)],
        "next": list(then),
    }


def tell_incomplete(identity: Identity) -> None:
    """Say what to do where no trust note has the keys of HQ's log."""
    from hub.hq.issuing import names_log_keys

    if not names_log_keys(identity):
        note(
            "this trust note is of version 0.1.0 and does not have the keys of HQ's log: `hub key renew --request "
            "FILE`, `hub key sign` where the root key is, `hub key install`"
        )


def _to_the_root_key(request: Path) -> tuple[str, str]:
    there = (
        f"take {request} to the machine of the root key: hub key sign {request.name} --root-key FILE "
        "--previous NOTE --out FILE, where NOTE is the trust note that was signed last"
    )
    return there, "bring the note back: hub key install FILE; until then all is as it was"
