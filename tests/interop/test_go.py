"""Other people's packages read our notes, trees, proofs and tiles, and we read theirs: the formats are the public ones.

The Go program beside this file uses golang.org/x/mod/sumdb (notes, trees, tiles), github.com/transparency-dev/merkle
(proofs) and github.com/transparency-dev/formats (cosignatures by Ed25519 and ML-DSA-44, tlog-proofs).
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Note, Signer, Verifier, sign_note
from hub.protocol.proof import TlogProof
from hub.protocol.tiles import TILE_WIDTH, bundle_path, tile_path, tiles_of, write_bundle
from hub.protocol.tree import (
    Edge,
    consistency_path,
    inclusion_path,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from schemas.vectors.keys import SEAL, bytes_of, signer
from schemas.vectors.make import FILES, HERE
from tests.support.interop import ask_go, needs_go, verify_log

NOTES = ("notes", "seals", "receipts", "resends", "enrolments", "trust", "presence", "cosignatures")
# What we refuse and Go need not: it takes a hundred signatures, notes of any length, ids in capitals, line breaks in
# base64, times of 64 bits, knows nothing of small order, and lets ML-DSA-44 stand under lines that it does not sign
# (filippo.io/torchwood refuses those too), and size 0 under any root.
STRICTER = frozenset(
    {
        "seventeen_signatures",
        "id_in_capitals",
        "point_of_small_order",
        "longer_than_1_000_000_bytes",
        "base64_with_a_line_break",
        "time_beyond_63_bits",
        "long_under_extension_lines",
        "long_over_extension_lines",
        "empty_tree_with_another_root",
    }
)
TEXT = "Text with an empty line:\n\nтехнология 技术\n"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOG = "hub.example/log"
LOG_KEYS = [signer(LOG), Signer(LOG, signer(LOG).seed, COSIGNATURE_MLDSA44)]
WITNESS = Signer("hub.example/uz/witness", signer("hub.example/uz/witness").seed, COSIGNATURE_ED25519)
LEAVES = [leaf_hash(b"%d" % n) for n in range(70)]

pytestmark = needs_go


def vectors(name: str, kind: str) -> list[dict[str, Any]]:
    """Return one list of a file of vectors."""
    loaded: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text("utf-8"))[kind]
    return loaded


def note_cases() -> list[tuple[str, bytes, list[str], bool]]:
    """Return notes with their name, the keys to check them with, and whether they are good as notes."""
    cases = [(f"{f}/{v['name']}", bytes_of(v), v["keys"], True) for f in NOTES for v in vectors(f, "good")]
    cases += [
        (f"published/{v['name']}", bytes_of(v), v["keys"], True) for v in vectors("published/checkpoints", "good")
    ]
    cases += [
        (f"{file}/{v['name']}", bytes_of(v), v["keys"], False)
        for file in ("notes", "cosignatures")
        for v in vectors(file, "bad")
        if v["name"] not in STRICTER
    ]
    key = SEAL.verifier.to_text()
    cases += [(f"keys/{v['name']}", sign_note(TEXT, [SEAL]).to_bytes(), [v["vkey"]], False) for v in _bad_keys()]
    cases += [(f"text/{n}", sign_note(text, [SEAL]).to_bytes(), [key], True) for n, text in enumerate(_texts())]
    return cases


def _bad_keys() -> list[dict[str, Any]]:
    return [v for v in vectors("keys", "bad") if v["name"] not in STRICTER]


def _texts() -> list[str]:
    return ["\n", "\n\n", "a\n\n", "— like a signature AAAA\n", "\u00a0\u2028\U0001f600\n", "x" * 10_000 + "\n"]


def tree_case(size: int) -> dict[str, Any]:
    """Return a tree of ours with every root on the way and every inclusion path at the end."""
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    roots = [Edge().append(leaves[:n]).root.hex() for n in range(size + 1)]
    proofs = [{"index": n, "size": size, "path": [h.hex() for h in inclusion_path(leaves, n)]} for n in range(size)]
    return {"leaves": [leaf.hex() for leaf in leaves], "roots": roots, "proofs": proofs}


HEAD = Checkpoint(LOG, 70, Edge().append(LEAVES).root)


def inclusion_cases() -> list[dict[str, Any]]:
    """Return good inclusion paths, and the same with one thing spoiled."""
    draw = random.Random(1)
    cases = []
    for size in (1, 2, 3, 5, 8, 13, 64, 65, 70):
        for index in {0, size // 2, size - 1}:
            leaves = LEAVES[:size]
            case = {
                "leaf": leaves[index].hex(),
                "index": index,
                "size": size,
                "root": Edge().append(leaves).root.hex(),
                "path": [step.hex() for step in inclusion_path(leaves, index)],
            }
            cases += [case, *spoiled(case, draw)]
    return cases


def consistency_cases() -> list[dict[str, Any]]:
    """Return good consistency paths, and the same with one thing spoiled."""
    draw = random.Random(2)
    cases = []
    for size in (1, 2, 3, 5, 8, 13, 64, 65, 70):
        for old in {1, max(1, size // 3), max(1, size // 2), max(1, size - 1), size}:
            case = {
                "old_size": old,
                "old_root": Edge().append(LEAVES[:old]).root.hex(),
                "size": size,
                "root": Edge().append(LEAVES[:size]).root.hex(),
                "path": [step.hex() for step in consistency_path(LEAVES[:size], old)],
            }
            cases += [case, *(c for c in spoiled(case, draw) if c["old_size"] > 0)]
    return cases


def spoiled(case: dict[str, Any], draw: random.Random) -> Iterator[dict[str, Any]]:
    """Yield the case with each number moved, each hash changed, and the path cut, swapped or longer."""
    path = case["path"]
    for name, value in case.items():
        if isinstance(value, int):
            yield from ({**case, name: value + step} for step in (-1, 1, value, 1 << 40))
        elif isinstance(value, str):
            yield {**case, name: flipped(value, draw)}
    yield from ({**case, "path": p} for p in ([], path[1:], path[:-1], path[::-1], [*path, case["root"]]) if p != path)
    yield from ({**case, "path": [*path[:n], flipped(h, draw), *path[n + 1 :]]} for n, h in enumerate(path))


def flipped(text: str, draw: random.Random) -> str:
    """Return a hash in hex with one bit changed."""
    return (int(text, 16) ^ 1 << draw.randrange(256)).to_bytes(32, "big").hex()


def proof_cases() -> list[tuple[str, bytes, list[str]]]:
    """Return tlog-proofs with the leaf that they prove and the keys of the log: the last is of another leaf."""
    keys = [key.verifier.to_text() for key in LOG_KEYS]
    note = sign_checkpoint(HEAD, [*LOG_KEYS, WITNESS], AT)
    cases = []
    for index, extra in ((0, None), (41, b"extra"), (69, b"")):
        text = TlogProof(index, tuple(inclusion_path(LEAVES, index)), note, extra).to_text()
        cases += [(text, LEAVES[index], keys), (text, LEAVES[index], keys[:1]), (text, LEAVES[index], keys[1:])]
    single = sign_checkpoint(Checkpoint(LOG, 1, LEAVES[0]), LOG_KEYS, AT)
    cases.append((TlogProof(0, (), single).to_text(), LEAVES[0], keys))
    cases.append((cases[0][0], LEAVES[1], keys))
    return cases


@pytest.fixture(scope="module")
def answer() -> dict[str, Any]:
    """Return what the Go program says of everything, in one run."""
    return ask_go(
        {
            "notes": [{"data": base64.b64encode(d).decode(), "keys": keys} for _, d, keys, _ in note_cases()],
            "trees": [tree_case(size) for size in (1, 2, 3, 8, 13, 100)],
            "signs": [
                {"text": TEXT, "key": SEAL.to_text(), "name": ""},
                {"text": TEXT, "key": "", "name": "go.example/key"},
                {"text": HEAD.to_text(), "key": LOG_KEYS[1].to_text(), "name": ""},
                {"text": HEAD.to_text(), "key": WITNESS.to_text(), "name": ""},
            ],
            "inclusion": inclusion_cases(),
            "consistency": consistency_cases(),
            "proofs": [{"text": text, "leaf": leaf.hex(), "keys": keys} for text, leaf, keys in proof_cases()],
        }
    )


def test_go_takes_the_same_notes_and_refuses_the_same(answer: dict[str, Any]) -> None:
    """Good vectors are good in Go, bad notes and keys are bad in Go."""
    assert len(FILES) > len(NOTES)
    wrong = [
        (name, said)
        for (name, _, _, good), said in zip(note_cases(), answer["notes"], strict=True)
        if good != (said == "")
    ]
    assert not wrong


def test_go_finds_the_same_roots_and_takes_the_paths(answer: dict[str, Any]) -> None:
    """Every root and inclusion path of ours is right by Go's own arithmetic."""
    assert answer["trees"] == [""] * 6


def test_go_signs_the_same_bytes_with_the_same_key(answer: dict[str, Any]) -> None:
    """Our private key text is Go's, and so is the note."""
    said = answer["signs"][0]
    assert said["error"] == ""
    assert base64.b64decode(said["data"]) == sign_note(TEXT, [SEAL]).to_bytes()


def test_note_that_go_signed_with_a_key_of_its_own_is_good(answer: dict[str, Any]) -> None:
    """A key and a note made by Go are read here."""
    said = answer["signs"][1]
    note = Note.from_bytes(base64.b64decode(said["data"]))
    assert note.text == TEXT
    assert note.verify([Verifier.from_text(said["vkey"])]).name == "go.example/key"
    assert Signer.from_text(SEAL.to_text()) == SEAL


@pytest.mark.parametrize("at", [2, 3], ids=["mldsa44", "ed25519"])
def test_go_cosigns_with_our_keys_and_we_read_it(at: int, answer: dict[str, Any]) -> None:
    """A cosigner's private key text is the public one, and a cosignature of now verifies here."""
    key = (LOG_KEYS[1], WITNESS)[at - 2].verifier
    said = answer["signs"][at]
    assert said["error"] == ""
    checkpoint, note = open_checkpoint(base64.b64decode(said["data"]))
    assert (checkpoint, note.verify([key])) == (HEAD, key)
    assert abs((datetime.now(UTC) - cosigned_at(note.signatures[0])).total_seconds()) < 600


def test_two_libraries_and_we_are_of_one_mind_on_inclusion(answer: dict[str, Any]) -> None:
    """Good or spoiled in any way, a path is the same to transparency-dev/merkle, golang.org/x/mod and us."""
    cases = inclusion_cases()
    _same([_included(case) for case in cases], answer["inclusion"], cases)


def test_two_libraries_and_we_are_of_one_mind_on_consistency(answer: dict[str, Any]) -> None:
    """Good or spoiled in any way, a consistency path is the same to all three."""
    cases = consistency_cases()
    _same([_consistent(case) for case in cases], answer["consistency"], cases)


def _same(ours: list[bool], theirs: list[dict[str, str]], cases: list[dict[str, Any]]) -> None:
    wrong = [
        (case, one, other)
        for one, other, case in zip(ours, theirs, cases, strict=True)
        if not one == (other["merkle"] == "") == (other["tlog"] == "")
    ]
    assert not wrong, wrong[:3]
    assert len(cases) > 300
    assert 20 < sum(ours) < len(cases) // 3


def _included(case: dict[str, Any]) -> bool:
    path = [bytes.fromhex(step) for step in case["path"]]
    try:
        verify_inclusion(bytes.fromhex(case["leaf"]), case["index"], case["size"], path, bytes.fromhex(case["root"]))
    except Malformed:
        return False
    return True


def _consistent(case: dict[str, Any]) -> bool:
    path = [bytes.fromhex(step) for step in case["path"]]
    old_root, root = (bytes.fromhex(case[name]) for name in ("old_root", "root"))
    try:
        verify_consistency(case["old_size"], old_root, case["size"], root, path)
    except Malformed:
        return False
    return True


def test_go_takes_our_tlog_proofs(answer: dict[str, Any]) -> None:
    """Another reader finds the same leaf in the same log, by either key, and writes the same text."""
    assert answer["proofs"][:-1] == [""] * 10
    assert answer["proofs"][-1] != ""


def write_log(directory: Path, entries: list[bytes]) -> None:
    """Write a log as any file server can hand it out."""
    leaves = [leaf_hash(entry) for entry in entries]
    row, rows = leaves, [leaves]
    while len(row) >= TILE_WIDTH:
        whole = len(row) // TILE_WIDTH
        row = [Edge().append(row[n * TILE_WIDTH : (n + 1) * TILE_WIDTH]).root for n in range(whole)]
        rows.append(row)
    files = {}
    for level, index, width in tiles_of(len(leaves)):
        low = index * TILE_WIDTH
        files[tile_path(level, index, width)] = b"".join(rows[level][low : low + width])
        if not level:
            files[bundle_path(index, width)] = write_bundle(entries[low : low + width])
    head = Checkpoint(LOG, len(leaves), Edge().append(leaves).root)
    files["checkpoint"] = sign_checkpoint(head, LOG_KEYS, AT)
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


KEYS = [key.verifier.to_text() for key in LOG_KEYS]


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 700, 70_000])
def test_go_reads_our_tiles(size: int, tmp_path: Path) -> None:
    """The checksum database's own tile reader proves every tile of ours, and every entry is in them."""
    write_log(tmp_path, [b"entry %d" % n for n in range(size)])
    said = verify_log(tmp_path, KEYS)
    tiles = sum(1 for _ in tiles_of(size))
    assert (said["error"], said["origin"], said["size"], said["tiles"]) == ("", LOG, size, tiles)
    assert (said["bundles"], said["extra"]) == (-(-size // TILE_WIDTH), [])
    assert len(said["signers"]) == 2


def test_go_finds_what_is_spoiled_in_a_log(tmp_path: Path) -> None:
    """One byte of any file, and any file gone, is found: what passes above is really looked at."""
    write_log(tmp_path, [b"entry %d" % n for n in range(600)])
    assert verify_log(tmp_path, KEYS)["error"] == ""
    for path in sorted(p for p in tmp_path.rglob("*") if p.is_file()):
        data = path.read_bytes()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert verify_log(tmp_path, KEYS)["error"] != "", path
        path.unlink()
        assert verify_log(tmp_path, KEYS)["error"] != "", path
        path.write_bytes(data)
    astray = tmp_path / tile_path(0, 9)
    astray.write_bytes(b"")
    assert verify_log(tmp_path, KEYS)["extra"] == [tile_path(0, 9)]
    other = [Signer(LOG, bytes(32)).verifier.to_text()]
    assert verify_log(tmp_path, other)["error"] != ""
    assert verify_log(tmp_path, KEYS + other)["error"] != ""
