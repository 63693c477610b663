"""`hub key` and the trust note, as whoever runs HQ sees them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.hq.folder import HubFolder
from hub.hq.headquarters import Headquarters
from hub.hq.identity import load_identity, read_root
from hub.hq.issuing import pin_witness_keys
from hub.hq.rotation import next_note, put, rotated
from hub.ledger.basis import Basis
from hub.protocol.control import enrolment, key_name
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Signer
from hub.protocol.trust import open_trust
from tests.unit.hub.cli.conftest import HUB

ADD = ("center", "add", "uz", "--name", "T", "--country", "UZ", "--direction", "west", "--stream", "offer")
NAMES = ("uz", "kz")


def listed(hub: Any) -> list[tuple[str, str]]:
    return [(key["purpose"], key["status"]) for key in json.loads(hub("key", "list", "--json").out)["keys"]]


def ids(hub: Any, purpose: str) -> list[str]:
    return [key["id"] for key in json.loads(hub("key", "list", "--json").out)["keys"] if key["purpose"] == purpose]


def serial(hub: Any) -> int:
    return int(json.loads(hub("key", "list", "--json").out)["serial"])


def write(path: Path, purpose: str, algorithm: int, seed: bytes, previous: Signer | None = None) -> Signer:
    """Write the enrolment note of one of uz's keys; return the key."""
    key = Signer(key_name(HUB, "uz", purpose), seed * 32, algorithm)
    path.write_bytes(enrolment(HUB, "uz", purpose, key, previous))
    return key


def test_rotation_here_is_one_command(made: Any, tmp_path: Path) -> None:
    """The new key is in use in the next trust note, the former one is still in it, and its file is kept."""
    assert made("key", "rotate", "receipts", "--reason", "laptop lost").status == 0
    assert listed(made) == [
        ("root", "pinned"),
        ("receipts", "former"),
        ("receipts", "in use"),
        ("log", "in use"),
        ("log", "in use"),
        ("hq", "in use"),
    ]
    assert "laptop lost" in made("key", "list").out
    assert len(list((tmp_path / "data" / "keys").glob("receipts*.key"))) == 2
    assert made("key", "rotate", "log").status == 0
    assert [status for purpose, status in listed(made) if purpose == "log"] == ["former", "former", "in use", "in use"]


def test_rotation_of_the_hq_key_lets_commands_go_on(made: Any) -> None:
    """What is said to the hq lane is sealed by the new key from then on; what was said before still counts."""
    assert made(*ADD).status == 0
    assert made("key", "rotate", "hq").status == 0
    assert made("center", "set", "uz", "--name", "Tashkent").status == 0
    assert json.loads(made("center", "list", "--json").out)[0]["name"] == "Tashkent"


def test_rotation_with_an_offline_root_key_takes_three_steps(made: Any, tmp_path: Path) -> None:
    """A request, a signature on the other machine, an installation; until then the old key is in use."""
    root, request, note = tmp_path / "root.key", tmp_path / "request", tmp_path / "trust.note"
    (tmp_path / "data" / "keys" / "root.key").rename(root)
    refused = made("key", "rotate", "log")
    assert (refused.status, "--request FILE" in refused.err) == (2, True)
    assert len(list((tmp_path / "data" / "keys").glob("log*.key"))) == 2  # none was made for nothing
    asked = made("key", "rotate", "log", "--request", str(request))
    assert (asked.status, "not yet in use" in asked.out, "--previous NOTE" in asked.out) == (0, True, True)
    assert serial(made) == 1
    blind = made("key", "sign", str(request), "--root-key", str(root), "--out", str(note), "--yes")
    assert (blind.status, "nothing says that HQ made this" in blind.err) == (0, True)
    before = str(tmp_path / "data" / "keys" / "trust.note")
    words = ("--root-key", str(root), "--previous", before, "--out", str(note), "--yes")
    signed = made("key", "sign", str(request), *words)
    marked = [line.split()[:2] for line in signed.out.splitlines() if line[0] in "+~"]
    assert sorted(marked) == [["+", "log"], ["+", "log"], ["~", "log"], ["~", "log"]]
    assert (signed.status, "trust note 2 of hub.example" in signed.out) == (0, True)
    assert made("key", "install", str(note)).status == 0
    assert serial(made) == 2
    again = made("key", "install", str(note))
    assert (again.status, "make the request again" in again.err) == (2, True)
    assert made("key", "rotate", "hq", "--root-key", str(root)).status == 0
    assert serial(made) == 3


def as_json(done: Any) -> dict[str, Any]:
    assert (done.status, done.err) == (0, "")
    return dict(json.loads(done.out))


def test_programs_are_told_what_was_done_and_what_comes_next(made: Any, tmp_path: Path) -> None:
    """The same for each command: which note, whether it is in force, the keys that changed, the steps that are left."""
    (old,) = ids(made, "receipts")
    done = as_json(made("key", "rotate", "receipts", "--json"))
    assert list(done) == [
        "hub", "action", "purpose", "changed", "serial", "time", "reason", "in_force", "file", "keys", "next"
    ]  # fmt: skip
    assert (done["action"], done["purpose"], done["serial"]) == ("rotate", "receipts", 2)
    assert (done["in_force"], done["file"]) == (True, None)
    assert [(key["id"] == old, key["status"]) for key in done["keys"]] == [(True, "former"), (False, "in use")]
    assert done["next"] == [f"after half a minute: hub key retire {old}"]
    outside = Signer("witness.example/w1", b"w" * 32, COSIGNATURE_ED25519).verifier
    renewed = as_json(made("key", "renew", "--witness", outside.to_text(), "--json"))
    assert [(key["purpose"], key["id"]) for key in renewed["keys"]] == [("witness", outside.key_id.hex())]
    assert (renewed["changed"], renewed["serial"], renewed["next"]) == (True, 3, [])
    again = as_json(made("key", "renew", "--json"))
    assert again == {"hub": HUB, "action": "renew", "changed": False, "serial": 3, "next": []}


def test_programs_are_told_of_every_step_with_an_offline_root_key(made: Any, tmp_path: Path) -> None:
    """A request, the note that was signed, the note in force: each says what is to be done with it."""
    root, request, note = tmp_path / "root.key", tmp_path / "request", tmp_path / "note"
    kept = tmp_path / "data" / "keys" / "trust.note"
    (tmp_path / "data" / "keys" / "root.key").rename(root)
    asked = as_json(made("key", "rotate", "hq", "--request", str(request), "--json"))
    assert (asked["in_force"], asked["file"], asked["serial"]) == (False, str(request), 2)
    assert ["hub key sign request" in asked["next"][0], "hub key install" in asked["next"][1]] == [True, True]
    words = ("key", "sign", str(request), "--root-key", str(root), "--previous", str(kept), "--out", str(note))
    refused = made(*words, "--json")
    assert (refused.status, "add --yes" in refused.err, note.exists()) == (2, True, False)
    signed = as_json(made(*words, "--yes", "--json"))
    assert (signed["in_force"], signed["file"], signed["keys"]) == (False, str(note), asked["keys"])
    assert signed["next"] == ["on HQ's machine: hub key install note"]
    installed = as_json(made("key", "install", str(note), "--json"))
    assert (installed["in_force"], installed["serial"], installed["keys"]) == (True, 2, asked["keys"])
    assert installed["next"] == []


def test_programs_are_told_of_a_retired_key(made: Any, tmp_path: Path) -> None:
    """Its id and since when; nothing else has changed."""
    folder = tmp_path / "data" / "keys"
    (old,) = ids(made, "hq")
    identity = load_identity(folder)
    assert identity.trust is not None
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    put(
        folder,
        next_note(rotated(identity, "hq"), long_ago, "yearly"),
        read_root(folder / "root.key", identity.trust.root),
    )
    done = as_json(made("key", "retire", old, "--json"))
    assert [(key["id"], key["status"][:7], bool(key["retired_at"])) for key in done["keys"]] == [(old, "retired", True)]
    assert (done["serial"], done["in_force"], done["purpose"]) == (3, True, None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rotate", "root"), "expected one of receipts, log, hq"),
        (("retire", "00000000"), "there is no key 00000000"),
        (("install", "nowhere"), "expected a file"),
        (("sign", "nowhere", "--root-key", "x", "--out", "y"), "expected a file"),
        (("renew", "--witness", "nonsense"), "--witness"),
    ],
)
def test_wrong_use_is_one_line(made: Any, arguments: tuple[str, ...], said: str) -> None:
    done = made("key", *arguments)
    assert (done.status, said in done.err, done.err.count("\n")) == (2, True, 1)


def test_key_in_use_and_one_just_replaced_are_not_retired(made: Any) -> None:
    """A running worker has to have the new key first."""
    (old,) = ids(made, "receipts")
    assert "is in use" in made("key", "retire", old).err
    made("key", "rotate", "receipts")
    assert "wait until" in made("key", "retire", old).err


def test_trust_goes_to_a_file_and_is_the_note(made: Any, tmp_path: Path) -> None:
    """What centers pin is written byte for byte."""
    path = tmp_path / "trust.note"
    assert made("trust", "--out", str(path)).status == 0
    assert path.read_bytes() == (tmp_path / "data" / "keys" / "trust.note").read_bytes()
    assert made("trust").err == ""


def test_center_is_enrolled_with_all_its_keys_at_once_and_its_witness_is_pinned(made: Any, tmp_path: Path) -> None:
    """The order of the options does not matter: the seal key vouches for the ML-DSA-44 one."""
    notes = [tmp_path / name for name in ("long", "witness", "seal")]
    seal = write(notes[2], "seal", 0x01, b"s")
    write(notes[0], "seal", COSIGNATURE_MLDSA44, b"l", seal)
    witness = write(notes[1], "witness", COSIGNATURE_ED25519, b"w")
    done = made(*ADD, *(word for note in notes for word in ("--enrolment", str(note))))
    assert (done.status, "witness" in done.out) == (0, False)
    (center,) = json.loads(made("center", "list", "--json").out)
    assert {(key["purpose"], key["replaced_lost"]) for key in center["keys"]} == {("seal", False), ("witness", False)}
    assert "seal (ML-DSA-44) active" in made("center", "list").out
    trust = open_trust((tmp_path / "data" / "keys" / "trust.note").read_bytes())
    assert (trust.serial, trust.witnesses) == (2, (witness.verifier,))
    made("center", "revoke-key", "uz", witness.verifier.key_id.hex(), "--reason", "lost")
    trust = open_trust((tmp_path / "data" / "keys" / "trust.note").read_bytes())
    assert (trust.serial, trust.retired[0][1]) == (3, witness.verifier)
    assert made("key", "renew").status == 0
    assert serial(made) == 3


class Interrupted:
    """HQ's lane, and another command that runs just when the lane was read for the first time."""

    def __init__(self, headquarters: Headquarters, meanwhile: Callable[[], object]) -> None:
        self._headquarters = headquarters
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    async def basis(self) -> Basis:
        found = await self._headquarters.basis()
        while self._meanwhile:
            await asyncio.to_thread(self._meanwhile.pop())
        return found


def test_witness_of_a_center_that_is_added_at_the_same_moment_is_not_lost(made: Any, tmp_path: Path) -> None:
    """What was read of the lane is old when the trust note is written: the other command's witness is in it, too."""
    keys = {name: Signer(key_name(HUB, name, "witness"), name.encode() * 16, COSIGNATURE_ED25519) for name in NAMES}
    for name, key in keys.items():
        (tmp_path / name).write_bytes(enrolment(HUB, name, "witness", key))

    def add(name: str) -> Any:
        return made("center", "add", name, *ADD[3:], "--enrolment", str(tmp_path / name))

    async def pin() -> None:
        where = HubFolder(tmp_path / "data")
        async with where.headquarters() as (_, headquarters):
            await pin_witness_keys(where, Interrupted(headquarters, lambda: add(NAMES[1])))

    root = tmp_path / "data" / "keys" / "root.key"
    root.rename(tmp_path / "root.key")
    assert add(NAMES[0]).status == 0  # and is not pinned yet
    (tmp_path / "root.key").rename(root)
    asyncio.run(pin())
    trust = open_trust((tmp_path / "data" / "keys" / "trust.note").read_bytes())
    assert (set(trust.witnesses), trust.retired) == ({key.verifier for key in keys.values()}, ())
    assert made("key", "renew").out.startswith(f"trust note {trust.serial} has the keys as they are")


def test_witness_is_not_pinned_without_the_root_key_and_hq_is_told(made: Any, tmp_path: Path) -> None:
    """The note stays as it was; a request over the keys as they are is one command."""
    root, note = tmp_path / "root.key", tmp_path / "witness"
    (tmp_path / "data" / "keys" / "root.key").rename(root)
    write(note, "witness", COSIGNATURE_ED25519, b"w")
    done = made(*ADD, "--enrolment", str(note))
    assert (done.status, "hub key renew --request FILE" in done.err) == (0, True)
    assert serial(made) == 1
    assert made("key", "renew", "--request", str(tmp_path / "request")).status == 0
    assert made("key", "renew", "--root-key", str(root)).status == 0
    assert [status for purpose, status in listed(made) if purpose == "witness"] == ["in use"]


def test_witness_key_of_version_0_1_0_is_not_enrolled(made: Any, tmp_path: Path) -> None:
    """It could cosign nothing."""
    note = tmp_path / "witness"
    write(note, "witness", 0x01, b"w")
    done = made(*ADD, "--enrolment", str(note))
    assert (done.status, "connector key new --purpose witness" in done.err) == (2, True)


def test_seal_key_is_no_witness_key(made: Any, tmp_path: Path) -> None:
    """No key has two uses, whatever its kind is called in the two."""
    seal_note, witness_note = tmp_path / "seal", tmp_path / "witness"
    write(seal_note, "seal", 0x01, b"s")
    write(witness_note, "witness", COSIGNATURE_ED25519, b"s")
    done = made(*ADD, "--enrolment", str(seal_note), "--enrolment", str(witness_note))
    assert (done.status, "no key has two uses" in done.err) == (2, True)


def test_first_ml_dsa_key_needs_the_word_of_the_seal_key(made: Any, tmp_path: Path) -> None:
    """Otherwise whoever sends HQ a note could have HQ believe a center's seals no more."""
    seal_note, long_note = tmp_path / "seal", tmp_path / "long"
    write(seal_note, "seal", 0x01, b"s")
    write(long_note, "seal", COSIGNATURE_MLDSA44, b"l")
    assert made(*ADD, "--enrolment", str(seal_note)).status == 0
    refused = made("center", "add-key", "uz", "--enrolment", str(long_note))
    assert (refused.status, "vouches for" in refused.err) == (2, True)


def test_outside_witness_is_named_by_its_vkey(made: Any) -> None:
    """Whoever watches the log without being a center is pinned too."""
    key = Signer("witness.example/w1", b"w" * 32, COSIGNATURE_ED25519).verifier
    assert made("key", "renew", "--witness", key.to_text()).status == 0
    assert ids(made, "witness") == [key.key_id.hex()]
