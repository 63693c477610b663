"""Who may seal a lane, as the hq lane says at one basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from hub.protocol.errors import Malformed
from hub.protocol.note import Note, Verifier


class Standing(Enum):
    """What is known of a signature's key."""

    GOOD = auto()
    WAITS = auto()  # unknown center or key, or a suspended center: the lane waits for HQ
    BAD = auto()  # a revoked key, a key of another center, or a signature that does not verify


@dataclass(frozen=True, slots=True)
class CenterKeys:
    """A center's life and its seal keys by public key; True while a key is active."""

    active: bool
    keys: Mapping[bytes, bool]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The seal keys of every center. `basis` is the size of the hq lane that they were read at."""

    basis: int
    centers: Mapping[str, CenterKeys]
    _named: dict[tuple[str, str], list[tuple[Verifier, bool]]] = field(default_factory=dict, repr=False, compare=False)

    def _keys(self, center: str, name: str) -> list[tuple[Verifier, bool]]:
        found = self._named.get((center, name))
        if found is None:
            found = [(Verifier(name, public), active) for public, active in self.centers[center].keys.items()]
            if len(self._named) > 10_000:  # one entry a lane; epochs come and go
                self._named.clear()
            self._named[center, name] = found
        return found

    def waits(self, center: str) -> str:
        """Return why nothing of `center` may be read now, '' when it may."""
        known = self.centers.get(center)
        if known is None:
            return f"center {center} is not registered"
        return "" if known.active else f"center {center} is suspended or closed"

    def check(self, center: str, name: str, note: Note) -> tuple[Standing, str]:
        """Return the standing of a note that should be signed by a key of `center` under `name`, and the reason."""
        reason = self.waits(center)
        if reason:
            return Standing.WAITS, reason
        lines = {(s.name, s.key_id) for s in note.signatures}
        revoked = False
        for key, active in self._keys(center, name):
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
            return Standing.BAD, "REVOKED_KEY: the key was revoked"
        if not any(s.name == name for s in note.signatures):
            return Standing.BAD, f"no signature named {name}"
        for other in self.centers:
            if other != center and any((k.name, k.key_id) in lines for k, _ in self._keys(other, name)):
                return Standing.BAD, f"FOREIGN_KEY: the key is known for center {other}"
        return Standing.WAITS, f"no key of {center} that HQ knows has signed {name}"
