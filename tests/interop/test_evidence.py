"""A bundle's notes and proofs are verified by other people's packages, with keys out of the trust note and hq lane."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import orjson

from hub.evidence import layout
from hub.evidence.export import export_bundle
from hub.evidence.subject import Subject
from hub.ledger.notary import receipt_text
from hub.protocol.keys import Verifier
from hub.protocol.tree import leaf_hash
from hub.replay.source import Ledger
from tests.support.evidence import TRUST, TRUST_NOTE, told
from tests.support.interop import ask_go, needs_go


@needs_go
def test_go_verifies_every_note_and_proof_of_a_bundle(tmp_path: Path) -> None:
    """Receipts, seals, checkpoint; every receipt in HQ's log, by either key; every event in its center's lane."""

    async def tell() -> None:
        await (await told(tmp_path, "uz", "kz")).close()

    asyncio.run(tell())
    with Ledger.open(tmp_path / "hub.sqlite3") as ledger:
        files = export_bundle(ledger, TRUST_NOTE, Subject("deal", "uz:D-1")).case.files
    said = orjson.loads(files[layout.MANIFEST])
    seals = {key["owner"]: key["vkey"] for key in said["keys"] if key["purpose"] == "seal"}
    notes, proofs = [], []
    for path, data in sorted(files.items()):
        if path.endswith("receipt.note"):
            notes.append((data, TRUST.receipts[0].to_text()))
        if path.endswith("receipt.tlog-proof"):
            leaf = leaf_hash(receipt_text(files[path.removesuffix("tlog-proof") + "note"]))
            proofs += [(data, leaf, key.to_text()) for key in TRUST.logs]
        elif path.endswith(".tlog-proof"):
            _, center, epoch = path.split("/")[1].split("-")
            key = Verifier.from_text(seals[center]).named(f"{said['hub']}/{center}/{epoch}").to_text()
            proofs.append((data, leaf_hash(files[path.removesuffix("tlog-proof") + "event"]), key))
            notes.append((files[f"{path.partition('events/')[0]}seal.note"], key))
    answer = ask_go(
        {
            "notes": [{"data": base64.b64encode(data).decode(), "keys": [key]} for data, key in notes],
            "proofs": [{"text": data.decode(), "leaf": leaf.hex(), "keys": [key]} for data, leaf, key in proofs],
        }
    )
    assert answer["notes"] == [""] * len(notes)
    assert answer["proofs"] == [""] * len(proofs)
    assert len(proofs) > 30
