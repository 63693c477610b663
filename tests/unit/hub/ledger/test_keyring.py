"""Whose seal counts at which basis: keys revoked, rotated and retired, and the ML-DSA-44 key beside the other."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from hub.ledger.basis import Basis, basis
from hub.ledger.keyring import Standing
from hub.ledger.lane import Status
from hub.ledger.step import Step
from hub.protocol.checkpoint import open_seal, seal, sign_checkpoint
from hub.protocol.control import key_text, seal_key_name
from hub.protocol.keys import COSIGNATURE_MLDSA44, Signer
from hub.protocol.note import Note
from hub.protocol.record import SEAL_HEADER
from hub.protocol.trust import HqKeys, Trust
from tests.support.center import HUB, NOW, RELEASED, Center, Sent
from tests.support.hq import IDENTITY, Hq, accepted, center_record, refused, resends

LONG = Signer(seal_key_name(HUB, "uz"), b"m" * 32, COSIGNATURE_MLDSA44)


def long_entry(key: Signer, by: Signer, status: str = "active") -> dict[str, Any]:
    """Return an ML-DSA-44 key as a center's record has it, vouched for by its Ed25519 key."""
    text = key_text(HUB, "uz", "seal", key.verifier).encode()
    return {
        "vkey": key.verifier.to_text(),
        "purpose": "seal",
        "status": status,
        "proof": b64encode(key.sign(text)).decode(),
        "previous_proof": b64encode(by.sign(text)).decode(),
        "replaced_lost": False,
        "status_reason": None,
    }


async def with_long_key(hq: Hq, *keys: dict[str, Any]) -> Center:
    """Return a center that HQ has taken four events of, and that has ML-DSA-44 keys from then on."""
    center = Center()
    await hq.register(center)
    step = await hq.feed("uz", center.opened(3))
    assert accepted(step) == [1, 2, 3, 4]
    record = center_record(center)
    record["keys"] += keys or [long_entry(LONG, center.signer)]
    await hq.said("key_added", center, record)
    return center


def both(center: Center, records: Sequence[Sent], long_key: Signer = LONG) -> list[Sent]:
    """Return records under a seal by both keys instead of one."""
    made = seal(center.origin, center.edge, center.signer, (), long_key, NOW)
    return [*records[:-1], records[-1].header(SEAL_HEADER, made)]


async def test_seal_by_both_keys_is_taken(hq: Hq) -> None:
    """Two lines under the lane's origin: 0x01 and 0x06."""
    center = await with_long_key(hq)
    step = await hq.feed("uz", both(center, center.offers(2, first=10)))
    assert accepted(step) == [5, 6]


async def test_seal_without_the_ml_dsa_line_is_taken_only_before_hq_has_the_key(hq: Hq) -> None:
    """Whoever can forge Ed25519 can't leave the other signature out."""
    center = await with_long_key(hq)
    step = await hq.feed("uz", center.offers(2, first=10))
    assert (accepted(step), details(step)) == ([], {"LONG_KEY_MISSING"})
    assert [r.first for r in resends(step)] == [5]
    assert hq.reading("uz").intake.status is Status.READING


@pytest.mark.parametrize("damage", ["stranger", "signature", "tree", "origin"])
async def test_ml_dsa_line_that_is_not_good_spoils_the_seal(hq: Hq, damage: str) -> None:
    """It has to be by a key of the center's that HQ has, over this tree and under this lane's origin."""
    center = await with_long_key(hq)
    records = center.offers(2, first=10)
    good = both(center, records)
    _, note = open_seal(dict(good[-1].headers)[SEAL_HEADER] or b"")
    own, long_line = note.signatures
    if damage == "stranger":
        stranger = Signer(LONG.name, b"x" * 32, COSIGNATURE_MLDSA44)
        good = both(center, records, stranger)
    else:
        other = open_seal(seal(center.origin, center.edge.append([bytes(32)]), center.signer, (), LONG, NOW))[1]
        moved = open_seal(seal(f"{HUB}/uz/ffffffff", center.edge, center.signer, (), LONG, NOW))[1]
        value = {
            "signature": long_line.value[:100] + bytes([long_line.value[100] ^ 1]) + long_line.value[101:],
            "tree": other.signatures[1].value,
            "origin": moved.signatures[1].value,
        }[damage]
        line = type(long_line)(long_line.name, long_line.key_id, value)
        good[-1] = good[-1].header(SEAL_HEADER, Note(note.text, (own, line)).to_bytes())
    step = await hq.feed("uz", good)
    assert accepted(step) == []
    assert [why.partition(" ")[0] for why in refused(step)] == ["BAD_SEAL"]


async def test_ml_dsa_line_is_no_seal_alone(hq: Hq) -> None:
    """The Ed25519 key seals; the other one is beside it."""
    center = await with_long_key(hq)
    records = center.offers(2, first=10)
    checkpoint, _ = open_seal(dict(records[-1].headers)[SEAL_HEADER] or b"")
    alone = sign_checkpoint(checkpoint, [LONG.named(center.origin)], NOW)
    step = await hq.feed("uz", [*records[:-1], records[-1].header(SEAL_HEADER, alone)])
    assert accepted(step) == []


async def test_unknown_ml_dsa_line_is_passed_over_and_a_revoked_key_is_not_wanted(hq: Hq) -> None:
    """The office turns its setting on before HQ has the key, and HQ may do without it again."""
    center = Center()
    await hq.register(center)
    first = center.opened(3)
    step = await hq.feed("uz", both(center, first))
    assert accepted(step) == [1, 2, 3, 4]
    record = center_record(center)
    record["keys"].append(long_entry(LONG, center.signer, "revoked"))
    await hq.said("key_added", center, record)
    step = await hq.feed("uz", center.offers(1, first=10))
    assert accepted(step) == [5]


async def test_ml_dsa_key_is_rotated_while_both_are_active(hq: Hq) -> None:
    """Of several active ones a line by one is enough."""
    center, newer = Center(), Signer(LONG.name, b"n" * 32, COSIGNATURE_MLDSA44)
    center = await with_long_key(hq, long_entry(LONG, center.signer), long_entry(newer, center.signer))
    step = await hq.feed("uz", both(center, center.offers(1, first=10), newer))
    assert accepted(step) == [5]
    step = await hq.feed("uz", both(center, center.offers(1, first=11)))
    assert accepted(step) == [6]


async def test_seal_of_a_key_that_was_revoked_later_is_good_under_the_recorded_basis(hq: Hq) -> None:
    """HQ's log has the order: what was judged before the revocation stays, afterwards it can't be."""
    center = Center()
    await hq.register(center)
    records = center.opened(3)
    step = await hq.feed("uz", records)
    (commit,) = step.commits
    _, note = open_seal(dict(records[-1].headers)[SEAL_HEADER] or b"")
    before = await hq.headquarters.basis()
    new = Center(seed=b"n" * 32)
    record = center_record(center, new)
    record["keys"][0]["status"] = "revoked"
    await hq.said("key_revoked", center, record)
    after = await hq.headquarters.basis()
    assert commit.receipt.basis == before.size < after.size
    assert before.keyring.check_seal("uz", center.origin, note)[0] is Standing.GOOD
    standing, why = after.keyring.check_seal("uz", center.origin, note)
    assert (standing, why.partition(":")[0]) == (Standing.BAD, "REVOKED_KEY")


async def test_hq_lane_by_a_retired_key_is_refused_now_and_good_at_its_time(hq: Hq) -> None:
    """The same for HQ's own lane, whose keys stand in the trust note with the time of their retirement."""
    newer = Signer(f"{HUB}/hq", b"n" * 32)
    origin = f"{HUB}/hq/00000001"
    lane = await hq.headquarters.lane.read()
    old_note = open_seal(seal(origin, Center().edge.append([bytes(32)]), IDENTITY.hq))[1]
    new_note = open_seal(seal(origin, Center().edge.append([bytes(32)]), newer))[1]
    gone_at = NOW + timedelta(days=1)
    trust = trusting(IDENTITY.hq, newer, gone_at)

    def standing(note: Note, at: timedelta) -> Standing:
        sealing = HqKeys.of(trust).hqs_at(NOW + at)
        retired = [key for key in trust.hqs if key not in sealing]
        found: Basis = basis(lane.size, lane.entities.values(), sealing, RELEASED, retired)
        return found.keyring.check_seal("hq", origin, note)[0]

    assert [standing(note, timedelta()) for note in (old_note, new_note)] == [Standing.GOOD, Standing.GOOD]
    assert [standing(note, timedelta(days=1)) for note in (old_note, new_note)] == [Standing.BAD, Standing.GOOD]


def trusting(old: Signer, new: Signer, gone_at: datetime) -> Trust:
    """Return a trust note with two keys of the hq lane, the first retired."""
    return Trust(
        HUB,
        Signer(f"{HUB}/root", b"o" * 32).verifier,
        (IDENTITY.receipts.verifier,),
        (IDENTITY.log.verifier, IDENTITY.log_long.verifier),
        (old.verifier, new.verifier),
        retired=((gone_at, old.verifier),),
        serial=2,
        time=NOW,
    )


def details(step: Step) -> set[str]:
    return {why.removeprefix("BAD_SEAL ").partition(":")[0] for why in refused(step)}


async def test_seal_that_hq_lets_be_good_by_now_is_taken_though_nothing_else_came(hq: Hq) -> None:
    """What spoiled it is revoked; the center sends the same bytes again and again, and nothing in them is new."""
    center = await with_long_key(hq)
    step = await hq.feed("uz", center.offers(2, first=10))
    assert (accepted(step), details(step)) == ([], {"LONG_KEY_MISSING"})
    assert accepted(await hq.feed("uz", [])) == []
    record = center_record(center)
    record["keys"].append(long_entry(LONG, center.signer, "revoked"))
    await hq.said("key_revoked", center, record)
    step = await hq.feed("uz", [])
    assert (accepted(step), step.reading.tail, step.reading.intake.why) == ([5, 6], (), "")


async def test_seal_by_a_key_that_was_another_centers_is_good_once_it_is_this_ones(hq: Hq) -> None:
    """A lane that begins heals as one that is open does."""
    center = Center()
    await hq.register(center)
    await hq.feed("uz", center.opened(3))
    await hq.register(Center("kz", seed=b"n" * 32))
    new = Center("uz", "0000beef", seed=b"n" * 32, offsets=center.offsets)
    step = await hq.feed("uz", [new.opening(), *new.offers(1, first=6)])
    assert (accepted(step), details(step)) == ([], {"FOREIGN_KEY"})
    await hq.said("key_added", center, center_record(center, new))
    step = await hq.feed("uz", [])
    assert (accepted(step), step.reading.opening) == ([1, 2], None)
    assert accepted(await hq.feed("uz", new.offers(1, first=7))) == [3]
