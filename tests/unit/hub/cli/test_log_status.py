"""What `hub status` says of HQ's log: who cosigned how far, whether it is believed, and what is held against it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from hub.ledger.notary import append
from hub.protocol.checkpoint import Checkpoint, sign_checkpoint
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from hub.protocol.witness import log_origin
from tests.support.center import HUB, NOW, Center
from tests.support.hq import IDENTITY, Hq, center_record
from tests.support.witness import Witness

KEYS = [IDENTITY.log, IDENTITY.log_long]


async def witnessed(folder: Path, *, break_it: bool = False) -> None:
    """Make a hub of uz, kz, tj (no witness key), whose log uz and kz cosign, uz once more than kz."""
    hq = await Hq.open(folder)
    witnesses = [Witness(Center("uz")), Witness(Center("kz"))]
    for witness in witnesses:
        record = center_record(witness.center)
        await hq.register(witness.center, keys=[*record["keys"], witness.key()])
    await hq.register(Center("tj"))
    store = hq.store.log
    notes = []
    for count in range(2):
        addition = append(await store.read(log_origin(HUB)), await store.unlogged(2 + count), KEYS, NOW)
        await store.append(addition)
        notes.append(addition.log.note)
    uz, kz = witnesses
    await hq.feed("uz", [uz.cosignature(note, offset=n) for n, note in enumerate(notes)])
    await hq.feed("kz", [kz.cosignature(notes[0])])
    if break_it:
        forged = sign_checkpoint(Checkpoint(log_origin(HUB), 99, b"x" * 32), KEYS, NOW)
        await hq.feed("kz", [kz.cosignature(forged, offset=101), kz.alarm("two roots at size 2", 2, offset=102)])
    await hq.store.close()


def test_status_tells_who_cosigned_how_far(hub: Any, tmp_path: Path) -> None:
    """Believed is what more than half of the centers have cosigned, at one size."""
    asyncio.run(witnessed(tmp_path / "data"))
    log = json.loads(hub("status", "--json").out)["log"]
    assert (log["size"], log["cosigned"], log["witnesses"], log["believed"]) == (4, 1, 3, False)
    assert (log["believed_size"], log["behind"], log["rolled_back"]) == (2, 0, None)
    centers = {w["center"]: (w["key"], w["cosigned"], w["alarm"]) for w in log["centers"]}
    assert centers == {"uz": ("active", 4, None), "kz": ("active", 2, None), "tj": ("none", 0, None)}
    out = hub("status").out
    assert "log: 4 receipts, checkpoint cosigned by 1 of 3, believed up to 2" in out
    assert "not cosigning: tj (no witness key)" in out
    assert "ALARM" not in out


def test_status_shows_what_witnesses_hold_against_the_log(hub: Any, tmp_path: Path) -> None:
    """An alarm, and a cosignature of what HQ does not know that it signed, can't be overlooked."""
    asyncio.run(witnessed(tmp_path / "data", break_it=True))
    log = json.loads(hub("status", "--json").out)["log"]
    assert log["strange_cosignatures"] == 1
    alarm = next(w["alarm"] for w in log["centers"] if w["center"] == "kz")
    assert (alarm["size"], alarm["reason"]) == (2, "two roots at size 2")
    out = hub("status").out
    assert "ALARM kz against HQ's log: two roots at size 2" in out
    assert "1 cosignature under checkpoints that its database does not have" in out
    assert "may have been rolled back" in out


def test_status_says_that_no_root_key_has_signed_the_keys_of_the_log(made: Any, tmp_path: Path) -> None:
    """After the update of a hub whose root key is elsewhere, no center can check HQ's log until somebody does this."""
    keys = tmp_path / "data" / "keys"
    (keys / "trust.note").unlink()  # of the keys that `hub init` has made: those of this test have sealed the hq lane
    (keys / "hq.key").write_text(IDENTITY.hq.to_text())
    asyncio.run(witnessed(tmp_path / "data"))
    assert json.loads(made("status", "--json").out)["log"]["keys_signed"] is True
    assert "no center can check the log" not in made("status").out
    root = Signer.from_text((keys / "root.key").read_text())
    receipts = Signer(f"{HUB}/receipts", b"r" * 32)
    old = Trust(HUB, root.verifier, (receipts.verifier,))
    (keys / "trust.note").write_bytes(sign_note(old.to_text(), [root]).to_bytes())
    assert "check the log: `hub key renew`\n" in made("status").out
    (keys / "root.key").unlink()
    assert "check the log: `hub key renew --request FILE`, then `hub key sign`" in made("status").out
    assert json.loads(made("status", "--json").out)["log"]["keys_signed"] is False
