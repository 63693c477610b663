"""Vectors of everything that is a signed note: notes, seals, receipts, resends, enrolments, trust, presence, alarms."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from hub.protocol.checkpoint import Checkpoint, seal
from hub.protocol.control import Presence, enrolment, key_text, proof_line
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44
from hub.protocol.note import Note, Signature, Signer, Verifier, sign_note
from hub.protocol.receipt import Decision, Receipt, Resend
from hub.protocol.tree import Edge
from hub.protocol.trust import Trust
from hub.protocol.witness import Alarm
from schemas.vectors.keys import (
    CENTER,
    FOREIGN,
    HUB,
    ORIGIN,
    RECEIPTS,
    ROOT,
    SEAL,
    SEAL_NEXT,
    WITNESS,
    signer,
    text_or_hex,
)
from schemas.vectors.logs import kept, line
from schemas.vectors.records import START, lane_digests

Row = dict[str, Any]
LANE_KEY: Final = SEAL.named(ORIGIN)
LONG: Final = Signer(SEAL.name, signer(SEAL.name, 3).seed, COSIGNATURE_MLDSA44)
COSIGNER: Final = Signer(WITNESS.name, signer(WITNESS.name, 2).seed, COSIGNATURE_ED25519)


def note_vectors() -> Row:
    """Return notes and what is none, whatever they say."""
    text = "A text.\n\nIts second part: 技术 технология.\n"
    good = sign_note(text, [SEAL]).to_bytes()
    two = sign_note(text, [SEAL, FOREIGN])
    spoiled = Note(text, (two.signatures[0], Signature(FOREIGN.name, FOREIGN.verifier.key_id, bytes(64))))
    again = Signature(SEAL.name, SEAL.verifier.key_id, bytes(64))
    short = sign_note("Short.\n", [SEAL]).to_bytes()
    return _file(
        "C2SP signed notes. keys are what the reader knows; signer is whose line has to be found good.",
        [
            _row("one_signature", good, [SEAL]) | {"note_text": text, "signer": SEAL.name},
            _row("two_signatures", two.to_bytes(), [FOREIGN]) | {"note_text": text, "signer": FOREIGN.name},
            _row("unknown_key_passed_over", spoiled.to_bytes(), [SEAL]) | {"note_text": text, "signer": SEAL.name},
            _row("second_line_of_one_key_not_looked_at", Note(text, (two.signatures[0], again)).to_bytes(), [SEAL])
            | {"note_text": text, "signer": SEAL.name},
        ],
        [
            _bad("text_changed", good.replace(b"A text", b"a text"), [SEAL], "signature is not good"),
            _bad("signature_of_another_note", _swap(good, short), [SEAL], "signature is not good"),
            _bad("signed_by_a_stranger", sign_note(text, [FOREIGN]).to_bytes(), [SEAL], "no line by a known key"),
            _bad("key_under_another_name", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by a known key"),
            _bad("second_known_key_not_good", spoiled.to_bytes(), [SEAL, FOREIGN], "signature is not good"),
            _bad("no_signature", (text + "\n").encode(), [SEAL], "no signature line"),
            _bad("no_empty_line", good.replace(b"\n\n\xe2", b"\n\xe2"), [SEAL], "no empty line before the signatures"),
            _bad("last_newline_missing", good[:-1], [SEAL], "a line does not end"),
            _bad("carriage_returns", short.replace(b"\n", b"\r\n"), [SEAL], "control character"),
            _bad("tab_in_text", short.replace(b"Short", b"Sh\tort"), [SEAL], "control character"),
            _bad("hyphen_for_dash", short.replace("—".encode(), b"-"), [SEAL], "not a signature line"),
            _bad("base64_cut", short[:-2] + b"\n", [SEAL], "not canonical base64"),
            _bad("signature_without_key_id", "Short.\n\n— hub.example/uz AAAA\n".encode(), [SEAL], "too short"),
            _bad("not_utf8", b"\xff" + short, [SEAL], "not UTF-8"),
            _bad("seventeen_signatures", _many(17), [SEAL], "more than 16 signatures"),
        ],
    )


def seal_vectors() -> Row:
    """Return seals of the vectors' lane, and seals that HQ does not take."""
    digests = lane_digests()
    edges = [Edge().append(digests[:size]) for size in range(len(digests) + 1)]
    good = seal(ORIGIN, edges[5], SEAL)
    root = base64.b64encode(edges[5].root).decode()

    def said(text: str) -> bytes:
        return sign_note(text, [LANE_KEY]).to_bytes()

    def both(size: int, long_size: int | None = None) -> bytes:
        head, long_head = (Checkpoint(ORIGIN, n, edges[n].root) for n in (size, long_size or size))
        lines = (line(head, LANE_KEY), line(long_head, LONG.named(ORIGIN)))
        return Note(head.to_text(), lines).to_bytes()

    fork = seal(ORIGIN, edges[4].append([digests[0]]), SEAL)
    return _file(
        "Seals of the lane of trees.json: the header cohub-seal on the record whose sequence is that size.",
        [
            {**_row(f"size_{n}", seal(ORIGIN, edges[n], SEAL), [LANE_KEY]), "size": n, "root": edges[n].root.hex()}
            for n in (1, 4, 5)
        ]
        + [{**_row("by_both_keys", both(5), [LANE_KEY, LONG.named(ORIGIN)]), "size": 5, "root": edges[5].root.hex()}],
        [
            _bad("signed_under_the_key's_own_name", sign_note(Checkpoint(ORIGIN, 5, edges[5].root).to_text(),
                 [SEAL]).to_bytes(), [LANE_KEY], "no line under the lane's origin"),
            _bad("signed_by_another_center", seal(ORIGIN, edges[5], FOREIGN), [LANE_KEY], "no line by the lane's key"),
            _bad("origin_of_another_lane", sign_note(Checkpoint(f"{HUB}/{CENTER}/ffffffff", 5, edges[5].root).to_text(),
                 [LANE_KEY]).to_bytes(), [LANE_KEY], "not this lane"),
            _bad("wrong_root", seal(ORIGIN, edges[4].append([digests[0]]), SEAL), [LANE_KEY], "not the records' root"),
            _bad("size_of_another_record", seal(ORIGIN, edges[4], SEAL), [LANE_KEY], "size is not the sequence 5"),
            _bad("size_zero_in_front", said(f"{ORIGIN}\n05\n{root}\n"), [LANE_KEY], "not a decimal size"),
            _bad("size_beyond_63_bits", said(f"{ORIGIN}\n9223372036854775808\n{root}\n"), [LANE_KEY], "size too large"),
            _bad("root_of_31_bytes", said(f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n"), [LANE_KEY],
                 "root is not 32 bytes"),
            _bad("root_in_loose_base64", said(f"{ORIGIN}\n5\n{_loose(root)}\n"), [LANE_KEY], "not canonical base64"),
            _bad("root_missing", said(f"{ORIGIN}\n5\n"), [LANE_KEY], "three lines expected"),
            _bad("empty_extension_line", said(f"{ORIGIN}\n5\n{root}\n\nextension\n"), [LANE_KEY], "an empty line"),
            _bad("signature_flipped", _flip(good), [LANE_KEY], "signature is not good"),
            _bad("ml_dsa_line_of_another_size", both(5, 4), [LANE_KEY, LONG.named(ORIGIN)], "signature is not good"),
            _bad("cut", good[:-20], [LANE_KEY], "not a note"),
        ],
    ) | {
        "fork": {
            "about": "Two good seals of one origin and size with different roots: the lane is suspended.",
            "one": text_or_hex(good),
            "other": text_or_hex(fork),
        }
    }  # fmt: skip


def receipt_vectors() -> Row:
    """Return receipts, and what a connector does not take for one."""
    root = Edge().append(lane_digests()).root
    moment = START + timedelta(seconds=1)
    decisions = (
        Decision(3, "BAD_FIELD", "trl", "expected 1 to 9, got 12"),
        Decision(4, "NO_VALUE"),
        Decision(5, "TOO_LONG", "title", "标题 " + "长" * 100),
    )
    rows = [
        ("lane_opened", Receipt(ORIGIN, 1, 1, lane_digests()[0], moment, 17)),
        ("all_accepted", Receipt(ORIGIN, 1, 5, root, moment, 17)),
        ("with_decisions", Receipt(ORIGIN, 2, 5, root, moment, 17, decisions)),
        ("one_event", Receipt(ORIGIN, 5, 5, root, moment, 17, decisions[2:])),
    ]
    text = rows[2][1].to_text()
    encoded = base64.b64encode(root).decode()
    bad = {
        "version_unknown": ("receipt/v1", "receipt/v2"),
        "from_zero": ("from 2", "from 0"),
        "from_after_to": ("from 2", "from 6"),
        "from_with_zero_in_front": ("from 2", "from 02"),
        "to_beyond_63_bits": ("to 5", "to 9223372036854775808"),
        "root_in_loose_base64": (encoded, _loose(encoded)),
        "time_in_another_form": (".250000Z", ".25Z"),
        "basis_negative": ("basis 17", "basis -17"),
        "line_missing": ("basis 17\n", ""),
        "decision_outside": ("3 BAD_FIELD", "1 BAD_FIELD"),
        "decisions_out_of_order": ("3 BAD_FIELD", "5 BAD_FIELD"),
        "decision_without_code": ("3 BAD_FIELD trl", "3  trl"),
        "code_in_small_letters": ("BAD_FIELD", "bad_field"),
    }
    return _file(
        "What HQ answers on out.<center>. content is what the text says; a good one signed by another key is bad.",
        [
            {
                **_row(name, sign_note(r.to_text(), [RECEIPTS]).to_bytes(), [RECEIPTS]),
                "content": {
                    "origin": r.origin,
                    "from": r.first,
                    "to": r.last,
                    "root": r.root.hex(),
                    "basis": r.basis,
                    "decisions": [d.to_text().split(" ", 3) for d in r.decisions],
                },
            }
            for name, r in rows
        ],
        [
            _bad("signed_by_the_root_key", sign_note(text, [ROOT]).to_bytes(), [RECEIPTS], "no line by the key"),
            *_changed(text, bad, RECEIPTS),
        ],
    )


def resend_vectors() -> Row:
    """Return resend requests, and what is none."""
    said = Resend(ORIGIN, 3, "expected 3, got 5")
    text = said.to_text()
    bad = {
        "version_unknown": ("resend/v1", "resend/v2"),
        "from_zero": ("from 3", "from 0"),
        "from_not_a_number": ("from 3", "from three"),
        "reason_missing": ("reason expected 3, got 5\n", ""),
        "line_too_many": ("got 5\n", "got 5\nmore\n"),
    }
    good = _row("gap", sign_note(text, [RECEIPTS]).to_bytes(), [RECEIPTS])
    return _file(
        "Resend requests on out.<center>.",
        [{**good, "content": {"origin": said.origin, "from": said.first, "reason": said.reason}}],
        _changed(text, bad, RECEIPTS),
    )


def enrolment_vectors() -> Row:
    """Return enrolments, and what proves no key."""
    good = key_text(HUB, CENTER, "seal", SEAL.verifier)
    root_like = signer(f"{HUB}/receipts", 2)
    cases = [
        (
            "witness_key_for_seals",
            key_text(HUB, CENTER, "seal", WITNESS.verifier),
            WITNESS,
            "key name and purpose differ",
        ),
        ("center_of_another_name", key_text(HUB, "kz", "seal", SEAL.verifier), SEAL, "key is not named for the center"),
        ("reserved_center_id", key_text(HUB, "receipts", "seal", root_like.verifier), root_like, "reserved id"),
        ("purpose_unknown", key_text(HUB, CENTER, "receipts", SEAL.verifier), SEAL, "unknown purpose"),
        ("not_signed_by_the_new_key", good, SEAL_NEXT, "the key has not proved itself"),
        ("version_unknown", good.replace("key/v1", "key/v2"), SEAL, "unknown version"),
        ("line_too_many", good + "more\n", SEAL, "five lines expected"),
        (
            "cosigner_for_seals",
            key_text(HUB, CENTER, "seal", Verifier(SEAL.name, SEAL.verifier.public, COSIGNATURE_ED25519)),
            SEAL,
            "no kind of seal key",
        ),
        ("ml_dsa_not_signed_by_itself", key_text(HUB, CENTER, "seal", LONG.verifier), SEAL, "has not proved itself"),
    ]
    plain = Signer(COSIGNER.name, COSIGNER.seed)  # who reads notes alone finds the line of the same key as one of 0x01
    rows = [
        ("first_key", enrolment(HUB, CENTER, "seal", SEAL), SEAL, SEAL, "seal"),
        ("rotation", enrolment(HUB, CENTER, "seal", SEAL_NEXT, SEAL), SEAL_NEXT, SEAL, "seal"),
        ("witness", enrolment(HUB, CENTER, "witness", WITNESS), WITNESS, WITNESS, "witness"),
        ("cosigner", enrolment(HUB, CENTER, "witness", COSIGNER), COSIGNER, plain, "witness"),
        ("ml_dsa", _long_enrolment(), LONG, SEAL, "seal"),
    ]
    return _file(
        "A key asks to be taken. On rotation keys has the one before, whose line HQ checks too. A witness key of 0x01 "
        "is one of releases before 0.2.",
        [
            {
                **_row(name, data, [known]),
                "content": {"hub": HUB, "center": CENTER, "purpose": purpose, "vkey": new.verifier.to_text()},
            }
            for name, data, new, known, purpose in rows
        ],
        [_bad(name, sign_note(text, [by]).to_bytes(), [by], reason) for name, text, by, reason in cases],
    )


def _long_enrolment() -> bytes:
    """Return what `enrolment` makes of the ML-DSA-44 key and the seal key before it: the same bytes every time."""
    text = key_text(HUB, CENTER, "seal", LONG.verifier)
    signatures = ((LONG, kept(LONG, text.encode())), (SEAL, SEAL.sign(text.encode())))
    return Note(text, tuple(proof_line(key.verifier, value) for key, value in signatures)).to_bytes()


def trust_vectors() -> Row:
    """Return trust notes, and what is none. keys has the pinned root key."""
    old = Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,))
    logs, long_logs = (
        [Signer(f"{HUB}/log", signer(f"{HUB}/log", n).seed, algorithm).verifier for n in (first, first + 2)]
        for first, algorithm in ((1, 0x01), (2, COSIGNATURE_MLDSA44))
    )
    hqs = [signer(f"{HUB}/hq", n).verifier for n in (1, 2)]
    first = replace(old, logs=(logs[0], long_logs[0]), hqs=(hqs[0],), serial=1, time=START, reason="the first keys")
    later = START + timedelta(days=365)
    full = replace(
        first,
        receipts=(RECEIPTS.verifier, signer(RECEIPTS.name, 2).verifier),
        logs=(logs[0], long_logs[0], logs[1], long_logs[1]),
        hqs=tuple(hqs),
        witnesses=(COSIGNER.verifier, Signer("witness.example/w1", bytes(32), COSIGNATURE_ED25519).verifier),
        retired=((START, RECEIPTS.verifier), (later, hqs[0])),
        serial=4,
        time=later,
        reason="",
    )
    other = signer(f"{HUB}/root", 2)
    one_key = Verifier(RECEIPTS.name, ROOT.verifier.public)
    text, text_2 = old.to_text(), first.to_text()
    full_text = full.to_text()
    cases = [
        ("signed_by_another_root", text, other, "not signed by the pinned root"),
        ("names_another_root", replace(old, root=other.verifier).to_text(), other, "not by the pinned root"),
        ("receipts_key_misnamed", replace(old, receipts=(SEAL.verifier,)).to_text(), ROOT, "expected <hub>/receipts"),
        ("one_key_for_two_uses", replace(old, receipts=(one_key,)).to_text(), ROOT, "one key has one use"),
        ("hub_of_another_name", text.replace("\nhub.", "\nhob."), ROOT, "keys are not named for the hub"),
        ("version_unknown", text.replace("trust/v1", "trust/v3"), ROOT, "unknown version"),
        ("line_too_many", text + "more\n", ROOT, "four lines expected"),
        ("v1_as_v2", text.replace("trust/v1", "trust/v2"), ROOT, "no serial"),
        ("v2_signed_by_another_root", text_2, other, "not signed by the pinned root"),
        ("v2_new_root_by_the_pinned_one", replace(first, root=other.verifier).to_text(), ROOT, "root never changes"),
        ("v2_serial_zero", text_2.replace("serial 1", "serial 0"), ROOT, "serials count from 1"),
        ("v2_time_in_another_form", text_2.replace(".250000Z", ".25Z"), ROOT, "not the one form of a time"),
        ("v2_without_a_log_key_of_06", replace(first, logs=(logs[0],)).to_text(), ROOT, "log keys of both kinds"),
        ("v2_without_an_hq_key", replace(first, hqs=()).to_text(), ROOT, "a key of the hq lane"),
        ("v2_witness_of_01", replace(first, witnesses=(WITNESS.verifier,)).to_text(), ROOT, "no kind of witness key"),
        ("v2_key_in_use_retired", replace(first, retired=((START, hqs[0]),)).to_text(), ROOT, "the key in use"),
        ("v2_retired_unlisted", replace(first, retired=((START, hqs[1]),)).to_text(), ROOT, "not among the keys"),
        ("v2_lines_out_of_order", _swap_lines(full_text, "hq ", "receipts "), ROOT, "another order"),
    ]
    return _file(
        "The hub's keys as a center pins them; keys has the root key that was pinned before.",
        [
            {
                **_row(name, sign_note(trust.to_text(), [ROOT]).to_bytes(), [ROOT]),
                "content": {
                    "hub": HUB,
                    "serial": trust.serial,
                    "root": ROOT.verifier.to_text(),
                    "receipts": trust.receipts[-1].to_text(),
                    "in_use": [
                        key.to_text()
                        for purpose, keys in trust.keys().items()
                        for key in keys
                        if purpose == "witness" or trust.in_use(purpose, key.algorithm) == key
                    ],
                    "retired": [key.to_text() for _, key in trust.retired],
                },
            }
            for name, trust in (("good", old), ("v2", first), ("v2_rotated", full))
        ],
        [_bad(name, sign_note(text, [by]).to_bytes(), [ROOT], reason) for name, text, by, reason in cases],
    )


def _swap_lines(text: str, one: str, other: str) -> str:
    """Return a text in which the first lines with these beginnings have changed places."""
    lines = text.splitlines(keepends=True)
    at, to = (next(n for n, line in enumerate(lines) if line.startswith(head)) for head in (one, other))
    lines[at], lines[to] = lines[to], lines[at]
    return "".join(lines)


def presence_vectors() -> Row:
    """Return presences, and what is none."""
    rows = [
        ("with_a_lane", Presence(CENTER, ORIGIN, START, 5, 2, "cohub 0.1.0")),
        ("before_the_first_lane", Presence(CENTER, "", START, 0, 0, "another connector 2")),
    ]
    text = rows[0][1].to_text()
    bad = {
        "version_unknown": ("presence/v1", "presence/v2"),
        "center_in_capitals": ("\nuz\n", "\nUZ\n"),
        "time_without_offset": (".250000Z", ".250000"),
        "size_negative": ("size 5", "size -5"),
        "backlog_signed": ("backlog 2", "backlog +2"),
        "lines_swapped": ("size 5\nbacklog 2", "backlog 2\nsize 5"),
        "line_too_many": ("0.1.0\n", "0.1.0\nmore\n"),
    }
    return _file(
        "Presence: the value of a record with the header cohub-control: presence.",
        [
            {
                **_row(name, sign_note(p.to_text(), [SEAL]).to_bytes(), [SEAL]),
                "content": {
                    "center": p.center,
                    "origin": p.origin or None,
                    "size": p.size,
                    "backlog": p.backlog,
                    "version": p.version,
                },
            }
            for name, p in rows
        ],
        [
            _bad(
                "signed_under_the_lane's_origin", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by the key"
            ),
            *_changed(text, bad, SEAL),
        ],
    )


def alarm_vectors() -> Row:
    """Return alarms, and what is none."""
    reason = "checkpoint 4 does not follow from 3: its leaves lead to another root"
    rows = [
        ("raised", Alarm(CENTER, START, 3, reason)),
        ("taken_back", Alarm(CENTER, START, 7, "")),
        ("before_the_first_checkpoint", Alarm(CENTER, START, 0, "日志 не растёт")),
    ]
    text = rows[0][1].to_text()
    bad = {
        "version_unknown": ("alarm/v1", "alarm/v2"),
        "center_in_capitals": ("\nuz\n", "\nUZ\n"),
        "time_without_offset": (".250000Z", ".250000"),
        "size_with_a_zero_in_front": ("size 3", "size 03"),
        "reason_empty": (f"reason {reason}", "reason "),
        "lines_swapped": (f"size 3\nreason {reason}", f"reason {reason}\nsize 3"),
        "line_too_many": (f"{reason}\n", f"{reason}\nmore\n"),
    }
    return _file(
        "Alarms: the value of a record with the header cohub-control: alarm. No reason (null) takes the alarm back.",
        [
            {
                **_row(name, sign_note(a.to_text(), [SEAL]).to_bytes(), [SEAL]),
                "content": {"center": a.center, "size": a.size, "reason": a.reason or None},
            }
            for name, a in rows
        ],
        [
            _bad(
                "signed_by_the_witness_key",
                sign_note(text, [Signer(WITNESS.name, WITNESS.seed)]).to_bytes(),
                [SEAL],
                "no line by the key",
            ),
            *_changed(text, bad, SEAL),
        ],
    )


def _file(about: str, good: list[Row], bad: list[Row]) -> Row:
    return {"about": about, "good": good, "bad": bad}


def _row(name: str, data: bytes, keys: list[Signer]) -> Row:
    return {"name": name, **text_or_hex(data), "keys": [k.verifier.to_text() for k in keys]}


def _bad(name: str, data: bytes, keys: list[Signer], reason: str) -> Row:
    return {**_row(name, data, keys), "reason": reason}


def _changed(text: str, changes: dict[str, tuple[str, str]], key: Signer) -> list[Row]:
    """Return one bad note for each change of a good text: well signed, so that only its text is at fault."""
    rows = []
    for name, (old, new) in changes.items():
        changed = text.replace(old, new, 1)
        assert changed != text, name
        rows.append(_bad(name, sign_note(changed, [key]).to_bytes(), [key], name.replace("_", " ")))
    return rows


def _swap(note: bytes, other: bytes) -> bytes:
    return note.rpartition(b"\n\n")[0] + b"\n\n" + other.rpartition(b"\n\n")[2]


def _flip(note: bytes) -> bytes:
    return note[:-10] + (b"A" if note[-10:-9] != b"A" else b"B") + note[-9:]


def _loose(root: str) -> str:
    """Return base64 that decodes to the same 32 bytes, with bits set that do not count."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return root[:-2] + alphabet[alphabet.index(root[-2]) + 1] + "="


def _many(count: int) -> bytes:
    signers = [signer(f"{HUB}/c{n}") for n in range(count)]
    lines = "".join(sign_note("Short.\n", [s]).signatures[0].to_text() for s in signers)
    return ("Short.\n\n" + lines).encode()
