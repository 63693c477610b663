"""A center's witness as HQ meets it: its key in the registry, its cosignatures and alarms on `in.<center>`."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from connectors.runtime.outbox import Outbox
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import key_text
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.record import CONTROL_HEADER, KafkaRecord
from hub.protocol.witness import (
    ALARM_KIND,
    COSIGNATURE_KIND,
    Alarm,
    cosigned_note,
    open_cosigned,
    witness_key_name,
)
from tests.support.center import HUB, NOW, Center, Sent


@dataclass
class Witness:
    """The witness of one center."""

    center: Center
    seed: bytes = b""

    def __post_init__(self) -> None:
        name = witness_key_name(HUB, self.center.id)
        self.signer = Signer(name, self.seed or sha256(name.encode()).digest(), COSIGNATURE_ED25519)

    def key(self, **changes: Any) -> dict[str, Any]:
        """Return the key as a center's record has it."""
        text = key_text(HUB, self.center.id, "witness", self.signer.verifier)
        return {
            "vkey": self.signer.verifier.to_text(),
            "purpose": "witness",
            "status": "active",
            "proof": b64encode(self.signer.sign(text.encode())).decode(),
            "previous_proof": None,
            "replaced_lost": False,
            "status_reason": None,
        } | changes

    def cosignature(self, checkpoint: bytes, at: datetime = NOW, offset: int = 100) -> Sent:
        """Return the record that cosigns a checkpoint note."""
        value = cosigned_note(Note.from_bytes(checkpoint).text, self.signer, at)
        return control(COSIGNATURE_KIND, value, offset)

    def alarm(
        self, reason: str, size: int = 0, offset: int = 100, center: str | None = None, at: datetime = NOW
    ) -> Sent:
        """Return the record that raises an alarm, or takes it back."""
        text = Alarm(center or self.center.id, at, size, reason).to_text()
        return control(ALARM_KIND, sign_note(text, [self.center.signer]).to_bytes(), offset)

    def faults(self, records: Iterable[KafkaRecord], outbox: Path) -> list[str]:
        """Return what is wrong with all that this witness has ever said, and with what it has at its end.

        It never cosigned two roots of one size, nor an older size after a newer one, and it held nothing against HQ.
        """
        found, newest = list[str](), Checkpoint("", 0, b"")
        for record in records:
            kind = dict(record.headers).get(CONTROL_HEADER)
            if kind == ALARM_KIND.encode():
                found.append(f"an alarm: {Note.from_bytes(record.value or b'').text}")
            if kind != COSIGNATURE_KIND.encode():
                continue
            said = open_cosigned(record.value or b"")
            said.note.verify([self.signer.verifier])
            if said.checkpoint.size < newest.size:
                found.append(f"cosigned {said.checkpoint.size} after {newest.size}")
            elif said.checkpoint.size == newest.size and said.checkpoint.root != newest.root:
                found.append(f"cosigned two roots of {newest.size}")
            newest = said.checkpoint
        with Outbox(outbox, read_only=True) as opened:
            kept = opened.witnessed
            if kept.stopped() is not None or kept.load()[0].size < newest.size:
                found.append(f"stands at {kept.load()[0].size}, said {newest.size}, stopped: {kept.stopped()}")
        return found


def control(kind: str, value: bytes | None, offset: int = 100) -> Sent:
    """Return any control record."""
    return Sent(b"uz", value, ((CONTROL_HEADER, kind.encode()),), offset)
