"""Weighing: does a witness's cosignature stand under a checkpoint that HQ has signed? Pure.

A good cosignature under another checkpoint is kept with its reason. It is the witness's mistake, or HQ has said
something that its database does not know: then it was rolled back, or its key is in other hands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from hub.domain.registry import Registry
from hub.domain.stream import HQ
from hub.ledger.reading import Cosignature, Quarantined
from hub.protocol.keys import COSIGNATURE_ED25519, Verifier

UNKNOWN_CHECKPOINT: Final = "UNKNOWN_CHECKPOINT"
OTHER_ROOT: Final = "OTHER_ROOT"
STRANGE: Final = (UNKNOWN_CHECKPOINT, OTHER_ROOT)  # reasons of quarantine that say something about HQ itself


@dataclass(frozen=True, slots=True)
class Witnesses:
    """Who may cosign HQ's log, by the hq lane: the active centers, and the witness keys that each of them has now."""

    active: frozenset[str] = frozenset()
    keys: Mapping[str, Sequence[Verifier]] = field(default_factory=dict)

    @classmethod
    def of(cls, registry: Registry) -> Self:
        """Return those that a registry has; HQ itself is none."""
        centers = [center for center in registry.centers.values() if center.status == "active" and center.id != HQ]
        return cls(
            frozenset(center.id for center in centers),
            {
                center.id: tuple(
                    Verifier.from_text(key.vkey)
                    for key in center.keys
                    if (key.purpose, key.status, key.algorithm) == ("witness", "active", COSIGNATURE_ED25519)
                )
                for center in centers
            },
        )


def weigh(
    cosignatures: Iterable[Cosignature], checkpoints: Mapping[int, bytes]
) -> tuple[tuple[Cosignature, ...], tuple[Quarantined, ...]]:
    """Return the cosignatures that stand under a checkpoint of HQ's, and the others as they go to quarantine.

    Shapes: `checkpoints` has the stored note of every size that they speak of, as far as there is one.
    """
    good: list[Cosignature] = []
    strange: list[Quarantined] = []
    for cosignature in cosignatures:
        said = cosignature.said
        ours = checkpoints.get(said.checkpoint.size)
        if ours is None:
            detail = f"HQ's log has no checkpoint of size {said.checkpoint.size}"
            strange.append(Quarantined(UNKNOWN_CHECKPOINT, detail, cosignature.record, cosignature.data))
        elif not ours.startswith(f"{said.note.text}\n".encode()):  # a checkpoint's text has no empty line
            detail = f"HQ's log has another root at size {said.checkpoint.size}"
            strange.append(Quarantined(OTHER_ROOT, detail, cosignature.record, cosignature.data))
        else:
            good.append(cosignature)
    return tuple(good), tuple(strange)
