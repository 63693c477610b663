"""Vectors of HQ's log: cosignatures, consistency paths, tiles and tlog-proofs."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from hub.protocol.checkpoint import Checkpoint
from hub.protocol.cosignature import TIME_BYTES, cosign, cosigned_message
from hub.protocol.note import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, Note, Signature, Signer, Verifier, sign_note
from hub.protocol.proof import TlogProof
from hub.protocol.tiles import TILE_WIDTH, bundle_path, tile_path, tile_root, tiles_of, write_bundle
from hub.protocol.tree import Edge, consistency_path, inclusion_path, leaf_hash
from schemas.vectors.keys import CENTER, HUB, signer, text_or_hex
from schemas.vectors.records import START
from schemas.vectors.trees import ENTRIES

Row = dict[str, Any]
LOG: Final = f"{HUB}/log"
LOG_KEY: Final = signer(LOG)
LOG_LONG: Final = Signer(LOG, signer(LOG, 2).seed, COSIGNATURE_MLDSA44)
LOG_OTHER: Final = LOG_LONG.named(f"{HUB}/other")
WITNESS: Final = Signer(f"{HUB}/{CENTER}/witness", signer(f"{HUB}/{CENTER}/witness", 2).seed, COSIGNATURE_ED25519)
LEAVES: Final = [leaf_hash(bytes.fromhex(entry)) for entry in ENTRIES]
HEAD: Final = Checkpoint(LOG, 7, Edge().append(LEAVES[:7]).root)
# ML-DSA-44 signs another way each time, so the signatures of the vectors are kept, by the hash of key and message.
KEPT: Final = Path(__file__).parent / "mldsa44.json"
_kept: Final[dict[str, str]] = json.loads(KEPT.read_text("utf-8")) if KEPT.exists() else {}


def kept_text() -> str:
    """Return the text of the file of kept signatures."""
    return json.dumps(dict(sorted(_kept.items())), indent=1) + "\n"


def line(head: Checkpoint, key: Signer, seconds: int = 0) -> Signature:
    """Return the line of one key under a checkpoint, `seconds` after the vectors' time: the same in every run."""
    text, at = head.to_text(), START + timedelta(seconds=seconds)
    if key.algorithm == COSIGNATURE_ED25519:
        return cosign(text, key, at)
    if key.algorithm != COSIGNATURE_MLDSA44:
        return sign_note(text, [key]).signatures[0]
    time = int(at.timestamp())
    value = kept(key, cosigned_message(text, key.verifier, time))
    return Signature(key.name, key.verifier.key_id, time.to_bytes(TIME_BYTES, "big") + value)


def kept(key: Signer, message: bytes) -> bytes:
    """Return the raw signature of an ML-DSA-44 key over a message: the same in every run."""
    place = sha256(key.verifier.key_id + message).hexdigest()
    if place not in _kept:
        _kept[place] = base64.b64encode(key.sign(message)).decode()
    return base64.b64decode(_kept[place])


def cosignature_vectors() -> Row:
    """Return checkpoints with cosignatures, and what no reader takes for one."""
    plain, long, seen = line(HEAD, LOG_KEY), line(HEAD, LOG_LONG), line(HEAD, WITNESS, 5)
    text = HEAD.to_text()
    more = Checkpoint(LOG, 7, HEAD.root, ("extension",))
    empty = Checkpoint(LOG, 0, HEAD.root)
    later = Signature(seen.name, seen.key_id, (1772366411).to_bytes(8, "big") + seen.value[8:])
    zero = Signature(seen.name, seen.key_id, seen.value[:8])
    moved = Signature(seen.name, seen.key_id, long.value)
    ninth = Checkpoint(LOG, 8, Edge().append(LEAVES).root)
    bare = Signature(long.name, long.key_id, long.value[8:])
    return {
        "about": "Checkpoints of HQ's log. Every one of keys has signed; cosigned_at: POSIX seconds of the last line.",
        "keys": [
            {"name": name, "key_name": key.name, "private": key.to_text(), "vkey": key.verifier.to_text()}
            for name, key in (("log", LOG_KEY), ("log_long", LOG_LONG), ("witness", WITNESS))
        ],
        "good": [
            _note("by_the_log_alone", text, [plain, long], [LOG_KEY, LOG_LONG]) | {"cosigned_at": 1772366400},
            _note("by_a_witness", text, [plain, long, seen], [LOG_KEY, LOG_LONG, WITNESS])
            | {"cosigned_at": 1772366405},
            _note("what_a_witness_sends", text, [seen], [WITNESS]) | {"cosigned_at": 1772366405},
            _note("ed25519_covers_extension_lines", more.to_text(), [line(more, WITNESS)], [WITNESS])
            | {"cosigned_at": 1772366400},
        ],
        "bad": [
            _bad("time_changed", text, [later], [WITNESS], "the time is signed"),
            _bad("time_alone", text, [zero], [WITNESS], "no signature after the time"),
            _bad("value_of_the_other_algorithm", text, [moved], [WITNESS], "72 bytes expected"),
            _bad("without_the_time", text, [bare], [LOG_LONG], "2,428 bytes expected"),
            _bad("of_another_checkpoint", ninth.to_text(), [seen], [WITNESS], "signature is not good"),
            _bad("long_of_another_checkpoint", ninth.to_text(), [long], [LOG_LONG], "signature is not good"),
            _bad("long_of_another_cosigner", text, [_renamed(long)], [LOG_OTHER], "the name is signed"),
            _bad("long_under_extension_lines", more.to_text(), [long], [LOG_LONG], "they would not be signed"),
            _bad("note_signature_under_the_id_of_a_cosigner", text, [_plain_as(seen)], [WITNESS], "other message"),
            _bad("time_beyond_63_bits", text, [_at(1 << 63)], [WITNESS], "a time of more than 63 bits"),
            _bad("signed_without_a_time_line", text, [_untimed()], [WITNESS], "the time is signed"),
            _bad(
                "long_over_extension_lines",
                more.to_text(),
                [line_of_core(more, LOG_LONG)],
                [LOG_LONG],
                "extension lines are not signed",
            ),
            _bad("not_a_checkpoint", "Short.\n", [seen], [WITNESS], "a cosigner signs checkpoints alone"),
            _bad(
                "empty_tree_with_another_root", empty.to_text(), [_forced(empty)], [WITNESS], "not the hash of nothing"
            ),
        ],
    }


def _renamed(long: Signature) -> Signature:
    return Signature(LOG_OTHER.name, LOG_OTHER.verifier.key_id, long.value)


def _plain_as(seen: Signature) -> Signature:
    return Signature(seen.name, seen.key_id, seen.value[:8] + WITNESS.sign(HEAD.to_text().encode()))


def _forced(head: Checkpoint) -> Signature:
    time = int(START.timestamp())
    value = WITNESS.sign(f"cosignature/v1\ntime {time}\n{head.to_text()}".encode())
    return Signature(WITNESS.name, WITNESS.verifier.key_id, time.to_bytes(TIME_BYTES, "big") + value)


def _at(seconds: int) -> Signature:
    value = WITNESS.sign(f"cosignature/v1\ntime {seconds}\n{HEAD.to_text()}".encode())
    return Signature(WITNESS.name, WITNESS.verifier.key_id, seconds.to_bytes(TIME_BYTES, "big") + value)


def _untimed() -> Signature:
    value = WITNESS.sign(f"cosignature/v1\n{HEAD.to_text()}".encode())
    return Signature(WITNESS.name, WITNESS.verifier.key_id, int(START.timestamp()).to_bytes(TIME_BYTES, "big") + value)


def line_of_core(head: Checkpoint, key: Signer) -> Signature:
    """Return the line of an ML-DSA-44 key over a checkpoint as if it had no extension lines."""
    return line(Checkpoint(head.origin, head.size, head.root), key)


def _note(name: str, text: str, lines: list[Signature], keys: list[Signer]) -> Row:
    return {
        "name": name,
        **text_or_hex(Note(text, tuple(lines)).to_bytes()),
        "keys": [key.verifier.to_text() for key in keys],
    }


def _bad(name: str, text: str, lines: list[Signature], keys: list[Signer], reason: str) -> Row:
    return {**_note(name, text, lines, keys), "reason": reason}


def consistency_vectors() -> Row:
    """Return consistency paths between all sizes of the tree of the public entries, and what proves nothing."""
    roots = [Edge().append(LEAVES[:size]).root.hex() for size in range(len(LEAVES) + 1)]

    def proof(old: int, size: int) -> Row:
        return {
            "name": f"from_{old}_to_{size}",
            "old_size": old,
            "old_root": roots[old],
            "size": size,
            "root": roots[size],
            "path": [step.hex() for step in consistency_path(LEAVES[:size], old)],
        }

    known = proof(6, 8)
    path = known["path"]
    return {
        "about": "Trees of the first entries of trees.json, each the beginning of the next; path: lowest hash first.",
        "good": [proof(old, size) for size in range(len(LEAVES) + 1) for old in range(size + 1)],
        "bad": [
            {**known, "name": "old_size_of_another_tree", "old_size": 5},
            {**known, "name": "size_of_another_tree", "size": 9},
            {**known, "name": "sizes_swapped", "old_size": 8, "size": 6},
            {**known, "name": "roots_swapped", "old_root": roots[8], "root": roots[6]},
            {**known, "name": "old_root_changed", "old_root": roots[5]},
            {**known, "name": "root_changed", "root": roots[7]},
            {**known, "name": "path_missing", "path": []},
            {**known, "name": "path_cut", "path": path[:-1]},
            {**known, "name": "path_too_long", "path": [*path, roots[8]]},
            {**known, "name": "path_in_wrong_order", "path": path[::-1]},
            {**known, "name": "hash_of_31_bytes", "path": [path[0][2:], *path[1:]]},
            {**proof(8, 8), "name": "one_size_two_roots", "old_root": roots[7]},
            {**proof(8, 8), "name": "one_size_with_a_path", "path": path},
            {**proof(0, 8), "name": "nothing_with_another_root", "old_root": roots[1]},
            {**proof(0, 8), "name": "nothing_with_a_path", "path": path},
        ],
    }


def tile_vectors() -> Row:
    """Return the files of logs of some sizes, each by its hash, and bundles that are none."""
    return {
        "about": "C2SP tlog-tiles. Entry n of every log is the text `entry <n>`; files: SHA-256 of each file's bytes,"
        " of the largest log without its full tiles of level 0. A bad bundle is refused by its bytes.",
        "paths": [
            {
                "name": f"tile_{level}_{index}_of_width_{width}",
                "level": level,
                "index": index,
                "width": width,
                "tile": tile_path(level, index, width),
                "bundle": bundle_path(index, width) if not level else None,
            }
            for level, index, width in _PLACES
        ],
        "good": [_log(1), _log(256), _log(257), _log(70_000)],
        "bad": [
            {"name": "empty", "bundle": ""},
            {"name": "length_cut", "bundle": "000161 00".replace(" ", "")},
            {"name": "entry_cut", "bundle": "000361"},
            {"name": "one_byte_of_a_length", "bundle": "00016100"},
            {"name": "too_many_entries", "bundle": "0000" * (TILE_WIDTH + 1)},
        ],
    }


_PLACES: Final = (
    (0, 0, 256),
    (0, 999, 256),
    (0, 1000, 256),
    (0, 1067, 1),
    (1, 1_234_067, 255),
    (0, 1_000_000, 256),
    (7, 12_345_678_901, 17),
)


def _log(size: int) -> Row:
    entries = [b"entry %d" % n for n in range(size)]
    row = [leaf_hash(entry) for entry in entries]
    root, rows = Edge().append(row).root, [row]
    while len(rows[-1]) >= TILE_WIDTH:
        below = rows[-1]
        parts = [below[at : at + TILE_WIDTH] for at in range(0, len(below) - TILE_WIDTH + 1, TILE_WIDTH)]
        rows.append([tile_root(b"".join(part)) for part in parts])
    files = {}
    for level, index, width in tiles_of(size):
        low = index * TILE_WIDTH
        if level or width < TILE_WIDTH or size < 1000:
            files[tile_path(level, index, width)] = sha256(b"".join(rows[level][low : low + width])).hexdigest()
            if not level:
                files[bundle_path(index, width)] = sha256(write_bundle(entries[low : low + width])).hexdigest()
    return {"name": f"size_{size}", "size": size, "root": root.hex(), "files": files}


def proof_vectors() -> Row:
    """Return tlog-proofs of leaves of the log of cosignatures.json, and what proves nothing."""
    keys = [LOG_KEY.verifier, LOG_LONG.verifier]
    note = Note(HEAD.to_text(), (line(HEAD, LOG_KEY), line(HEAD, LOG_LONG), line(HEAD, WITNESS, 5)))
    single = Checkpoint(LOG, 1, LEAVES[0])
    alone = Note(single.to_text(), (line(single, LOG_KEY), line(single, LOG_LONG)))

    def proof(index: int, extra: bytes | None = None) -> TlogProof:
        return TlogProof(index, tuple(inclusion_path(LEAVES[:7], index)), note.to_bytes(), extra)

    def row(name: str, text: str, leaf: int, known: list[Verifier]) -> Row:
        return {"name": name, "text": text, "leaf": LEAVES[leaf].hex(), "keys": [key.to_text() for key in known]}

    good = proof(4).to_text()
    stranger = signer(LOG, 3).verifier
    return {
        "about": "C2SP tlog-proofs: the leaf (a leaf hash) is in the log that one of keys has signed.",
        "good": [
            row("by_both_keys", good, 4, keys),
            row("by_the_long_lived_key_alone", good, 4, keys[1:]),
            row("with_extra_data", proof(6, b"extra").to_text(), 6, keys),
            row("with_empty_extra_data", proof(0, b"").to_text(), 0, keys),
            row("only_leaf", TlogProof(0, (), alone.to_bytes()).to_text(), 0, keys),
        ],
        "bad": [
            row("another_leaf", good, 5, keys),
            row("another_index", good.replace("index 4", "index 5"), 4, keys),
            row("index_with_zero_in_front", good.replace("index 4", "index 04"), 4, keys),
            row("version_unknown", good.replace("@v1", "@v2"), 4, keys),
            row("index_missing", good.replace("index 4\n", ""), 4, keys),
            row("empty_line_missing", good.replace("\n\n", "\n", 1), 4, keys),
            row("hash_cut", good.replace("=\n", "\n", 1), 4, keys),
            row("extra_not_base64", good.replace("index 4", "extra !\nindex 4"), 4, keys),
            row("extra_after_the_index", good.replace("index 4", "index 4\nextra YQ=="), 4, keys),
            row(
                "path_of_64_hashes",
                good.replace("\n\n", "\n" + (base64.b64encode(bytes(32)).decode() + "\n") * 61 + "\n", 1),
                4,
                keys,
            ),
            row(
                "hash_of_31_bytes",
                good.replace("index 4\n", f"index 4\n{base64.b64encode(bytes(31)).decode()}\n"),
                4,
                keys,
            ),
            row(
                "path_too_long",
                good.replace("index 4\n", f"index 4\n{base64.b64encode(bytes(32)).decode()}\n"),
                4,
                keys,
            ),
            row("index_signed", good.replace("index 4", "index +4"), 4, keys),
            row("witness_is_no_log", good, 4, [WITNESS.verifier]),
            row("signed_by_a_stranger", good, 4, [stranger]),
            row("checkpoint_of_another_size", good.replace(f"{LOG}\n7\n", f"{LOG}\n6\n"), 4, keys),
        ],
    }
