"""Centers and their keys, as any shell has HQ say it: what comes back, and which error forbids it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hub.hq import centers
from hub.hq.centers import REVISED, change
from hub.hq.enrolment import proven_all
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.identity import ROOT, load_identity, read_root
from hub.hq.profile import Profile, Revision, plain
from hub.hq.rotation import current
from hub.protocol.control import enrolment, key_name
from hub.protocol.errors import AgainstRules, Conflict, NotFound, Retriable, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, ED25519, Signer
from hub.protocol.record import CENTER_REGISTERED
from hub.protocol.trust import open_trust
from hub.protocol.verdict import Code
from hub.store.read.centers import RegisteredCenter
from tests.support.center import HUB
from tests.unit.hub.hq.conftest import enrolled

UZ = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer", "deal", "offer"))
STATUS = {"reason": "audit", "effective_on": None}


def stored(where: HubFolder) -> RegisteredCenter:
    """Return the one center that HQ has."""
    with where.snapshot() as now:
        (found,) = now.centers()
    return found


async def test_registered_center_comes_back_as_hq_has_it(where: HubFolder) -> None:
    """What a shell shows at once is what every later read says."""
    done = await centers.register(where, "uz", UZ, [enrolled()])
    assert done.center == stored(where)
    assert (done.center.name, done.center.status, done.center.streams) == ("Ташкент", "active", ("offer", "deal"))
    assert [(key.purpose, key.status) for key in done.center.keys] == [("seal", "active")]
    assert done.is_pinned


async def test_every_change_comes_back_as_hq_has_it(where: HubFolder) -> None:
    """A revision, another key, a revoked key, each turn of the status."""
    await centers.register(where, "uz", UZ, [enrolled()])
    first = stored(where).keys[0].id
    for done in (
        await centers.revise(where, "uz", Revision(name="Toshkent", zone="industry")),
        await centers.add_key(where, "uz", enrolled(seed=b"n", previous=b"s"), replaces_lost=False),
        await centers.revoke_key(where, "uz", first, "lost"),
        await centers.suspend(where, "uz", "audit"),
        await centers.resume(where, "uz", "audit done"),
        await centers.close(where, "uz", "left"),
    ):
        assert done.center.id == "uz"
    assert done.center == stored(where)
    assert (done.center.name, done.center.zone, done.center.status) == ("Toshkent", "industry", "closed")
    assert [(key.status, key.status_reason) for key in done.center.keys] == [("revoked", "lost"), ("active", None)]


async def test_center_that_is_not_there_is_not_found(where: HubFolder) -> None:
    for change_it in (
        centers.revise(where, "kz", Revision(name="X")),
        centers.add_key(where, "kz", enrolled("kz"), replaces_lost=False),
        centers.revoke_key(where, "kz", "00000000", "lost"),
        centers.suspend(where, "kz", "audit"),
    ):
        with pytest.raises(NotFound, match="there is no center kz"):
            await change_it


async def test_key_that_is_not_there_is_not_found(where: HubFolder) -> None:
    await centers.register(where, "uz", UZ, [enrolled()])
    with pytest.raises(NotFound, match=f"it has {stored(where).keys[0].id}"):
        await centers.revoke_key(where, "uz", "00000000", "lost")


async def test_what_is_there_already_is_a_conflict(where: HubFolder) -> None:
    """To ask again changes nothing, so it is no error that is tried again."""
    await centers.register(where, "uz", UZ, [enrolled()])
    with pytest.raises(Conflict, match="is registered already"):
        await centers.register(where, "uz", UZ, [])
    with pytest.raises(Conflict, match="has this key already"):
        await centers.add_key(where, "uz", enrolled(), replaces_lost=True)
    key = stored(where).keys[0].id
    await centers.revoke_key(where, "uz", key, "lost")
    with pytest.raises(Conflict, match="is revoked already"):
        await centers.revoke_key(where, "uz", key, "lost")


async def test_rule_that_forbids_it_is_told_with_its_code_and_field(where: HubFolder) -> None:
    """A form can say it beside the field, in any language; nothing was written."""
    with pytest.raises(AgainstRules, match="nothing was written") as told:
        await centers.register(where, "xx", replace(UZ, country="XX"), [])
    assert (told.value.code, told.value.field) == (Code.UNKNOWN_CODE, "hq:xx country")
    await centers.register(where, "uz", UZ, [])
    await centers.suspend(where, "uz", "audit")
    with pytest.raises(AgainstRules) as told:
        await centers.suspend(where, "uz", "another audit")
    assert told.value.code == Code.ILLEGAL_TRANSITION
    with pytest.raises(AgainstRules, match="HQ has exactly this already") as told:
        await centers.suspend(where, "uz", "audit")
    assert told.value.code == Code.ALREADY_SAID
    with where.snapshot() as now:
        assert [center.id for center in now.centers()] == ["uz"]


async def test_stream_that_no_center_writes_and_an_empty_revision_are_wrong_use(where: HubFolder) -> None:
    with pytest.raises(UsageError, match="stream schema: expected one of activity, deal, deal_confirmation"):
        await centers.register(where, "uz", replace(UZ, streams=("schema",)), [])
    await centers.register(where, "uz", UZ, [])
    with pytest.raises(UsageError, match="stream schema: expected one of"):
        await centers.revise(where, "uz", Revision(streams=("schema",)))
    with pytest.raises(UsageError, match="nothing to change"):
        await centers.revise(where, "uz", Revision())


async def test_witness_key_is_in_the_trust_note_or_somebody_is_told_that_it_is_not(where: HubFolder) -> None:
    witness = enrolled(purpose="witness", algorithm=COSIGNATURE_ED25519, seed=b"w")
    assert (await centers.register(where, "uz", UZ, [witness])).is_pinned
    note = where.keys / "trust.note"
    assert [key.name for key in open_trust(note.read_bytes()).witnesses] == ["hub.example/uz/witness"]
    (where.keys / "root.key").unlink()
    before = note.read_bytes()
    other = enrolled("kz", "witness", b"k", COSIGNATURE_ED25519)
    assert not (await centers.register(where, "kz", UZ, [other])).is_pinned
    assert note.read_bytes() == before


async def test_two_changes_at_once_are_both_kept(where: HubFolder) -> None:
    """What another operator says between our reading of the record and our saying it anew is not undone."""
    await centers.register(where, "uz", UZ, [])
    seen: list[str] = []
    async with where.headquarters() as (_, other):

        def renamed(record: dict[str, Any]) -> dict[str, Any]:
            seen.append(record["timezone"])
            if len(seen) == 1:
                # The other operator's change is said whole between our reading and our saying: with SQLite
                # `say` only lets others run, so it is taken to its end step by step.
                moved = {**record, "timezone": "Asia/Tashkent"}
                other_says = other.say([HqEvent(REVISED, "uz", moved)])
                pauses = list(other_says.__await__())
                assert pauses == [None] * len(pauses)
            return {**record, "name": "Toshkent"}

        await change(where, "uz", REVISED, renamed)
    center = stored(where)
    assert (center.name, center.timezone, seen) == ("Toshkent", "Asia/Tashkent", ["UTC", "Asia/Tashkent"])


async def test_saying_at_a_basis_that_has_moved_is_refused_and_writes_nothing(where: HubFolder) -> None:
    await centers.register(where, "uz", UZ, [])
    async with where.headquarters() as (_, headquarters):
        read_at = (await headquarters.basis()).size
        await headquarters.say([HqEvent("net.cohub.center.suspended.v1", "uz", STATUS)], expected_basis=read_at)
        with pytest.raises(Retriable, match="the hq lane has moved, try again"):
            await headquarters.say([HqEvent("net.cohub.center.resumed.v1", "uz", STATUS)], expected_basis=read_at)
        assert (await headquarters.basis()).size == read_at + 1
    assert stored(where).status == "suspended"


@pytest.mark.parametrize(
    "name", ["", "UZ", "in.uz", "a/b", "a:b", "x!", "..", "a-", "-a", "a" * 64, "ўз", "receipts", "log", "root", "hq"]
)
async def test_center_has_an_id_that_topics_and_keys_can_be_named_by(where: HubFolder, name: str) -> None:
    """Also where it has no key yet: no broker makes a topic `in.x!`, and no worker would start again."""
    with pytest.raises(UsageError, match="expected an id of 1 to 63"):
        await centers.register(where, name, UZ, [])
    await centers.register(where, "a-1", UZ, [])
    assert stored(where).id == "a-1"


async def test_hq_itself_is_no_center_that_could_be_suspended_or_closed(where: HubFolder) -> None:
    await centers.register(where, "uz", UZ, [])
    for change_it in (
        centers.suspend(where, "hq", "x"),
        centers.close(where, "hq", "x"),
        centers.revise(where, "hq", Revision(name="X")),
    ):
        with pytest.raises(NotFound, match="there is no center hq"):
            await change_it


@pytest.mark.parametrize(("purpose", "algorithm"), [("seal", ED25519), ("witness", COSIGNATURE_ED25519)])
async def test_no_key_is_that_of_two_centers(where: HubFolder, purpose: str, algorithm: int) -> None:
    """Whoever runs two offices may copy a folder; a trust note names every key once."""
    key: dict[str, Any] = {"purpose": purpose, "algorithm": algorithm, "seed": b"k"}
    await centers.register(where, "uz", UZ, [enrolled("uz", **key)])
    with pytest.raises(Conflict, match="is that of center uz already: no key has two uses"):
        await centers.register(where, "kz", UZ, [enrolled("kz", **key)])
    await centers.register(where, "kz", UZ, [])
    with pytest.raises(Conflict, match="is that of center uz already"):
        await centers.add_key(where, "kz", enrolled("kz", **key), replaces_lost=False)
    root = read_root(where.keys / ROOT, current(load_identity(where.keys)).root)
    copied = Signer(key_name(HUB, "kz", purpose), root.seed, algorithm)
    with pytest.raises(Conflict, match=r"is that of HQ \(hub.example/root\) already"):
        await centers.add_key(where, "kz", enrolment(HUB, "kz", purpose, copied), replaces_lost=False)


async def test_witness_key_that_two_centers_have_keeps_no_trust_note_from_being_made(where: HubFolder) -> None:
    """Releases before 0.3 registered it: the note names it once, and everything else goes on."""
    key = enrolled("uz", purpose="witness", algorithm=COSIGNATURE_ED25519, seed=b"k")
    await centers.register(where, "uz", UZ, [key])
    same = proven_all([enrolled("kz", purpose="witness", algorithm=COSIGNATURE_ED25519, seed=b"k")], HUB, "kz")
    async with where.headquarters() as (_, headquarters):
        record = {**plain(UZ), "streams": ["offer"], "keys": same}
        await headquarters.say([HqEvent(CENTER_REGISTERED, "kz", record)])
    done = await centers.register(where, "cn", UZ, [enrolled("cn", "witness", b"c", COSIGNATURE_ED25519)])
    names = [key.name for key in open_trust((where.keys / "trust.note").read_bytes()).witnesses]
    assert (done.is_pinned, names) == (True, [f"{HUB}/uz/witness", f"{HUB}/cn/witness"])
