"""The vectors of HQ's log, ours and other people's: every good one is read as it says, every bad one refused."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hub.protocol.checkpoint import open_checkpoint
from hub.protocol.cosignature import cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.note import COSIGNATURES, Signer, Verifier
from hub.protocol.proof import TlogProof
from hub.protocol.tiles import TILE_WIDTH, bundle_path, read_bundle, tile_path, tiles_of, write_bundle
from hub.protocol.tree import (
    Edge,
    consistency_path,
    inclusion_path,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from schemas.vectors.keys import bytes_of
from schemas.vectors.make import HERE
from schemas.vectors.trees import ENTRIES

Vector = dict[str, Any]
PUBLISHED = HERE / "published"
LEAVES = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]


def load(path: Path) -> Vector:
    loaded: Vector = json.loads(path.read_text("utf-8"))
    return loaded


def cases(path: Path, kind: str) -> pytest.MarkDecorator:
    """Return the parameters of a test over one list of vectors, each under its own name."""
    return pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in load(path)[kind]])


def signed(vector: Vector) -> None:
    """Check that every key of a vector has signed its checkpoint, the last key at the time that it says."""
    keys = [Verifier.from_text(vkey) for vkey in vector["keys"]]
    _, note = open_checkpoint(bytes_of(vector))
    assert note.verify(keys) == keys[0]
    assert note.to_bytes() == bytes_of(vector)
    lines = [note.line_of(key) for key in keys]
    assert all(lines)
    assert lines[-1] is not None
    if keys[-1].algorithm in COSIGNATURES:
        assert cosigned_at(lines[-1]).timestamp() == vector["cosigned_at"]


@cases(PUBLISHED / "checkpoints.json", "good")
def test_checkpoint_of_others_is_good(vector: Vector) -> None:
    """Go's checksum database, a witness in hardware, and a log that signs by ML-DSA-44: all are read here."""
    assert vector["source"]
    assert vector["licence"]
    signed(vector)


def test_published_proofs_are_ours() -> None:
    """Certificate Transparency's own proofs are found, byte for byte, and hold."""
    said = load(PUBLISHED / "merkle.json")
    roots = [bytes.fromhex(root) for root in said["roots"]]
    assert [Edge().append(LEAVES[:size]).root for size in range(1, 9)] == roots
    assert (len(said["inclusion"]), len(said["consistency"])) == (5, 5)
    for row in said["inclusion"]:
        index, size, path = row["leaf"] - 1, row["size"], [bytes.fromhex(step) for step in row["path"]]
        assert inclusion_path(LEAVES[:size], index) == path
        verify_inclusion(LEAVES[index], index, size, path, roots[size - 1])
    for row in said["consistency"]:
        old, size, path = row["old_size"], row["size"], [bytes.fromhex(step) for step in row["path"]]
        assert consistency_path(LEAVES[:size], old) == path
        verify_consistency(old, roots[old - 1], size, roots[size - 1], path)


@cases(HERE / "cosignatures.json", "keys")
def test_key_of_a_cosigner_is_read(vector: Vector) -> None:
    """A private key and its vkey are one pair."""
    key = Signer.from_text(vector["private"])
    assert (key.name, key.verifier.to_text()) == (vector["key_name"], vector["vkey"])


@cases(HERE / "cosignatures.json", "good")
def test_cosigned_checkpoint_is_read(vector: Vector) -> None:
    """Every key has signed it, at the time that it says."""
    signed(vector)


@cases(HERE / "cosignatures.json", "bad")
def test_bad_cosignature_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        signed(vector)


def _consistent(vector: Vector) -> None:
    old_root, root = (bytes.fromhex(vector[name]) for name in ("old_root", "root"))
    verify_consistency(
        vector["old_size"], old_root, vector["size"], root, [bytes.fromhex(step) for step in vector["path"]]
    )


def test_consistency_paths_hold() -> None:
    """From every size to every later one."""
    for vector in load(HERE / "consistency.json")["good"]:
        _consistent(vector)


@cases(HERE / "consistency.json", "bad")
def test_bad_consistency_path_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        _consistent(vector)


@cases(HERE / "tiles.json", "good")
def test_log_has_its_files(vector: Vector) -> None:
    """Paths and bytes of tiles and bundles are those of the specification."""
    size, entries = vector["size"], [b"entry %d" % n for n in range(vector["size"])]
    assert Edge().append(leaf_hash(entry) for entry in entries).root.hex() == vector["root"]
    paths = {tile_path(*tile) for tile in tiles_of(size)}
    paths |= {bundle_path(index, width) for level, index, width in tiles_of(size) if not level}
    assert set(vector["files"]) <= paths
    assert size > 1000 or set(vector["files"]) == paths
    index, width = divmod(size, TILE_WIDTH)
    if width:
        last = entries[index * TILE_WIDTH :]
        assert sha256(write_bundle(last)).hexdigest() == vector["files"][bundle_path(index, width)]
        hashes = b"".join(map(leaf_hash, last))
        assert sha256(hashes).hexdigest() == vector["files"][tile_path(0, index, width)]


@cases(HERE / "tiles.json", "bad")
def test_bad_bundle_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        read_bundle(bytes.fromhex(vector["bundle"]))


def _proved(vector: Vector) -> None:
    proof = TlogProof.from_text(vector["text"])
    proof.verify(bytes.fromhex(vector["leaf"]), [Verifier.from_text(vkey) for vkey in vector["keys"]])
    assert proof.to_text() == vector["text"]


@cases(HERE / "proofs.json", "good")
def test_tlog_proof_is_read(vector: Vector) -> None:
    """It proves its leaf, and has its text again."""
    _proved(vector)


@cases(HERE / "proofs.json", "bad")
def test_bad_tlog_proof_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        _proved(vector)
