"""A hub's keys on disk: made, completed, rotated, and read again after a crash at any step."""

from __future__ import annotations

import contextlib
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.base.durable import create_private
from hub.hq.identity import (
    TRUST_FILE,
    Identity,
    load_identity,
    make_identity,
    private_keys,
    read_root,
)
from hub.hq.rotation import (
    current,
    install,
    is_same,
    next_note,
    put,
    read_request,
    request,
    retired,
    rotated,
    with_witnesses,
)
from hub.protocol.errors import Retriable, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust, open_trust

HUB = "hub.example"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def made(tmp_path: Path) -> Identity:
    return make_identity(tmp_path / "keys", HUB)


def folder_of(identity: Identity) -> Path:
    assert identity.folder is not None
    return identity.folder


def trust_of(identity: Identity) -> Trust:
    assert identity.trust is not None
    return identity.trust


def as_of_0_1_0(tmp_path: Path) -> tuple[Path, Signer, dict[str, Signer]]:
    """Return a folder as version 0.1.0 made it, its root key and the others."""
    folder = tmp_path / "old"
    folder.mkdir()
    keys = {name: Signer(f"{HUB}/{name}", name.encode().ljust(32)) for name in ("root", "receipts", "hq")}
    for name, key in keys.items():
        create_private(folder / f"{name}.key", key.to_text() + "\n")
    trust = Trust(HUB, keys["root"].verifier, (keys["receipts"].verifier,))
    (folder / TRUST_FILE).write_bytes(sign_note(trust.to_text(), [keys["root"]]).to_bytes())
    (folder / "hub.name").write_text(HUB + "\n")
    return folder, keys["root"], keys


def test_new_hub_has_all_keys_and_a_note_that_names_them(made: Identity) -> None:
    """Receipts, hq and both log keys are in the first trust note, and their files are the owner's alone."""
    trust = open_trust(made.note)
    assert (trust.serial, trust.hub) == (1, HUB)
    assert trust.receipts == (made.receipts.verifier,)
    assert trust.logs == (made.log.verifier, made.log_long.verifier)
    assert trust.hqs == (made.hq.verifier,)
    assert (made.log.algorithm, made.log_long.algorithm) == (ED25519, COSIGNATURE_MLDSA44)
    assert made.log.name == made.log_long.name == f"{HUB}/log"
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder_of(made).glob("*.key"))
    assert load_identity(folder_of(made)) == made


class KilledError(Exception):
    """The process dies here."""


@pytest.mark.parametrize("step", ["fdopen", "fsync", "link", "unlink", "replace"])
def test_hub_whose_making_was_killed_at_any_step_is_made_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever was there when it died, the next start completes it, with one root key."""
    for times in range(7):
        folder = tmp_path / f"{step}-{times}"
        left = [times]
        owner: Any = Path if step in ("unlink", "replace") else os
        whole = getattr(owner, step)

        def dies(*args: Any, do: Any = whole, left: list[int] = left, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise KilledError
            return do(*args, **more)

        with monkeypatch.context() as patched:
            patched.setattr(owner, step, dies)
            with contextlib.suppress(KilledError):
                make_identity(folder, HUB)
        if not (folder / "hub.name").exists():
            make_identity(folder, HUB)
        assert load_identity(folder).trust is not None
        assert [stat.S_IMODE(key.stat().st_mode) for key in folder.glob("*.key")] == [0o600] * 5


def test_key_that_a_rotation_was_killed_in_hides_no_other(made: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key file is there whole or not at all: half a one would be a folder that nobody can read."""
    folder = folder_of(made)

    def dies(_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", dies)
        with pytest.raises(KilledError):
            rotated(made, "receipts")
    assert load_identity(folder).receipts == made.receipts


def test_half_made_keys_of_another_hub_are_not_taken(tmp_path: Path) -> None:
    create_private(tmp_path / "root.key", Signer("other.example/root", b"r" * 32).to_text() + "\n")
    with pytest.raises(UsageError, match=r"has keys of other\.example, half made"):
        make_identity(tmp_path, HUB)


def test_folder_of_0_1_0_gets_log_keys_and_a_note_at_its_next_start(tmp_path: Path) -> None:
    """The keys that centers know stay; the root key, which is there, signs the new ones."""
    folder, root, keys = as_of_0_1_0(tmp_path)
    identity = load_identity(folder)
    trust = open_trust((folder / TRUST_FILE).read_bytes(), root.verifier)
    assert (identity.receipts, identity.hq) == (keys["receipts"], keys["hq"])
    assert trust.serial == 1
    assert trust.logs == (identity.log.verifier, identity.log_long.verifier)
    assert load_identity(folder) == identity


def test_folder_of_0_1_0_with_an_offline_root_key_is_completed_by_a_request(tmp_path: Path) -> None:
    """It gets its log keys and goes on under the old note, until the root key has signed them elsewhere."""
    folder, root, _ = as_of_0_1_0(tmp_path)
    (folder / "root.key").unlink()
    identity = load_identity(folder)
    assert trust_of(identity).serial == 0
    assert load_identity(folder) == identity
    asked = request(next_note(current(identity), NOW, "log keys"), identity.receipts)
    wanted = read_request(asked)
    install(identity, sign_note(wanted.to_text(), [root]).to_bytes())
    after = load_identity(folder)
    assert (after.log, after.log_long, trust_of(after).serial) == (identity.log, identity.log_long, 1)


def test_key_of_the_hq_lane_is_never_made_anew(tmp_path: Path) -> None:
    """A folder that lacks it can't be repaired by another key: everything in the hq lane is sealed by it."""
    folder, _, _ = as_of_0_1_0(tmp_path)
    (folder / "hq.key").unlink()
    with pytest.raises(UsageError, match=r"hq\.key is missing"):
        load_identity(folder)


def test_log_keys_are_made_by_one_of_many_starts_at_once(tmp_path: Path) -> None:
    """The worker and commands that start beside it take what the first of them has made."""
    folder, _, _ = as_of_0_1_0(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(load_identity, [folder] * 8))
    assert len({(identity.log, identity.log_long) for identity in found}) == 1
    assert not list(folder.glob("*.part"))
    assert load_identity(folder).log == found[0].log


@pytest.mark.parametrize("purpose", ["receipts", "log", "hq"])
def test_rotation_counts_from_the_moment_the_note_is_replaced(made: Identity, purpose: str) -> None:
    """Before it the new key's file is there and not in use; after it the former key is still in the note."""
    folder = folder_of(made)
    trust = rotated(made, purpose)
    assert load_identity(folder) == made
    put(folder, next_note(trust, NOW, "yearly"), read_root(folder / "root.key", trust.root))
    after = load_identity(folder)
    before = trust_of(made).keys()[purpose]
    assert trust_of(after).keys()[purpose][: len(before)] == before
    assert len(trust_of(after).keys()[purpose]) == 2 * len(before)
    changed = {name for name in ("receipts", "hq", "log", "log_long") if getattr(after, name) != getattr(made, name)}
    assert changed == {"log": {"log", "log_long"}}.get(purpose, {purpose})
    made.renew(after)
    assert made == after


def test_note_whose_private_keys_are_elsewhere_is_not_installed(made: Identity, tmp_path: Path) -> None:
    """A note by the right root over keys of another folder would leave the hub without a voice."""
    folder = folder_of(made)
    root = read_root(folder / "root.key", trust_of(made).root)
    stranger = Signer(f"{HUB}/receipts", b"s" * 32)
    trust = next_note(replace(current(made), receipts=(made.receipts.verifier, stranger.verifier)), NOW, "x")
    with pytest.raises(UsageError, match="lacks the private half"):
        install(made, sign_note(trust.to_text(), [root]).to_bytes())
    with pytest.raises(UsageError, match="no trust note of"):
        install(made, sign_note(trust.to_text(), [Signer(f"{HUB}/root", b"o" * 32)]).to_bytes())
    with pytest.raises(UsageError, match="serial 1"):
        install(made, made.note)
    assert load_identity(folder) == made


def test_request_by_somebody_else_is_not_signed(made: Identity) -> None:
    """What the root key is to sign comes from one of the hub's own keys."""
    trust = next_note(rotated(made, "receipts"), NOW, "x")
    assert read_request(request(trust, made.receipts)) == trust
    with pytest.raises(UsageError, match="no request"):
        read_request(request(trust, Signer(f"{HUB}/receipts", b"s" * 32)))
    with pytest.raises(UsageError, match="no request"):
        read_request(b"something")


def test_request_that_does_not_go_on_from_the_note_before_is_not_signed(made: Identity) -> None:
    """Whoever gets hold of the file on its way can't put a key into it, nor take back what was signed before."""
    before = next_note(rotated(made, "receipts"), NOW, "first")
    later = NOW + timedelta(days=1)
    before = next_note(replace(before, retired=((NOW, before.receipts[0]),)), NOW, "second")
    signers = {key.verifier: key for key in private_keys(folder_of(made)).values()}
    ours, gone = (signers[before.receipts[number]] for number in (1, 0))
    asked = next_note(rotated(made, "log"), later, "log")
    asked = next_note(replace(before, logs=asked.logs), later, "log")
    assert read_request(request(asked, ours), before) == asked
    first = trust_of(made)
    assert read_request(request(next_note(first, later, "x"), made.receipts), first).serial == 2
    thief = Signer(f"{HUB}/receipts", b"t" * 32)
    forged = replace(asked, receipts=(*asked.receipts, thief.verifier))
    assert read_request(request(forged, thief)) == forged  # by its own word it is one
    other = Signer(f"{HUB}/root", b"o" * 32).verifier
    for trust, signer, why in (
        (forged, thief, "no request"),
        (asked, gone, "no request"),
        (replace(asked, serial=2**62), ours, "expected the serial"),
        (replace(asked, serial=before.serial), ours, "expected the serial"),
        (
            replace(asked, logs=asked.logs[2:]),
            ours,
            "the log key [0-9a-f]{8} of trust note [0-9] is missing in the request",
        ),
        (
            replace(asked, logs=(asked.logs[1], asked.logs[0], *asked.logs[2:])),
            ours,
            "the log keys of trust note [0-9] stand in another order",
        ),
        (replace(asked, retired=()), ours, "a key that trust note [0-9] retires is in use again"),
        (replace(asked, retired=((later, before.receipts[0]),)), ours, "or retired at another time"),
        (
            replace(asked, retired=(*asked.retired, (NOW - timedelta(days=9), asked.logs[0]))),
            ours,
            "retires a key from before",
        ),
        (replace(asked, root=other), ours, "the request names the root key .* and trust note [0-9] names"),
    ):
        with pytest.raises(UsageError, match=why):
            read_request(request(trust, signer), before)


def test_note_that_was_made_from_an_older_one_replaces_nothing(made: Identity) -> None:
    """Of two commands that change the keys at once the second is refused: what the first one said is not lost."""
    folder = folder_of(made)
    root = read_root(folder / "root.key", trust_of(made).root)
    put(folder, next_note(rotated(made, "receipts"), NOW, "first"), root)
    first = (folder / TRUST_FILE).read_bytes()
    stale = next_note(rotated(made, "hq"), NOW, "second")
    with pytest.raises(Retriable, match="another command has made trust note 2 meanwhile"):
        put(folder, stale, root)
    with pytest.raises(Retriable, match="try again"):
        install(made, sign_note(stale.to_text(), [root]).to_bytes())
    assert (folder / TRUST_FILE).read_bytes() == first
    put(folder, next_note(rotated(load_identity(folder), "hq"), NOW, "second"), root)


def test_former_key_is_retired_once_every_worker_has_the_new_one(made: Identity) -> None:
    """Not the key in use, not too soon, not twice; what it signed before its time is good at that time."""
    folder = folder_of(made)
    root = read_root(folder / "root.key", trust_of(made).root)
    old = made.hq.verifier
    with pytest.raises(UsageError, match="is in use"):
        retired(made, [old.key_id.hex()], NOW)
    put(folder, next_note(rotated(made, "hq"), NOW, "x"), root)
    after = load_identity(folder)
    with pytest.raises(UsageError, match="10 s old"):
        retired(after, [old.key_id.hex()], NOW + timedelta(seconds=10))
    gone_at = NOW + timedelta(minutes=1)
    trust = retired(after, [old.key_id.hex()], gone_at)
    put(folder, next_note(trust, gone_at, "x"), root)
    last = load_identity(folder)
    with pytest.raises(UsageError, match="retired already"):
        retired(last, [old.key_id.hex()], gone_at + timedelta(minutes=1))
    with pytest.raises(UsageError, match="there is no key"):
        retired(last, ["00000000"], gone_at)
    assert last.hq_keys().hqs_at(NOW) == (old, last.hq.verifier)
    assert last.hq_keys().hqs_at(gone_at) == (last.hq.verifier,)


def test_witnesses_in_the_note_follow_the_registry(made: Identity) -> None:
    """A key that is not active any more is retired, never dropped; outside witnesses stay."""
    uz, kz = (witness(f"{HUB}/{name}/witness") for name in ("uz", "kz"))
    outside = witness("witness.example/w1")
    trust = next_note(replace(with_witnesses(current(made), [uz, kz], NOW), witnesses=(uz, kz, outside)), NOW, "x")
    assert is_same(with_witnesses(trust, [kz, uz], NOW), trust)
    without = with_witnesses(trust, [kz], NOW)
    assert without.witnesses == (uz, kz, outside)
    assert without.retired == ((NOW, uz),)
    assert with_witnesses(without, [kz], NOW) == without


def witness(name: str) -> Verifier:
    return Signer(name, name.encode()[:32].ljust(32), COSIGNATURE_ED25519).verifier
