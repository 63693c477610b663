"""Inviting, hearing and confirming an office, as any shell has HQ do it; no Kafka is asked."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest

from hub.hq import centers, invitations
from hub.hq.access import give, opened
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.invitations import WordsDiffer
from hub.hq.profile import Profile
from hub.hq.status import read_status
from hub.ledger.invitation import VALID_FOR, Stage
from hub.protocol.control import enrolment, key_name
from hub.protocol.errors import Conflict, Malformed, NotFound, UsageError
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.joining import JoinRequest, State, Why, seal_request
from hub.protocol.keys import ED25519, Signer
from hub.protocol.scram import Credential
from hub.store.access_store import AccessStore
from schemas.vectors.keys import signer
from tests.support.center import HUB
from tests.support.desk import NOW, Desk
from tests.support.joining import asking, request_of

UZ = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer",))


@pytest.fixture
async def desk(where: HubFolder) -> Desk:
    """Return the desk of a hub with one center, which has no key yet."""
    await centers.register(where, "uz", UZ, [])
    return Desk(where)


async def test_office_is_invited_heard_and_confirmed(desk: Desk) -> None:
    """Its keys are in the hq lane, its credential is kept, and it is told."""
    made = await desk.invite()
    assert (made.id, made.expires_at) == (desk.bundle.id, NOW + VALID_FOR)
    assert made.root == Fingerprint.of_root(desk.bundle.root)
    assert await desk.stage() == "invited"
    request = request_of(desk.bundle)
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS
    asked = await desk.look()
    assert asked.request == request
    assert (asked.standing.stage, asked.root) == ("asked", made.root)
    done = await desk.confirm()
    assert [(key.purpose, key.status) for key in done.center.keys] == [("seal", "active"), ("witness", "active")]
    assert done.is_pinned
    answer = await desk.ask(asking(desk.bundle))
    assert (answer.state, answer.request) == (State.ACCEPTED, request.digest)
    async with desk.where.store() as store:
        kept = (await store.access.every())["uz"].sealed
    assert kept is not None
    assert opened(AccessKey.load(desk.where.keys), "uz", kept) == request.credential
    with pytest.raises(Conflict, match="confirmed already"):
        await desk.confirm()


async def test_other_words_confirm_nothing(desk: Desk) -> None:
    """HQ is told which differ, and nothing has happened."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    numbers = list(request_of(desk.bundle).fingerprint.numbers)
    numbers[2] = numbers[2] % 2048 + 1
    with pytest.raises(WordsDiffer, match="word 3 differs"):
        await desk.confirm(Fingerprint(tuple(numbers)))
    assert await desk.stage() == "asked"
    with desk.where.snapshot() as now:
        assert now.centers()[0].keys == ()
    await desk.confirm()


async def test_second_office_contests_both(desk: Desk) -> None:
    """Whoever asks by a copied file makes both unconfirmable, and HQ's status says so until it is withdrawn."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    answer = await desk.ask(asking(desk.bundle, "thief"))
    assert (answer.state, answer.why) == (State.REFUSED, Why.CONTESTED)
    assert (await desk.ask(asking(desk.bundle))).why == Why.CONTESTED
    for seed in ("office", "thief"):
        with pytest.raises(Conflict, match="two different requests"):
            await desk.confirm(request_of(desk.bundle, seed).fingerprint)
    status = await read_status(desk.where)
    assert "invitations" in status.needs
    assert [(one.center, one.stage, one.alarm) for one in status.invitations] == [("uz", "contested", True)]
    with pytest.raises(Conflict, match="withdraw"):
        await desk.invite(file=desk.file.with_name("second"))
    assert not desk.file.with_name("second").exists()
    assert (await desk.withdraw()).stage == "withdrawn"
    assert "invitations" not in (await read_status(desk.where)).needs
    assert (await desk.ask(asking(desk.bundle))).why == Why.WITHDRAWN


async def test_same_request_again_is_no_second_use(desk: Desk) -> None:
    """However often it is sent, and encrypted anew each time."""
    await desk.invite()
    for _ in range(3):
        assert (await desk.ask(asking(desk.bundle))).state is State.WAITS
    await desk.confirm()
    for _ in range(2):
        assert (await desk.ask(asking(desk.bundle))).state is State.ACCEPTED
    assert (await desk.look()).standing.alarm is False


async def test_file_that_is_used_after_the_confirmation_is_worthless_and_told(desk: Desk) -> None:
    """The confirmed office is not touched; HQ takes note by withdrawing."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    await desk.confirm()
    assert (await desk.ask(asking(desk.bundle, "thief"))).why == Why.USED
    status = await read_status(desk.where)
    assert [one.alarm for one in status.invitations] == [True]
    assert "invitations" in status.needs
    await desk.withdraw()
    assert (await read_status(desk.where)).invitations == ()
    assert (await desk.ask(asking(desk.bundle))).state is State.ACCEPTED
    assert (await desk.ask(asking(desk.bundle, "thief"))).why == Why.USED
    with pytest.raises(Conflict, match="used by nobody else"):
        await desk.withdraw()


async def test_time_is_over_by_the_clock_of_hq(desk: Desk) -> None:
    """Also for who has asked in time; another invitation can be made then, and not before."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    desk.now += VALID_FOR - timedelta(seconds=1)
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS
    with pytest.raises(Conflict, match="has the invitation"):
        await desk.invite(file=desk.file.with_name("second"))
    desk.now += timedelta(seconds=1)
    with pytest.raises(Conflict, match="expired at 2026-03-04 12:00 UTC"):
        await desk.confirm()
    assert (await desk.ask(asking(desk.bundle))).why == Why.EXPIRED
    assert (await desk.ask(asking(desk.bundle, "thief"))).why == Why.EXPIRED
    desk.now -= timedelta(days=2)  # a clock that is set back revives nothing
    assert (await desk.ask(asking(desk.bundle))).why == Why.EXPIRED
    first, desk.file = desk.bundle, desk.file.with_name("second")
    await desk.invite()
    assert (await desk.ask(asking(first), first.id)).why == Why.EXPIRED
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS


async def test_office_that_believes_another_root_is_refused_and_told(desk: Desk) -> None:
    """Somebody has changed the file on its way: HQ sees that it is not its own root that the office believes."""
    await desk.invite()
    forged = asking(desk.bundle, root=signer(f"{HUB}/root", 9).verifier)
    assert (await desk.ask(forged)).why == Why.OTHER_ROOT
    assert await desk.stage() == "contested"
    assert (await desk.ask(forged)).why == Why.OTHER_ROOT


async def test_what_was_made_without_the_bundle_is_no_use_and_no_alarm(desk: Desk) -> None:
    """What nobody could have made but a stranger accuses nobody."""
    await desk.invite()
    good = asking(desk.bundle)
    for data in (b"", b"x" * 100, good[:-1], replace_last(good), asking(replace(desk.bundle, secret=bytes(32)))):
        with pytest.raises(Malformed):
            await desk.ask(data)
    with pytest.raises(NotFound):
        await desk.ask(good, "00000000")
    assert await desk.stage() == "invited"


async def test_request_that_cannot_be_read_is_refused_and_leaves_the_invitation_open(desk: Desk) -> None:
    """An office of a later release may say what this one does not know."""
    await desk.invite()

    class Later(JoinRequest):
        def to_bytes(self) -> bytes:
            return super().to_bytes().replace(b"cohub-join/v1", b"cohub-join/v2")

    later = Later(**{name: getattr(request_of(desk.bundle), name) for name in JoinRequest.__dataclass_fields__})
    assert (await desk.ask(seal_request(desk.bundle, later))).why == Why.UNREADABLE
    assert await desk.stage() == "invited"
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS


async def test_center_with_keys_is_joined_anew_only_where_that_is_meant(desk: Desk) -> None:
    """An office whose computer is gone has other keys; nobody guesses that the old ones are lost."""
    old = Signer(key_name(HUB, "uz", "seal"), b"o" * 32, ED25519)
    await centers.add_key(desk.where, "uz", enrolment(HUB, "uz", "seal", old), replaces_lost=False)
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    with pytest.raises(UsageError, match="--replaces-lost"):
        await desk.confirm()
    assert await desk.stage() == "asked"
    done = await desk.confirm(replaces_lost=True)
    assert [key.replaced_lost for key in done.center.keys] == [False, True, False]


async def test_office_that_has_its_keys_already_gets_its_credential(desk: Desk) -> None:
    """Keys that HQ has are not added twice."""
    await desk.invite()
    request = request_of(desk.bundle)
    for note in request.notes:
        await centers.add_key(desk.where, "uz", note, replaces_lost=False)
    await desk.ask(asking(desk.bundle))
    done = await desk.confirm()
    assert (done.added, done.version, len(done.center.keys)) == ((), 1, 2)


async def test_key_of_another_center_is_refused_before_anything_is_decided(desk: Desk) -> None:
    """No key has two uses, also one that comes by a file."""
    await centers.register(desk.where, "kz", replace(UZ, country="KZ"), [])
    await desk.invite()
    request = request_of(desk.bundle)
    shared = Signer(key_name(HUB, "kz", "seal"), sha256(b"office").digest(), ED25519)
    await centers.add_key(desk.where, "kz", enrolment(HUB, "kz", "seal", shared), replaces_lost=False)
    await desk.ask(asking(desk.bundle))
    with pytest.raises(Conflict, match="no key has two uses"):
        await desk.confirm(request.fingerprint)
    assert await desk.stage() == "asked"


async def test_who_is_not_there_or_closed_is_not_invited(desk: Desk) -> None:
    """Nothing is made then, no file either."""
    with pytest.raises(NotFound, match="no center kz"):
        await desk.invite("kz")
    with pytest.raises(NotFound, match="never invited"):
        await desk.withdraw()
    await centers.close(desk.where, "uz", "left")
    with pytest.raises(Conflict, match="closed"):
        await desk.invite()
    assert not desk.file.exists()


async def test_file_is_private_and_never_written_over(desk: Desk) -> None:
    """Whoever has the file can ask to be the center."""
    desk.file.write_text("mine")
    with pytest.raises(UsageError, match="nothing was made"):
        await desk.invite()
    assert desk.file.read_text() == "mine"
    desk.file.unlink()
    await desk.invite()
    if os.name == "posix":
        assert stat.S_IMODE(desk.file.stat().st_mode) == 0o600
    with pytest.raises(Conflict, match="nobody has asked"):
        await desk.confirm()


async def test_database_has_no_secret_in_the_clear(desk: Desk) -> None:
    """Whoever reads a backup can't join with it, nor log in."""
    await desk.invite()
    request = request_of(desk.bundle)
    await desk.ask(asking(desk.bundle))
    await desk.confirm()
    with closing(sqlite3.connect(desk.where.database)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = b"".join(path.read_bytes() for path in desk.where.data_dir.glob("hub.sqlite3*"))
    for secret in (desk.bundle.secret, request.credential.salted_password, desk.bundle.password.encode()):
        assert secret not in stored
        assert secret.hex().encode() not in stored
    assert AccessKey.load(desk.where.keys) is not None


@pytest.mark.parametrize(("step", "nth"), [("headquarters", 2), ("give", 1), ("move", 2)])
async def test_confirming_that_was_broken_off_goes_on(desk: Desk, step: str, nth: int) -> None:
    """Behind each step: nothing is told before all is done, and saying it again does what is missing.

    It is not taken back: its office may be in already.
    """
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    await desk.break_off(step, nth)
    assert (await desk.look()).standing.unfinished
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS
    assert (await desk.ask(asking(desk.bundle, "thief"))).why == Why.USED
    assert "invitations" in (await read_status(desk.where)).needs
    with pytest.raises(Conflict, match=r"`hub center confirm uz` goes on.*`hub center suspend uz"):
        await desk.withdraw()
    done = await desk.confirm()
    assert len(done.center.keys) == 2
    assert (await desk.ask(asking(desk.bundle))).state is State.ACCEPTED


async def test_confirming_that_was_broken_off_keeps_nobody_from_inviting_anew(desk: Desk) -> None:
    """Where it can't be gone on with, nobody is stuck with it."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    await desk.break_off("headquarters", 2)
    desk.now += timedelta(minutes=1)
    desk.file = desk.file.with_name("second")
    await desk.invite()
    assert await desk.stage() == "invited"


async def test_confirming_that_was_broken_off_is_taken_back_when_the_center_is_closed(desk: Desk) -> None:
    """It can't be gone on with any more, and lets nobody in."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    await desk.break_off("give", 1)
    await centers.close(desk.where, "uz", "left")
    with pytest.raises(Conflict, match="withdraw"):
        await desk.confirm()
    assert (await desk.withdraw()).stage == "withdrawn"
    assert (await desk.ask(asking(desk.bundle))).why == Why.WITHDRAWN


async def test_confirming_whose_invitation_is_taken_back_on_the_way_does_not_say_that_all_is_well(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by somebody who has an earlier release: the office is in, and its file counts as withdrawn."""
    made = await desk.invite()
    await desk.ask(asking(desk.bundle))

    async def give_late(access: AccessStore, key: AccessKey, center: str, credential: Credential) -> int:
        async with desk.where.store() as store:
            stored = await store.invitations.find(made.id)
            assert stored is not None
            after = replace(stored.issued, stage=Stage.WITHDRAWN, ended_at=desk.now)
            assert await store.invitations.move(stored.issued, after)
        return await give(access, key, center, credential)

    monkeypatch.setattr(invitations, "give", give_late)
    with pytest.raises(Conflict, match=r"taken back while it was confirmed.*suspend uz"):
        await desk.confirm()


async def test_center_that_was_closed_meanwhile_is_not_confirmed(desk: Desk) -> None:
    """Nothing is decided that could not be done; its invitation is taken back."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    await centers.close(desk.where, "uz", "left")
    with pytest.raises(Conflict, match="closed"):
        await desk.confirm()
    assert await desk.stage() == "asked"
    assert (await desk.withdraw()).stage == "withdrawn"


async def test_lost_access_key_stops_nothing_else(desk: Desk) -> None:
    """What it sealed is lost: it is said, and a new invitation can be made."""
    await desk.invite()
    await desk.ask(asking(desk.bundle))
    (desk.where.keys / "access.key").unlink()
    with pytest.raises(UsageError, match=r"access\.key"):
        await desk.ask(asking(desk.bundle))
    with pytest.raises(NotFound, match=r"access\.key"):
        await desk.confirm()
    await desk.withdraw()
    desk.file = desk.file.with_name("second")
    await desk.invite()
    assert (await desk.ask(asking(desk.bundle))).state is State.WAITS


def replace_last(data: bytes) -> bytes:
    """Return other bytes of the same length."""
    return data[:-1] + bytes([data[-1] ^ 1])
