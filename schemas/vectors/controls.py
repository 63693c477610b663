"""Vectors of control records: what a center says outside its lanes, and what HQ makes of it."""

from __future__ import annotations

from typing import Any, Final

from hub.ledger.control import read_control
from hub.ledger.keyring import Standing
from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import More, Presence
from hub.protocol.cosignature import cosign
from hub.protocol.note import COSIGNATURE_ED25519, Note, Signer, sign_note
from hub.protocol.plain_record import PlainRecord
from hub.protocol.record import CONTROL_HEADER, canonical, origin_of
from hub.protocol.witness import Alarm
from schemas.vectors.keys import CENTER, COSIGNER, EPOCH, FOREIGN, HUB, ORIGIN, SEAL, SEAL_NEXT
from schemas.vectors.lanes import KEYRING, keys_shown, shown
from schemas.vectors.logs import HEAD
from schemas.vectors.records import START, Headers

Row = dict[str, Any]
CONTROLS_ABOUT: Final = (
    "Control records of in.uz: what stands under cohub-control, and what it comes to. said: the kind that HQ believes;"
    " null: passed over, for it is meant for others or by a key that HQ does not know. quarantined: the reason."
)


def control_vectors() -> Row:
    """Return control records, and what HQ makes of each."""
    presence = Presence(CENTER, origin_of(HUB, CENTER, EPOCH), START, 5, 2, "another connector 1").to_text()
    alarm = Alarm(CENTER, START, 3, "the log is broken").to_text()
    noted = {key: sign_note(presence, [by]).to_bytes() for key, by in {"own": SEAL, "revoked": SEAL_NEXT}.items()}
    foreign = Signer(SEAL.name, FOREIGN.seed)
    more = More(None, 0, "the disk is full")
    second = Presence(CENTER, origin_of(HUB, CENTER, EPOCH), START, 5, 2, "another connector 1", more).to_text()
    third = second.replace("presence/v2", "presence/v3")
    seconds_other = Presence("kz", "", START, 0, 0, "another connector 1", more).to_text()
    other = Presence("kz", "", START, 0, 0, "another connector 1").to_text()
    text = HEAD.to_text()
    cosigned = Note(text, (cosign(text, COSIGNER, START),)).to_bytes()
    outside = Signer("witness.example/w1", bytes(32), COSIGNATURE_ED25519)
    elsewhere = Checkpoint(f"{HUB}/other", HEAD.size, HEAD.root).to_text()
    stranger = Signer(COSIGNER.name, bytes(32), COSIGNATURE_ED25519)
    good: list[tuple[str, str, bytes]] = [
        ("presence", "presence", noted["own"]),
        ("alarm", "alarm", sign_note(alarm, [SEAL]).to_bytes()),
        ("cosignature", "cosignature", cosigned),
        ("cosignature_of_an_outside_witness", "cosignature", Note(text, (cosign(text, outside, START),)).to_bytes()),
        ("cosignature_by_an_unknown_key", "cosignature", Note(text, (cosign(text, stranger, START),)).to_bytes()),
        ("presence_of_the_second_form", "presence", sign_note(second, [SEAL]).to_bytes()),
        ("presence_with_a_line_by_another_too", "presence", sign_note(presence, [FOREIGN, SEAL]).to_bytes()),
    ]
    two = Note(text, (cosign(text, COSIGNER, START), cosign(text, outside, START))).to_bytes()
    bad: list[tuple[str, str | None, bytes | None]] = [
        ("kind_unknown", "absence", noted["own"]),
        ("kind_in_capitals", "Presence", noted["own"]),
        ("kind_null", None, noted["own"]),
        ("value_null", "presence", None),
        ("presence_by_a_revoked_key", "presence", noted["revoked"]),
        ("presence_by_another_center", "presence", sign_note(presence, [foreign]).to_bytes()),
        ("presence_of_another_center", "presence", sign_note(other, [SEAL]).to_bytes()),
        ("presence_under_the_lane_s_origin", "presence", sign_note(presence, [SEAL.named(ORIGIN)]).to_bytes()),
        ("presence_of_an_unknown_form", "presence", sign_note(third, [SEAL]).to_bytes()),
        ("presence_of_the_second_form_of_another_center", "presence", sign_note(seconds_other, [SEAL]).to_bytes()),
        ("presence_spoiled", "presence", noted["own"].replace(b"size 5", b"size 6")),
        ("alarm_as_presence", "presence", sign_note(alarm, [SEAL]).to_bytes()),
        ("presence_as_alarm", "alarm", noted["own"]),
        ("cosignature_as_alarm", "alarm", cosigned),
        ("cosignature_with_two_lines", "cosignature", two),
        (
            "cosignature_on_another_log",
            "cosignature",
            Note(elsewhere, (cosign(elsewhere, COSIGNER, START),)).to_bytes(),
        ),
        ("cosignature_spoiled", "cosignature", cosigned.replace(b"\n7\n", b"\n6\n")),
        ("cosignature_by_the_seal_key", "cosignature", sign_note(text, [Signer(COSIGNER.name, SEAL.seed)]).to_bytes()),
    ]
    return {
        "about": CONTROLS_ABOUT,
        "hub": HUB,
        "center": CENTER,
        "keys": keys_shown(KEYRING),
        "good": [_control(*row) for row in good],
        "bad": [_control(*row) for row in bad],
    }


def _control(name: str, kind: str | None, value: bytes | None) -> Row:
    headers: Headers = [(CONTROL_HEADER, None if kind is None else kind.encode())]
    record = PlainRecord(CENTER.encode(), value, headers)
    came = read_control(headers[0][1], record, canonical(headers, value), KEYRING, HUB, CENTER)
    said = None if came.said is None else type(came.said).__name__.lower()
    outcome = {"quarantined": came.reason} if came.standing is Standing.BAD else {"said": said}
    return {"name": name, **shown(headers, value), "outcome": outcome}
