"""Cosignatures checked, each under the text of its checkpoint: both are walked by size, one text in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hub.audit.findings import Findings, What
from hub.ledger.basis import BASIS_AGE_MAX
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.keys import Signature, Verifier
from hub.protocol.moment import from_us, to_us
from hub.protocol.note import Note
from hub.protocol.trust import Trust
from hub.replay.fold import BasisBook
from hub.store.audit_reader import AuditReader, CosignatureRow


class CosignatureCheck:
    """The check of all cosignatures. It is told of each good checkpoint, in order of size."""

    def __init__(self, reader: AuditReader, trust: Trust, bases: BasisBook, findings: Findings) -> None:
        self.count = 0
        self._trust = trust
        self._bases = bases
        self._findings = findings
        self._rows = reader.walk_cosignatures(findings.unread)
        self._row = next(self._rows, None)

    def under(self, size: int, text: str) -> None:
        """Check the cosignatures of this checkpoint; those before it are under none."""
        while self._row is not None and _comes_first(self._row.size, size):
            self._take(self._row, text if self._row.size == size else None)
            self._row = next(self._rows, None)

    def finish(self) -> None:
        """Take what is left: it is under no checkpoint."""
        while self._row is not None:
            self._take(self._row, None)
            self._row = next(self._rows, None)

    def _take(self, row: CosignatureRow, text: str | None) -> None:
        self.count += 1
        why = "there is no good checkpoint of this size" if text is None else self._why_not(row, text)
        if why:
            first = row.size if isinstance(row.size, int) else None
            self._findings.add(What.COSIGNATURE, "cosignature", first=first, key=str(row.name), detail=why)

    def _why_not(self, row: CosignatureRow, text: str) -> str:
        """Return why a cosignature is not good, '' if it is."""
        _, name, key_id, center, value, cosigned_at_us, received_at_us = row
        received = moment_of(received_at_us)
        if not (isinstance(name, str) and isinstance(key_id, bytes) and isinstance(value, bytes)) or received is None:
            return "its columns are of other types than they must be"
        key = next((k for k in self._witnesses(center, received) if (k.name, k.key_id) == (name, key_id)), None)
        if key is None:
            return f"no witness key of {center} that was active when it came"
        line = Signature(name, key_id, value)
        try:
            Note(text, (line,)).verify([key])
            said = cosigned_at(line)
        except Malformed as exc:
            return str(exc)
        if to_us(said) != cosigned_at_us:
            return f"cosigned_at_us is {cosigned_at_us}, the line says {to_us(said)}"
        return ""

    def _witnesses(self, center: Any, moment: datetime) -> list[Verifier]:
        """Return the witness keys that a center had at a moment, and those of witnesses outside.

        A worker looks at the hq lane every second, so what HQ has just revoked may have been good to it. Where HQ took
        the moment back, it may have been named by a clock that was ahead: then the keys are those of that time, too.
        """
        found: dict[str, Verifier] = {}
        sizes = [self._bases.size_at(at) for at in (moment - BASIS_AGE_MAX, moment)]
        sizes += [size for size, said in self._bases.corrections if said.takes_back(moment)]
        for size in dict.fromkeys(sizes):
            basis = self._bases.at(size)
            known = basis.registry.centers.get(center) if basis is not None else None
            for key in known.keys if known is not None else ():
                if key.purpose == "witness" and key.status == "active":
                    found[key.vkey] = Verifier.from_text(key.vkey)
        return [*found.values(), *self._trust.good_at(self._trust.witnesses, moment)]


def moment_of(value: object) -> datetime | None:
    """Return the time that a column has, None where it has none."""
    try:
        return from_us(value) if isinstance(value, int) else None
    except OverflowError:
        return None


def _comes_first(size: object, of: int) -> bool:
    """Return whether SQLite sorts this not behind `of`: nothing, then numbers, then all else."""
    return size is None or (isinstance(size, int | float) and size <= of)
