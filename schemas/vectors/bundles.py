"""Vectors of evidence bundles: a good one, and what a checker must find in it once it is changed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from schemas.vectors.keys import HUB, signer

Row = dict[str, Any]
BUNDLE: Final = "tests/data/evidence/deal-v1.zip"
RULES_2: Final = "tests/data/evidence/rules-2.zip"
RULES_3: Final = "tests/data/evidence/rules-3.zip"
# By an HQ that does not go by the rules in force; whatever else there is in them follows.
WRONG: Final = {
    "text_that_the_rules_forbid_accepted": "tests/data/evidence/misjudged.zip",
    "seal_with_extension_lines_under_rules_2": "tests/data/evidence/extended.zip",
}
ASIDE: Final = "lanes/000002-uz-00000001/000000000002-000000000002/events/000000000002"
TREE: Final = Path(__file__).parents[2]
UZ: Final = "lanes/000002-uz-00000001/000000000004-000000000004/"
HQ: Final = "lanes/000001-hq-a939b661/000000000023-000000000023/"
DEAL: Final = "state/after/deal.uz_D-1.d506c7902621.json"
EVENT: Final = f"{UZ}events/000000000004.event"
# A change is of one file: it is gone, or one text in it stands for another, or it is new. `again`: SHA256SUMS and the
# digests in the manifest are made again, so that they don't tell.
CHANGED: Final[dict[str, Row]] = {
    "event_changed": {"file": EVENT, "old": "uz:", "new": "kz:"},
    "event_changed_and_sums_made_again": {"file": EVENT, "old": "uz:", "new": "kz:", "again": True},
    "hq_event_changed_and_sums_made_again": {
        "file": f"{HQ}events/000000000023.event", "old": "2026-", "new": "2025-", "again": True,
    },
    "receipt_changed": {"file": f"{UZ}receipt.note", "old": "basis ", "new": "basis 1", "again": True},
    "receipt_missing": {"file": f"{UZ}receipt.note", "again": True},
    "seal_missing": {"file": f"{UZ}seal.note", "again": True},
    "seal_of_another_root": {"file": f"{UZ}seal.note", "old": "\n4\n", "new": "\n5\n", "again": True},
    "proof_of_an_event_missing": {"file": f"{UZ}events/000000000004.tlog-proof", "again": True},
    "proof_of_another_index": {
        "file": f"{UZ}events/000000000004.tlog-proof", "old": "index 3", "new": "index 2", "again": True,
    },
    "proof_of_a_receipt_of_another_index": {
        "file": f"{UZ}receipt.tlog-proof", "old": "index ", "new": "index 1", "again": True,
    },
    "events_in_each_other_s_places": {
        "swap": [f"lanes/000002-uz-00000001/000000000002-000000000003/events/00000000000{n}" for n in (2, 3)],
        "again": True,
    },
    "end_of_the_hq_lane_missing": {"folder": "lanes/000001-hq-a939b661/000000000025-000000000025/", "again": True},
    "event_of_hq_missing": {"file": f"{HQ}events/000000000023.event", "again": True},
    "trust_note_missing": {"file": "trust.note", "again": True},
    "trust_note_changed": {"file": "trust.note", "old": "serial ", "new": "serial 1", "again": True},
    "sums_missing": {"file": "SHA256SUMS"},
    "sums_changed": {"file": "SHA256SUMS", "old": "README.en.txt", "new": "README.xx.txt"},
    "manifest_missing": {"file": "manifest.json", "again": True},
    "readme_changed": {"file": "README.en.txt", "old": "e", "new": "E"},
    "file_of_another_name": {"file": "lanes/notes.txt", "new": "what else I know", "again": True},
    "entity_changed": {"file": DEAL, "old": "closed", "new": "signed", "again": True},
    "entity_missing": {"file": DEAL, "again": True},
    "entity_of_no_event": {"file": DEAL.replace("D-1", "D-9"), "new": "{}", "again": True},
    "path_that_goes_up": {"file": "../trust.note", "new": "x", "again": True},
    "path_with_a_backslash": {"file": "state\\after\\x.json", "new": "{}", "again": True},
}  # fmt: skip
ZIPPED: Final = (
    "descriptor",
    "name_twice",
    "name_twice_the_right_one_last",
    "comment",
    "bytes_before",
    "bytes_behind",
    "extra_field",
    "other_sizes_in_front",
    "cut",
)
OTHER_ROOT: Final = signer(f"{HUB}/root").verifier.to_text()


def bundle_vectors() -> Row:
    """Return what is done to the bundle, and whether it is still good."""
    root = _root(BUNDLE)
    under_2, under_3 = ({"bundle": path, "root": _root(path)} for path in (RULES_2, RULES_3))
    key: Row = {"file": f"{ASIDE}.key", "again": True}
    changed = {"file": f"{ASIDE}.event", "old": "uz:", "new": "kz:", "again": True}
    return {
        "about": f"The bundle is {BUNDLE}, or what a row has as bundle. newer: by rules that this version does not"
        " have, which is no fault. change: what is done to one of its files (`file` is gone without `new`, new"
        " without `old`, else the first `old` in it stands as `new`; `again`: SHA256SUMS and the digests and sizes in"
        " the manifest are made again; `folder`: all that is below it is gone; `swap`: two events, each with its proof,"
        " change their names); zip: what is done to its container. root: the key that the checker pins.",
        "bundle": BUNDLE,
        "good": [
            {"name": "as_it_is", "root": root},
            {"name": "entries_stored", "root": root, "zip": "stored"},
            {"name": "under_rules_2", **under_2},
            {"name": "kafka_key_of_another_under_rules_2", **under_2, "change": key | {"new": "uz:K-9"}},
            {"name": "kafka_key_missing_under_rules_2", **under_2, "change": key},
        ],
        "newer": [{"name": "under_rules_3", **under_3}],
        "bad": [
            {"name": "of_another_root", "root": OTHER_ROOT},
            {"name": "event_changed_under_rules_3", **under_3, "change": changed},
            *({"name": name, "bundle": path, "root": _root(path)} for name, path in WRONG.items()),
            *({"name": name, "root": root, "change": change} for name, change in CHANGED.items()),
            *({"name": f"zip_with_{kind}", "root": root, "zip": kind} for kind in ZIPPED),
        ],
    }


def bundle(path: str = BUNDLE) -> bytes:
    """Return a bundle."""
    return (TREE / path).read_bytes()


def _root(path: str) -> str:
    return str(json.loads(files_of(bundle(path))["manifest.json"])["root"])


def files_of(data: bytes) -> dict[str, bytes]:
    """Return the files of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def made(row: Mapping[str, Any], data: bytes) -> bytes:
    """Return the bundle that a row describes."""
    files = files_of(data)
    change = row.get("change")
    if change:
        _change(files, change)
    return _zipped(files, row.get("zip", ""))


def _change(files: dict[str, bytes], change: Mapping[str, Any]) -> None:
    path, old, new = change.get("file", ""), change.get("old"), change.get("new")
    if "folder" in change:
        for gone in [name for name in files if name.startswith(change["folder"])]:
            del files[gone]
    elif "swap" in change:
        one, other = change["swap"]
        for kind in (".event", ".tlog-proof"):
            files[one + kind], files[other + kind] = files[other + kind], files[one + kind]
    elif new is None:
        del files[path]
    else:
        files[path] = new.encode() if old is None else files[path].replace(old.encode(), new.encode(), 1)
    if not change.get("again"):
        return
    if "manifest.json" in files:
        said = json.loads(files["manifest.json"])
        known = said["files"]
        said["files"] = {
            name: {"bytes": len(data), "sha256": sha256(data).hexdigest(), "what": known.get(name, {}).get("what", "")}
            for name, data in sorted(files.items())
            if name not in {"manifest.json", "SHA256SUMS"}
        }
        files["manifest.json"] = (json.dumps(said, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    sums = "".join(
        f"{sha256(data).hexdigest()}  {name}\n" for name, data in sorted(files.items()) if name != "SHA256SUMS"
    )
    files["SHA256SUMS"] = sums.encode()


class _Stream(io.RawIOBase):
    """A file that can't go back: what is written to it has its sizes behind the entries."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def _zipped(files: Mapping[str, bytes], kind: str) -> bytes:
    out: Any = _Stream() if kind == "descriptor" else io.BytesIO()
    method = zipfile.ZIP_STORED if kind == "stored" else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w", method) as archive:
        for path in sorted(files):
            info = zipfile.ZipInfo(path, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = method, 3, 0o100644 << 16
            if kind == "extra_field" and path == "trust.note":
                info.extra = b"\x75\x70\x05\x00\x01\x00\x00\x00\x00"  # a name in Unicode, beside the one that it has
            archive.writestr(info, files[path])
        if kind == "comment":
            archive.comment = b"believe me"
    if kind == "descriptor":
        return bytes(out.data)
    data = bytes(out.getvalue())
    if kind.startswith("name_twice"):
        data = _twice(files, "trust.nott" if kind == "name_twice" else "trust.notd")
    elif kind == "bytes_before":
        data = b"\0" + data
    elif kind == "bytes_behind":
        data += b"\0"
    elif kind == "cut":
        data = data[:-1]
    elif kind == "other_sizes_in_front":
        data = data[:22] + bytes([data[22] ^ 1]) + data[23:]  # the size that the first entry's own header says
    return data


def _twice(files: Mapping[str, bytes], name: str) -> bytes:
    """Return a zip in which one name stands twice: written under two names of one length, then renamed."""
    data = _zipped({**files, name: b"another"}, "")
    return re.sub(re.escape(name.encode()), b"trust.note", data)
