"""Where things stand in an evidence bundle: the paths in its zip.

README.en.txt README.ru.txt README.zh.txt     what this is, how it is checked, what a finding means
summary.html                                  the same evidence for people to read
manifest.json                                 what is there and what is claimed
SHA256SUMS                                    every other file's SHA-256, for `sha256sum -c`
trust.note                                    HQ's keys, signed by its root key
schemas/<stream>/<event>.avsc                 the definitions that the events were written under
lanes/<number>-<center>-<epoch>/              a lane; the number is its place among HQ's lanes
  <first>-<last>/                             what one receipt covers
    receipt.note  seal.note                   HQ's word and the center's
    receipt.tlog-proof                        that HQ's log has the receipt (C2SP tlog-proof)
    events/<sequence>.event                   canonical bytes, exactly as they were sealed
    events/<sequence>.tlog-proof              that the sealed lane has the event (C2SP tlog-proof)
    events/<sequence>.key                     the Kafka key where it is not the subject; nobody's seal covers it
log/checkpoint.note  log/cosignatures-<n>.note     HQ's log, signed by HQ and by the witnesses
state/before/<name>.json  state/after/<name>.json  entities, RFC 8785 JSON: a file's SHA-256 is the digest
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

FORMAT: Final = "cohub-evidence/v1"
LATER_FORMAT: Final = re.compile(r"cohub-evidence/v([2-9]|[1-9][0-9]{1,3})")
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SUMMARY: Final = "summary.html"
TRUST: Final = "trust.note"
CHECKPOINT: Final = "log/checkpoint.note"
READMES: Final = {"en": "README.en.txt", "ru": "README.ru.txt", "zh": "README.zh.txt"}
DERIVED: Final = frozenset({MANIFEST, SUMS, SUMMARY, *READMES.values()})  # what can be made again from the rest

LANE: Final = re.compile(
    r"lanes/(?P<number>[0-9]{6})-(?P<center>[a-z0-9-]{1,63})-(?P<epoch>[0-9a-f]{8})"
    r"/(?P<first>[0-9]{12})-(?P<last>[0-9]{12})/"
    r"(?:(?P<part>receipt\.note|seal\.note|receipt\.tlog-proof)"
    r"|events/(?P<sequence>[0-9]{12})\.(?P<kind>event|tlog-proof|key))"
)
COSIGNATURES: Final = re.compile(r"log/cosignatures-(?:[2-9]|[1-9][0-9])\.note")
SCHEMA: Final = re.compile(r"schemas/(?P<path>[a-z0-9_]{1,40}/[a-z0-9_.]{1,80}\.avsc)")
STATE: Final = re.compile(r"state/(?P<when>before|after)/(?P<name>[a-zA-Z0-9._-]{1,160})\.json")

# Which files a bundle is expected to have; a name never says what a file proves.
WHAT: Final = (
    (re.compile(r".*receipt\.note"), "receipt"),
    (re.compile(r".*seal\.note"), "seal"),
    (re.compile(r".*/receipt\.tlog-proof"), "log proof of a receipt"),
    (re.compile(r".*\.event"), "event"),
    (re.compile(r".*\.tlog-proof"), "lane proof of an event"),
    (re.compile(r".*\.key"), "Kafka key"),
    (re.compile(r"schemas/.*"), "schema"),
    (re.compile(r"state/before/.*"), "entity before"),
    (re.compile(r"state/after/.*"), "entity after"),
    (re.compile(r"trust\.note"), "HQ's keys"),
    (re.compile(r"log/.*"), "checkpoint of HQ's log"),
    (re.compile(r"README.*|summary\.html"), "for readers"),
)


def range_folder(number: int, center: str, epoch: str, first: int, last: int) -> str:
    """Return the folder of what one receipt covers, with its last slash."""
    return f"lanes/{number:06d}-{center}-{epoch}/{first:012d}-{last:012d}/"


def event_path(folder: str, sequence: int, kind: str = "event") -> str:
    """Return the path of an event's file below its receipt's folder."""
    return f"{folder}events/{sequence:012d}.{kind}"


def state_path(when: str, stream: str, entity_id: str) -> str:
    """Return the path of an entity's document: its id as far as a file's name can say it, and a digest of the id."""
    readable = re.sub(r"[^a-zA-Z0-9-]+", "_", entity_id)[:60].strip("_") or "_"
    return f"state/{when}/{stream}.{readable}.{sha256(entity_id.encode()).hexdigest()[:12]}.json"


def cosignatures_path(number: int) -> str:
    """Return the path of the `number`th note with witnesses' lines; the first is the checkpoint itself."""
    return CHECKPOINT if number == 1 else f"log/cosignatures-{number}.note"


def is_known(path: str) -> bool:
    """Return whether a bundle may have a file of that path."""
    return (
        path in DERIVED
        or path in (TRUST, CHECKPOINT)
        or any(pattern.fullmatch(path) for pattern in (LANE, COSIGNATURES, SCHEMA, STATE))
    )


def what(path: str) -> str:
    """Return in a few words what a file is."""
    return next((word for pattern, word in WHAT if pattern.fullmatch(path)), "")


def digests(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 of every file but the list itself, in hex."""
    return {path: sha256(data).hexdigest() for path, data in files.items() if path != SUMS}


def sums(digests: dict[str, str]) -> bytes:
    """Return the text of SHA256SUMS."""
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()
