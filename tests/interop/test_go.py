"""Go's checksum database reads our notes and trees, and we read its notes: the formats are the public ones."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.note import Note, Signer, Verifier, sign_note
from hub.protocol.tree import Edge, inclusion_path, leaf_hash
from schemas.vectors.keys import SEAL, bytes_of
from schemas.vectors.make import FILES, HERE

GO = shutil.which("go")
PROGRAM = Path(__file__).parent / "go"
NOTES = ("notes", "seals", "receipts", "resends", "enrolments", "trust", "presence")
# What we refuse and Go need not: it takes a hundred signatures, ids in capitals, and knows nothing of small order.
STRICTER = frozenset({"seventeen_signatures", "id_in_capitals", "point_of_small_order"})
TEXT = "Text with an empty line:\n\nтехнология 技术\n"

pytestmark = pytest.mark.skipif(GO is None, reason="go is not installed")


def vectors(name: str, kind: str) -> list[dict[str, Any]]:
    """Return one list of a file of vectors."""
    loaded: list[dict[str, Any]] = json.loads((HERE / f"{name}.json").read_text("utf-8"))[kind]
    return loaded


def note_cases() -> list[tuple[str, bytes, list[str], bool]]:
    """Return notes with their name, the keys to check them with, and whether they are good as notes."""
    cases = [(f"{f}/{v['name']}", bytes_of(v), v["keys"], True) for f in NOTES for v in vectors(f, "good")]
    cases += [
        (f"notes/{v['name']}", bytes_of(v), v["keys"], False)
        for v in vectors("notes", "bad")
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


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what the Go program says of everything, in one run."""
    binary = tmp_path_factory.mktemp("go") / "interop"
    # GOFLAGS: go.mod and go.sum pin what is fetched; nothing may change them here.
    environment = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
    subprocess.run(["go", "build", "-o", binary, "."], cwd=PROGRAM, env=environment, check=True, timeout=240)
    request = {
        "notes": [{"data": base64.b64encode(d).decode(), "keys": keys} for _, d, keys, _ in note_cases()],
        "trees": [tree_case(size) for size in (1, 2, 3, 8, 13, 100)],
        "signs": [
            {"text": TEXT, "key": SEAL.to_text(), "name": ""},
            {"text": TEXT, "key": "", "name": "go.example/key"},
        ],
    }
    done = subprocess.run([binary], input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True, timeout=60)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


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
