"""A center's witness as HQ meets it: its key in the registry, its cosignatures and alarms on `in.<center>`."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from hub.protocol.control import key_text
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.note import Note, sign_note
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.witness import ALARM_KIND, COSIGNATURE_KIND, Alarm, cosigned_note, witness_key_name
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

    def alarm(self, reason: str, size: int = 0, offset: int = 100, center: str | None = None) -> Sent:
        """Return the record that raises an alarm, or takes it back."""
        text = Alarm(center or self.center.id, NOW, size, reason).to_text()
        return control(ALARM_KIND, sign_note(text, [self.center.signer]).to_bytes(), offset)


def control(kind: str, value: bytes | None, offset: int = 100) -> Sent:
    """Return any control record."""
    return Sent(b"uz", value, ((CONTROL_HEADER, kind.encode()),), offset)
