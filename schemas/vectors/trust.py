"""Vectors of what makes a key count: enrolments and trust notes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hub.protocol.control import enrolment, key_text, proof_line
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44
from hub.protocol.note import Note, Signer, Verifier, sign_note
from hub.protocol.trust import Trust
from schemas.vectors.forms import Row, fault, file_of, row_of
from schemas.vectors.keys import (
    CENTER,
    COSIGNER,
    HUB,
    LONG,
    RECEIPTS,
    ROOT,
    SEAL,
    SEAL_NEXT,
    WITNESS,
    signer,
)
from schemas.vectors.logs import kept
from schemas.vectors.records import START


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
        ("reserved_hq", key_text(HUB, "hq", "seal", signer(f"{HUB}/hq").verifier), signer(f"{HUB}/hq"), "reserved id"),
        (
            "reserved_log",
            key_text(HUB, "log", "seal", signer(f"{HUB}/log").verifier),
            signer(f"{HUB}/log"),
            "reserved id",
        ),
        ("reserved_root", key_text(HUB, "root", "seal", ROOT.verifier), ROOT, "reserved id"),
        ("hub_in_capitals", good.replace(f"\n{HUB}\n", "\nHub.example\n"), SEAL, "no name of a hub"),
        ("key_of_another_hub", good.replace(f"\n{HUB}\n", "\nhub.other\n"), SEAL, "key is not named for the hub"),
        ("ml_dsa_not_signed_by_itself", key_text(HUB, CENTER, "seal", LONG.verifier), SEAL, "has not proved itself"),
    ]
    plain = Signer(COSIGNER.name, COSIGNER.seed)  # who reads notes alone finds the line of the same key as one of 0x01
    rows = [
        ("first_key", enrolment(HUB, CENTER, "seal", SEAL), SEAL, SEAL, "seal"),
        ("rotation", enrolment(HUB, CENTER, "seal", SEAL_NEXT, SEAL), SEAL_NEXT, SEAL, "seal"),
        ("witness", enrolment(HUB, CENTER, "witness", WITNESS), WITNESS, WITNESS, "witness"),
        ("cosigner", enrolment(HUB, CENTER, "witness", COSIGNER), COSIGNER, plain, "witness"),
        ("ml_dsa", long_enrolment(), LONG, SEAL, "seal"),
    ]
    return file_of(
        "A key asks to be taken. On rotation keys has the one before, whose line HQ checks too. A witness key of 0x01 "
        "is one of releases before 0.2.",
        [
            {
                **row_of(name, data, [known]),
                "content": {"hub": HUB, "center": CENTER, "purpose": purpose, "vkey": new.verifier.to_text()},
            }
            for name, data, new, known, purpose in rows
        ],
        [fault(name, sign_note(text, [by]).to_bytes(), [by], reason) for name, text, by, reason in cases],
    )


def long_enrolment() -> bytes:
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
        ("names_another_root", replace(old, root=other.verifier).to_text(), ROOT, "the pinned root key never changes"),
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
        (
            "v2_new_root_signed_by_itself",
            replace(first, root=other.verifier).to_text(),
            other,
            "not by the pinned root",
        ),
        ("v2_log_key_before_the_receipts_key", _swap_lines(text_2, "receipts ", "log "), ROOT, "another order"),
        ("v2_witness_before_hq", _swap_lines(full_text, "hq hub.example/hq+", "witness "), ROOT, "another order"),
        ("v2_reason_of_201_characters", text_2.replace("the first keys", "ы" * 201), ROOT, "reason too long"),
        ("v2_reason_with_two_spaces", text_2.replace("the first keys", "the  first keys"), ROOT, "not one line's form"),
        ("v2_retired_twice", full_text + full_text.splitlines(keepends=True)[-1], ROOT, "retired twice"),
        ("v2_serial_with_zero_in_front", text_2.replace("serial 1", "serial 01"), ROOT, "not a number's one form"),
        (
            "v2_witness_for_two",
            replace(first, witnesses=(COSIGNER.verifier, COSIGNER.verifier)).to_text(),
            ROOT,
            "one key has one use",
        ),
        ("v2_seal_key_as_hq", replace(first, hqs=(SEAL.verifier,)).to_text(), ROOT, "expected <hub>/hq"),
        ("v2_lines_out_of_order", _swap_lines(full_text, "hq ", "receipts "), ROOT, "another order"),
    ]
    return file_of(
        "The hub's keys as a center pins them; keys has the root key that was pinned before.",
        [
            {
                **row_of(name, sign_note(trust.to_text(), [ROOT]).to_bytes(), [ROOT]),
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
            for name, trust in (
                ("good", old),
                ("v2", first),
                ("v2_rotated", full),
                ("v2_long_reason", replace(first, reason="ы" * 200)),
            )
        ],
        [fault(name, sign_note(text, [by]).to_bytes(), [ROOT], reason) for name, text, by, reason in cases],
    )


def _swap_lines(text: str, one: str, other: str) -> str:
    """Return a text in which the first lines with these beginnings have changed places."""
    lines = text.splitlines(keepends=True)
    at, to = (next(n for n, line in enumerate(lines) if line.startswith(head)) for head in (one, other))
    lines[at], lines[to] = lines[to], lines[at]
    return "".join(lines)
