"""`python -m tests.support.ruled_evidence FOLDER`: bundles of a lane under rules 2, and under rules that are to come.

Each is of one offer: rules-2.zip says it twice, once with the Kafka key of another; rules-3.zip was judged, in its end,
by rules that no release has. misjudged.zip and extended.zip are by an HQ that does not go by its own rules 2: it has
accepted a text with a space before it, and a seal with an extension line. All else in them is good.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import hub.protocol.rules
from hub.evidence.export import export_bundle
from hub.evidence.subject import Subject
from hub.hq.headquarters import adoption
from hub.protocol.checkpoint import seal
from hub.protocol.record import SEAL_HEADER
from hub.protocol.rules import NEWEST, RULES, Rules
from hub.replay.source import Ledger
from tests.support.center import offer
from tests.support.evidence import TRUST_NOTE, Story

RULES_KNOWN = tuple(RULES)
SUBJECT = Subject("entity", "uz:K-1", "offer")


async def _told(folder: Path, number: int) -> Path:
    story = await Story.open(folder, NEWEST)
    said = story.event("uz", "offer.published", "K-1", offer("Membrane printer"))
    await story.take("uz", [replace(said, key=b"uz:another")])
    await story.take("uz", [story.event("uz", "offer.published", "K-1", offer("Membrane printer"))])
    if number not in RULES_KNOWN:
        await story.hq.headquarters.say([adoption(number, "they are to come")], story.now)
    await story.take("uz", [story.event("uz", "offer.revised", "K-1", offer("Membrane printer 2"))])
    await story.notarize()
    await story.cosign("uz", "kz")
    await story.close()
    return story.database


async def _told_otherwise(folder: Path, forgotten: Rules, *, is_extended: bool) -> Path:
    """Tell of an HQ that has forgotten a part of the rules in force while it takes one record."""
    story = await Story.open(folder, NEWEST)
    center = story.centers["uz"]
    said = story.event("uz", "offer.published", "K-1", offer("Pump" if is_extended else " Pump"))
    last = said.plus(SEAL_HEADER, seal(center.origin, center.edge, center.signer, ("more",)))
    with patch.object(hub.protocol.rules, "RULES", {**RULES, NEWEST.number: forgotten}):
        await story.hq.feed("uz", [last if is_extended else center.sealed(said)], story.now)
    await story.notarize()
    await story.cosign("uz", "kz")
    await story.close()
    return story.database


def misjudged(*, is_extended: bool) -> bytes:
    """Return the bundle of an HQ that took what its rules forbid: a seal, or a text."""
    forgotten = replace(NEWEST, strict_seals=False) if is_extended else replace(NEWEST, exact_text=False)
    with tempfile.TemporaryDirectory() as folder:
        database = asyncio.run(_told_otherwise(Path(folder), forgotten, is_extended=is_extended))
        with Ledger.open(database) as ledger:
            return export_bundle(ledger, TRUST_NOTE, SUBJECT).data


def bundle(number: int) -> bytes:
    """Return the bundle of a lane under rules of that number."""
    later = {**RULES, number: replace(NEWEST, number=number)}
    with tempfile.TemporaryDirectory() as folder, patch.object(hub.protocol.rules, "RULES", later):
        database = asyncio.run(_told(Path(folder), number))
        with Ledger.open(database) as ledger:
            return export_bundle(ledger, TRUST_NOTE, SUBJECT).data


if __name__ == "__main__":
    for wanted in (2, 3):
        (Path(sys.argv[1]) / f"rules-{wanted}.zip").write_bytes(bundle(wanted))
    (Path(sys.argv[1]) / "misjudged.zip").write_bytes(misjudged(is_extended=False))
    (Path(sys.argv[1]) / "extended.zip").write_bytes(misjudged(is_extended=True))
