"""Weighing: does a witness's cosignature stand under a checkpoint that HQ has signed? Pure.

A good cosignature under another checkpoint is kept with its reason. It is the witness's mistake, or HQ has said
something that its database does not know: then it was rolled back, or its key is in other hands.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from hub.ledger.take import Cosignature, Quarantined, Taken

UNKNOWN_CHECKPOINT: Final = "UNKNOWN_CHECKPOINT"
OTHER_ROOT: Final = "OTHER_ROOT"
STRANGE: Final = (UNKNOWN_CHECKPOINT, OTHER_ROOT)  # reasons of quarantine that say something about HQ itself


def weigh(taken: Taken, checkpoints: Mapping[int, bytes]) -> None:
    """Leave in `taken` those cosignatures that stand under a checkpoint of HQ's; the others go to its quarantine.

    Shapes: `checkpoints` has the stored note of every size that they speak of, as far as there is one.
    """
    good: list[Cosignature] = []
    for cosignature in taken.cosignatures:
        said = cosignature.said
        ours = checkpoints.get(said.checkpoint.size)
        if ours is None:
            detail = f"HQ's log has no checkpoint of size {said.checkpoint.size}"
            taken.quarantine.append(Quarantined(UNKNOWN_CHECKPOINT, detail, cosignature.record, cosignature.data))
        elif not ours.startswith(f"{said.note.text}\n".encode()):  # a checkpoint's text has no empty line
            detail = f"HQ's log has another root at size {said.checkpoint.size}"
            taken.quarantine.append(Quarantined(OTHER_ROOT, detail, cosignature.record, cosignature.data))
        else:
            good.append(cosignature)
    taken.cosignatures = good
