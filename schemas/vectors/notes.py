"""Vectors of signed notes, and of those on a lane: seals, receipts, resend requests."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Final

from hub.protocol.checkpoint import Checkpoint, seal
from hub.protocol.note import NOTE_BYTES_MAX, Note, Signature, sign_note
from hub.protocol.receipt import Decision, Receipt, Resend
from hub.protocol.record import SEQUENCE_MAX
from hub.protocol.tree import Edge
from schemas.vectors.forms import Row, changed_notes, fault, file_of, row_of
from schemas.vectors.keys import (
    CENTER,
    FOREIGN,
    HUB,
    LANE_KEY,
    LONG,
    ORIGIN,
    RECEIPTS,
    ROOT,
    SEAL,
    repeated,
    signer,
    text_or_hex,
)
from schemas.vectors.logs import line
from schemas.vectors.records import START, lane_digests


def note_vectors() -> Row:
    """Return notes and what is none, whatever they say."""
    text = "A text.\n\nIts second part: 技术 технология.\n"
    good = sign_note(text, [SEAL]).to_bytes()
    two = sign_note(text, [SEAL, FOREIGN])
    spoiled = Note(text, (two.signatures[0], Signature(FOREIGN.name, FOREIGN.verifier.key_id, bytes(64))))
    again = Signature(SEAL.name, SEAL.verifier.key_id, bytes(64))
    short = sign_note("Short.\n", [SEAL]).to_bytes()
    return file_of(
        "C2SP signed notes. keys are what the reader knows; signer is whose line has to be found good.",
        [
            row_of("one_signature", good, [SEAL]) | {"note_text": text, "signer": SEAL.name},
            row_of("two_signatures", two.to_bytes(), [FOREIGN]) | {"note_text": text, "signer": FOREIGN.name},
            row_of("unknown_key_passed_over", spoiled.to_bytes(), [SEAL]) | {"note_text": text, "signer": SEAL.name},
            row_of("second_line_of_one_key_not_looked_at", Note(text, (two.signatures[0], again)).to_bytes(), [SEAL])
            | {"note_text": text, "signer": SEAL.name},
            _read(
                Note(text, (_elsewhere(), two.signatures[0])).to_bytes(), "id_of_a_known_key_under_another_name", text
            ),
            _read(sign_note(_ODD, [SEAL]).to_bytes(), "del_c1_and_line_separators_in_the_text", _ODD),
            _read(sign_note("a\n\n\n", [SEAL]).to_bytes(), "text_that_ends_in_empty_lines", "a\n\n\n"),
            _read(_many(16), "sixteen_signatures", "Short.\n"),
            _longest(0),
        ],
        [
            fault("text_changed", good.replace(b"A text", b"a text"), [SEAL], "signature is not good"),
            fault("signature_of_another_note", _swap(good, short), [SEAL], "signature is not good"),
            fault("signed_by_a_stranger", sign_note(text, [FOREIGN]).to_bytes(), [SEAL], "no line by a known key"),
            fault("key_under_another_name", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by a known key"),
            fault("second_known_key_not_good", spoiled.to_bytes(), [SEAL, FOREIGN], "signature is not good"),
            fault("no_signature", (text + "\n").encode(), [SEAL], "no signature line"),
            fault("no_empty_line", good.replace(b"\n\n\xe2", b"\n\xe2"), [SEAL], "no empty line before the signatures"),
            fault("last_newline_missing", good[:-1], [SEAL], "a line does not end"),
            fault("carriage_returns", short.replace(b"\n", b"\r\n"), [SEAL], "control character"),
            fault("tab_in_text", short.replace(b"Short", b"Sh\tort"), [SEAL], "control character"),
            fault("hyphen_for_dash", short.replace("—".encode(), b"-"), [SEAL], "not a signature line"),
            fault("base64_cut", short[:-2] + b"\n", [SEAL], "not canonical base64"),
            fault("signature_without_key_id", "Short.\n\n— hub.example/uz AAAA\n".encode(), [SEAL], "too short"),
            fault("not_utf8", b"\xff" + short, [SEAL], "not UTF-8"),
            fault("not_utf8_but_signed", _raw(b"\xff\n"), [SEAL], "not UTF-8"),
            fault("tab_in_text_but_signed", _raw(b"Sh\tort.\n"), [SEAL], "control character"),
            fault("carriage_return_in_text_but_signed", _raw(b"Short.\r\n"), [SEAL], "control character"),
            fault("null_in_text_but_signed", _raw(b"Sh\0ort.\n"), [SEAL], "control character"),
            fault("signature_covers_the_empty_line", _raw(b"Short.\n", b"Short.\n\n"), [SEAL], "signature is not good"),
            fault("signature_without_the_last_newline", _raw(b"Short.\n", b"Short."), [SEAL], "signature is not good"),
            fault("line_with_wide_space_in_the_name", good.replace(b"example/uz ", "example\u2003uz ".encode()), [SEAL],
                  "no name of a key"),
            fault("two_spaces_before_the_signature", good.replace(b"/uz ", b"/uz  "), [SEAL], "not a signature line"),
            {k: v for k, v in _longest(1).items() if k not in {"note_text", "signer"}}
            | {"name": "longer_than_1_000_000_bytes", "reason": "too long"},
            fault("seventeen_signatures", _many(17), [SEAL], "more than 16 signatures"),
        ],
    )  # fmt: skip


# What a note's text may hold besides letters: only U+0000 to U+001F are barred from it, but for the newline.
_ODD: Final = "del \x7f, next line \x85, line separator \u2028, embedding \u202b\n"


def _read(data: bytes, name: str, text: str) -> Row:
    return row_of(name, data, [SEAL]) | {"note_text": text, "signer": SEAL.name}


def _raw(text: bytes, signed: bytes | None = None) -> bytes:
    """Return a note of any bytes with a line by SEAL, over other bytes if they are given."""
    line_ = Signature(SEAL.name, SEAL.verifier.key_id, SEAL.sign(text if signed is None else signed))
    return text + b"\n" + line_.to_text().encode()


def _elsewhere() -> Signature:
    return Signature(FOREIGN.name, SEAL.verifier.key_id, bytes(64))


def _longest(more: int) -> Row:
    """Return a note of 1,000,000 bytes and some more: as its parts, since it is long."""
    tail = sign_note("Short.\n", [SEAL]).to_bytes()[len("Short.") :]
    count = NOTE_BYTES_MAX - len(tail) + more
    signed = sign_note("x" * count + "\n", [SEAL]).to_bytes()[count:].decode()
    return {
        "name": "of_1_000_000_bytes",
        **repeated(("x", count), (signed, 1)),
        "keys": [SEAL.verifier.to_text()],
        "note_text": {"repeated": [["x", count], ["\n", 1]]},
        "signer": SEAL.name,
    }


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
    return file_of(
        "Seals of the lane of trees.json: the header cohub-seal on the record whose sequence is that size.",
        [
            {**row_of(f"size_{n}", seal(ORIGIN, edges[n], SEAL), [LANE_KEY]), "size": n, "root": edges[n].root.hex()}
            for n in (1, 4, 5)
        ]
        + [{**row_of("by_both_keys", both(5), [LANE_KEY, LONG.named(ORIGIN)]), "size": 5, "root": edges[5].root.hex()}],
        [
            fault("signed_under_the_key's_own_name", sign_note(Checkpoint(ORIGIN, 5, edges[5].root).to_text(),
                 [SEAL]).to_bytes(), [LANE_KEY], "no line under the lane's origin"),
            fault("signed_by_another_center", seal(ORIGIN, edges[5], FOREIGN), [LANE_KEY], "no line by the lane's key"),
            fault("origin_of_another_lane", sign_note(
                Checkpoint(f"{HUB}/{CENTER}/ffffffff", 5, edges[5].root).to_text(), [LANE_KEY]).to_bytes(),
                [LANE_KEY], "not this lane"),
            fault("wrong_root", seal(ORIGIN, edges[4].append([digests[0]]), SEAL), [LANE_KEY], "not the records' root"),
            fault("size_of_another_record", seal(ORIGIN, edges[4], SEAL), [LANE_KEY], "size is not the sequence 5"),
            fault("size_zero_in_front", said(f"{ORIGIN}\n05\n{root}\n"), [LANE_KEY], "not a decimal size"),
            fault("size_beyond_63_bits", said(f"{ORIGIN}\n9223372036854775808\n{root}\n"), [LANE_KEY],
                 "size too large"),
            fault("root_of_31_bytes", said(f"{ORIGIN}\n5\n{base64.b64encode(bytes(31)).decode()}\n"), [LANE_KEY],
                 "root is not 32 bytes"),
            fault("root_with_31_zeros_behind", said(f"{ORIGIN}\n5\n{_encoded(edges[5].root + bytes(31))}\n"),
                 [LANE_KEY], "root is not 32 bytes"),
            fault("size_signed", said(f"{ORIGIN}\n+5\n{root}\n"), [LANE_KEY], "not a decimal size"),
            fault("size_of_another_record_with_this_root", said(f"{ORIGIN}\n4\n{root}\n"), [LANE_KEY],
                 "size is not the sequence 5"),
            fault("origin_of_another_hub", sign_note(f"hub.other/uz/0a1b2c3d\n5\n{root}\n", [LANE_KEY]).to_bytes(),
                 [LANE_KEY], "not this lane"),
            fault("root_in_loose_base64", said(f"{ORIGIN}\n5\n{_loose(root)}\n"), [LANE_KEY], "not canonical base64"),
            fault("root_missing", said(f"{ORIGIN}\n5\n"), [LANE_KEY], "three lines expected"),
            fault("empty_extension_line", said(f"{ORIGIN}\n5\n{root}\n\nextension\n"), [LANE_KEY], "an empty line"),
            fault("signature_flipped", _flip(good), [LANE_KEY], "signature is not good"),
            fault("ml_dsa_line_of_another_size", both(5, 4), [LANE_KEY, LONG.named(ORIGIN)], "signature is not good"),
            fault("cut", good[:-20], [LANE_KEY], "not a note"),
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
        (
            "said_already",
            Receipt(ORIGIN, 1, 5, root, moment, 17, (Decision(2, "ALREADY_SAID", "", "status=published"),)),
        ),
        ("largest_numbers", Receipt(ORIGIN, SEQUENCE_MAX, SEQUENCE_MAX, root, moment, SEQUENCE_MAX)),
        (
            "code_unknown_to_the_reader",
            Receipt(ORIGIN, 1, 5, root, moment, 0, (Decision(2, "A_CODE_OF_LATER", "a.0.b"),)),
        ),
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
        "decision_behind_the_last": ("5 TOO_LONG", "6 TOO_LONG"),
        "decision_twice": ("4 NO_VALUE", "3 NO_VALUE"),
        "decision_with_zero_in_front": ("3 BAD_FIELD", "03 BAD_FIELD"),
        "decision_without_field": ("4 NO_VALUE -", "4 NO_VALUE"),
        "basis_beyond_63_bits": ("basis 17", "basis 9223372036854775808"),
        "to_signed": ("to 5", "to +5"),
        "time_with_offset": (".250000Z", ".250000+00:00"),
        "time_of_no_day": ("2026-03-01", "2026-02-30"),
        "lines_swapped": ("from 2\nto 5", "to 5\nfrom 2"),
        "empty_line_at_the_end": ("长\n", "长\n\n"),
    }
    backwards = rows[1][1].to_text().replace("from 1", "from 6")
    return file_of(
        "What HQ answers on out.<center>. content is what the text says; a good one signed by another key is bad.",
        [
            {
                **row_of(name, sign_note(r.to_text(), [RECEIPTS]).to_bytes(), [RECEIPTS]),
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
            fault("signed_by_the_root_key", sign_note(text, [ROOT]).to_bytes(), [RECEIPTS], "no line by the key"),
            fault("backwards", sign_note(backwards, [RECEIPTS]).to_bytes(), [RECEIPTS], "from after to"),
            *changed_notes(text, bad, RECEIPTS),
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
        "from_beyond_63_bits": ("from 3", "from 9223372036854775808"),
        "lines_swapped": ("from 3\nreason expected 3, got 5", "reason expected 3, got 5\nfrom 3"),
    }
    good = row_of("gap", sign_note(text, [RECEIPTS]).to_bytes(), [RECEIPTS])
    return file_of(
        "Resend requests on out.<center>.",
        [{**good, "content": {"origin": said.origin, "from": said.first, "reason": said.reason}}],
        changed_notes(text, bad, RECEIPTS),
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _swap(note: bytes, other: bytes) -> bytes:
    return note.rpartition(b"\n\n")[0] + b"\n\n" + other.rpartition(b"\n\n")[2]


def _flip(note: bytes) -> bytes:
    return note[:-10] + (b"A" if note[-10:-9] != b"A" else b"B") + note[-9:]


def _loose(root: str) -> str:
    """Return base64 that decodes to the same 32 bytes, with bits set that do not count."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return root[:-2] + alphabet[alphabet.index(root[-2]) + 1] + "="


def _many(count: int) -> bytes:
    signers = [SEAL, *(signer(f"{HUB}/c{n}") for n in range(1, count))]
    lines = "".join(sign_note("Short.\n", [s]).signatures[0].to_text() for s in signers)
    return ("Short.\n\n" + lines).encode()
