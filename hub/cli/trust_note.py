"""The next trust note, as `hub key …` asks for it and says what became of it: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hub.base.durable import disk_errors, write
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


@dataclass(frozen=True, slots=True)
class TrustNoteResult:
    """What a command did with a trust note. `before` is the one that it goes on from, where that is known."""

    action: str
    trust: Trust
    before: Trust | None
    in_force: bool
    purpose: str | None = None
    file: Path | None = None  # the request, or the note that was signed or came from elsewhere
    then: tuple[str, ...] = ()  # what is to be done now

    def tell(self, after: Sequence[str] = (), *, json: bool) -> None:
        """Print it, for people with the lines `after` it."""
        if json:
            as_json(self.as_values())
            return
        if self.in_force:
            line(f"trust note {self.trust.serial} is in force; {IN_FORCE}")
        else:
            for number, step in enumerate(self.then, start=1):
                line(f"{number}. {step}")
        for text in after:
            line(text)

    def as_values(self) -> dict[str, Any]:
        """Return it as `--json` prints it."""
        from hub.hq.issuing import changes

        return {
            "hub": self.trust.hub,
            "action": self.action,
            "purpose": self.purpose,
            "changed": True,
            "serial": self.trust.serial,
            "time": self.trust.time,
            "reason": self.trust.reason,
            "in_force": self.in_force,
            "file": None if self.file is None else str(self.file),
            "keys": [key.model_dump() for key in changes(self.trust, self.before)],
            "next": list(self.then),
        }


def handed_out(issued: Issued, action: str, request: Path | None, purpose: str | None = None) -> TrustNoteResult:
    """Return what was done, and write the request to its file where the root key is to sign it elsewhere."""
    if issued.request is None:
        return TrustNoteResult(action, issued.trust, issued.before, in_force=True, purpose=purpose)
    assert request is not None
    with disk_errors(request, "say it again: the keys in use are those before"):
        write(request, issued.request)
    there = (
        f"take {request} to the machine of the root key: hub key sign {request.name} --root-key FILE "
        "--previous NOTE --out FILE, where NOTE is the trust note that was signed last"
    )
    back = "bring the note back: hub key install FILE; until then all is as it was"
    return TrustNoteResult(
        action, issued.trust, issued.before, in_force=False, purpose=purpose, file=request, then=(there, back)
    )


def tell_incomplete(identity: Identity) -> None:
    """Say what to do where no trust note has the keys of HQ's log."""
    from hub.hq.issuing import names_log_keys

    if not names_log_keys(identity):
        note(
            "this trust note is of version 0.1.0 and does not have the keys of HQ's log: `hub key renew --request "
            "FILE`, `hub key sign` where the root key is, `hub key install`"
        )
