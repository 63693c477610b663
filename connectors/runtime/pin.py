"""HQ's root key as this office has pinned it: `keys/hq-root.pin`, and a second time in the outbox.

Everything that is believed of HQ hangs on its root key: it signs the trust note, and that names all other keys. The
note itself lies beside the sheets, where others may write, and any hub may call itself by any name. So the key is
pinned where the office's own keys are, which its owner alone reads and writes: by `connector init`, which shows it to
be compared with what HQ told by another way, or by `connector key pin`. A trust note by another root is refused,
whatever hub it names.

An office of release 0.2 has no pin. The first start takes it over from the trust note that was believed until then, and
only if HQ's log, as the outbox saw it last, is signed by a key that this note names; the log says so, once.

What is true when the process dies behind each step of that:
  outbox written     the pin is in the outbox, and the next start writes the file from it
  file written       both have it
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import structlog

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.settings import TRUST
from connectors.runtime.told import OfficeError, os_reason
from hub.base import durable, files
from hub.base.shell import command, quote
from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from hub.protocol.trust import Trust

PIN: Final = "keys/hq-root.pin"

log = structlog.get_logger(__name__)


def read_pin(office: Path) -> Verifier | None:
    """Return the root key that an office has pinned, None where it has no file for it. Errors: UsageError."""
    path = office / PIN
    try:
        return Verifier.from_text(files.read_private(path, office).decode("ascii").strip())
    except FileNotFoundError:
        return None
    except files.ExposedError as exc:
        raise OfficeError("errors.key_open", path=path, quoted=quote(path)) from exc
    except OSError as exc:
        raise OfficeError("errors.key_strange", path=path, reason=os_reason(exc)) from exc
    except (UnicodeDecodeError, Malformed) as exc:
        raise OfficeError("errors.pin_broken", path=path) from exc


def write_pin(office: Path, root: Verifier) -> None:
    """Pin a root key, in place of one that was pinned. Errors: UsageError."""
    path = office / PIN
    try:
        files.make_folder(path.parent, files.PRIVATE_FOLDER, office)
        durable.write(path, f"{root.to_text()}\n".encode(), under=office, mode=files.PRIVATE)
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=path, reason=os_reason(exc)) from exc


def check_pin(office: Path, trust: Trust) -> None:
    """Errors: UsageError with the remedy, where a trust note is by another root key than the one that is pinned."""
    _see_that(office, trust, read_pin(office))


def settle_pin(office: Path, outbox: Outbox, trust: Trust) -> None:
    """See that the pin stands in its file and in the outbox; where it is in neither, take it over.

    Errors: UsageError, as `check_pin`.
    """
    in_file, in_outbox = read_pin(office), _pinned_in(outbox)
    for pinned in (in_file, in_outbox):
        _see_that(office, trust, pinned)
    if in_file is None and in_outbox is None:
        _see_that_log_agrees(office, outbox, trust)
        log.warning("root_taken_over", key=trust.root.to_text())
    if in_outbox is None:
        outbox.database.set_meta(Meta.ROOT, trust.root.to_text())
    if in_file is None:
        write_pin(office, trust.root)


def pin_anew(office: Path, outbox: Outbox, trust: Trust) -> None:
    """Pin the root key of a trust note, whatever was pinned, because a person has compared it. Errors: UsageError."""
    write_pin(office, trust.root)
    outbox.database.set_meta(Meta.ROOT, trust.root.to_text())


def _pinned_in(outbox: Outbox) -> Verifier | None:
    return outbox.database.record(Meta.ROOT, Verifier.from_text)


def _see_that(office: Path, trust: Trust, pinned: Verifier | None) -> None:
    if pinned is None or pinned == trust.root:
        return
    found = trust.root.to_text()
    remedy = command("connector", "key", "pin", found)
    raise OfficeError("errors.other_root", path=office / TRUST, found=found, expected=pinned.to_text(), command=remedy)


def _see_that_log_agrees(office: Path, outbox: Outbox, trust: Trust) -> None:
    """Errors: UsageError, where the outbox has seen a log that no key of this trust note has signed."""
    seen, _ = outbox.witnessed.load()
    if not seen.note:
        return
    _, note = open_checkpoint(seen.note)
    try:
        note.verify(trust.logs)
    except Malformed as exc:
        remedy = command("connector", "key", "pin", trust.root.to_text())
        path = office / TRUST
        raise OfficeError("errors.log_by_others", path=path, found=trust.root.to_text(), command=remedy) from exc
