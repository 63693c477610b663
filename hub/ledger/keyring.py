"""Who may seal a lane, and who may cosign HQ's log, as the hq lane says at one basis.

A seal is good by an active Ed25519 key of the center. From the basis on at which the center also has an active
ML-DSA-44 key, a line by such a key has to be there too and be good: otherwise whoever can forge the one signature
would leave out the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from hub.protocol.cause import Cause, CauseCode
from hub.protocol.errors import Malformed
from hub.protocol.head import Checkpoint
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Verifier
from hub.protocol.note import Note
from hub.protocol.rules import FIRST, Rules

SIGNERS_NAMED_MAX: Final = 8


class Standing(Enum):
    """What is known of a signature's key."""

    GOOD = auto()
    WAITS = auto()  # unknown center or key, or a suspended center: HQ may say more, and it is good then
    BAD = auto()  # a revoked key, a key of another center, or a signature that does not verify


@dataclass(frozen=True, slots=True)
class CenterKeys:
    """A center's life and its keys by public key; True while a key is active.

    Shapes: keys are those of Ed25519 that seal, long_keys those of ML-DSA-44; witness_keys cosign HQ's log; stopped is
            why the center is not active.
    """

    active: bool
    keys: Mapping[bytes, bool]
    long_keys: Mapping[bytes, bool] = field(default_factory=dict)
    witness_keys: Mapping[bytes, bool] = field(default_factory=dict)
    stopped: Cause | None = None

    def of(self, algorithm: int) -> Mapping[bytes, bool]:
        """Return the keys of one kind: each has its one use here."""
        return {ED25519: self.keys, COSIGNATURE_MLDSA44: self.long_keys, COSIGNATURE_ED25519: self.witness_keys}[
            algorithm
        ]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys of every center. `basis` is the size of the hq lane that they were read at, `rules` those in force."""

    basis: int
    centers: Mapping[str, CenterKeys]
    rules: Rules = FIRST
    _named: dict[tuple[str, str, int], list[tuple[Verifier, bool]]] = field(
        default_factory=dict, repr=False, compare=False
    )

    def _keys(self, center: str, name: str, algorithm: int = ED25519) -> list[tuple[Verifier, bool]]:
        found = self._named.get((center, name, algorithm))
        if found is None:
            keys = self.centers[center].of(algorithm)
            found = [(Verifier(name, public, algorithm), active) for public, active in keys.items()]
            if len(self._named) > 10_000:  # one entry a lane; epochs come and go
                self._named.clear()
            self._named[center, name, algorithm] = found
        return found

    def says_the_same(self, other: Keyring) -> bool:
        """Return whether every seal is as good under `other`: whatever else HQ has said in between."""
        return self.centers == other.centers and self.rules == other.rules

    def no_seal(self, checkpoint: Checkpoint) -> str:
        """Return why a checkpoint is no seal, '' where it may be one: from rules 2 on it has no extension lines."""
        if checkpoint.extensions and self.rules.strict_seals:
            return f"it has extension lines, which no seal has under rules {self.rules.number}"
        return ""

    def waits(self, center: str) -> Cause | None:
        """Return why nothing of `center` may be read now, None when it may."""
        known = self.centers.get(center)
        if known is None:
            return Cause.of(CauseCode.UNKNOWN_CENTER)
        if known.active:
            return None
        return known.stopped or Cause.of(CauseCode.SUSPENDED)

    def check_seal(self, center: str, origin: str, note: Note) -> tuple[Standing, str]:
        """Return the standing of the seal of a lane of `center`, and the reason."""
        standing, reason = self.check(center, origin, note)
        if standing is not Standing.GOOD or not self.centers[center].long_keys:
            return standing, reason
        wanted = [key for key, active in self._keys(center, origin, COSIGNATURE_MLDSA44) if active]
        lines = {(s.name, s.key_id) for s in note.signatures}
        signed = [key for key in wanted if (key.name, key.key_id) in lines]
        if wanted and not signed:
            return Standing.BAD, f"{CauseCode.LONG_KEY_MISSING}: expected a signature by the center's ML-DSA-44 key too"
        try:
            for key in signed:
                note.verify([key])
        except Malformed as exc:
            return Standing.BAD, str(exc)
        return Standing.GOOD, ""

    def check_cosignature(self, center: str, name: str, note: Note) -> tuple[Standing, str]:
        """Return the standing of a checkpoint that `center`'s witness key, named `name`, should have cosigned.

        A key that HQ does not know makes no lane wait: a cosignature by it counts for nobody, and costs nothing.
        """
        return self.check(center, name, note, COSIGNATURE_ED25519)

    def check(self, center: str, name: str, note: Note, algorithm: int = ED25519) -> tuple[Standing, str]:
        """Return the standing of a note that should be signed by a key of `center` under `name`, and the reason."""
        cause = self.waits(center)
        if cause is not None:
            return Standing.WAITS, cause.to_text()
        lines = {(s.name, s.key_id) for s in note.signatures}
        revoked = False
        for key, active in self._keys(center, name, algorithm):
            if (key.name, key.key_id) in lines:
                if not active:
                    revoked = True
                    continue
                try:
                    note.verify([key])
                except Malformed as exc:
                    return Standing.BAD, str(exc)
                return Standing.GOOD, ""
        if revoked:
            return Standing.BAD, f"{CauseCode.REVOKED_KEY}: the key was revoked"
        if not any(s.name == name for s in note.signatures):
            return Standing.BAD, f"no signature named {name}"
        for other in self.centers:
            if other != center and any((k.name, k.key_id) in lines for k, _ in self._keys(other, name, algorithm)):
                return Standing.BAD, f"{CauseCode.FOREIGN_KEY}: the key is known for center {other}"
        return Standing.WAITS, f"HQ does not know the key {signed_by(note, name)} that has signed as {name}"


def signed_by(note: Note, name: str) -> str:
    """Return the ids of the keys that are said to have signed a note under a name, the first of them."""
    return ",".join(s.key_id.hex() for s in note.signatures if s.name == name)[: 9 * SIGNERS_NAMED_MAX - 1]
