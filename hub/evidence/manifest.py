"""The table of contents of a bundle: made from what is in it, so a checker makes it again and compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

import orjson

from hub.domain.catalogue import KINDS
from hub.domain.stream import HQ
from hub.evidence import layout
from hub.evidence.case import Case
from hub.evidence.subject import EntityKey, Subject, Why, related
from hub.protocol.errors import Malformed, Newer
from hub.protocol.moment import write_time

# What holds if every check holds, and what nobody's signature says; README and summary tell the same in their words.
# These sentences are part of the format: under v1 they are never worded anew, or bundles made before would differ.
PROVED: Final = (
    "every event was sealed by a key of its center that was good when HQ recorded it",
    "HQ recorded and decided every event as the receipts say, at the time that they say",
    "every receipt for which there is a proof is in HQ's log, which HQ and the witnesses named have signed",
    "the verdicts follow from the rules, and the state after from the accepted events",
    "HQ's own lane is whole up to the size given: no key, revocation, schema or code list is left out of it",
)
PROVED_OF_RANGE: Final = "between the two ends given, nothing that HQ recorded in the lanes given is left out"
CLAIMED: Final = (
    "that an entity has no further events than those given: other events of its lanes stand here as hashes alone",
    "when something happened (ce_time) is the center's word; when it was recorded is HQ's",
    "that HQ's own lane has nothing newer than the size given, which may change whose word counts as a witness's",
    "that what a record says is true outside this network is the word of the center that sealed it",
)
# By what a file is; what stands here under nobody's name is nobody's word, and no verdict depends on it.
VOUCHED_FOR: Final = {
    "event": "its center's seal, and HQ's receipt",
    "receipt": "HQ's key for receipts",
    "seal": "its center's key",
    "HQ's keys": "HQ's root key",
    "checkpoint of HQ's log": "HQ's two keys for its log, and the witnesses that cosigned",
    "log proof of a receipt": "the checkpoint of HQ's log",
    "lane proof of an event": "the seal of its lane",
    "schema": "HQ's own lane, which announced it, or the release that made this bundle",
    "entity before": "the events that made it, where they are here; else HQ's word",
    "entity after": "it follows from the events",
    "Kafka key": "nobody: it is a remark of HQ's",
    "for readers": "nobody: it follows from the evidence",
}
CLAIMED_OF_RANGE: Final = (
    "the version number of an entity before the range, and that an entity without a document did not exist",
    "that the center has no further lanes with events in the range",
)


def manifest(case: Case) -> bytes:
    """Return the manifest of a bundle: JSON with sorted keys, for every file but itself and SHA256SUMS.

    Shapes: case has been through all checks; its files have README and summary.
    """
    why, absent = reasons(case)
    events: dict[EntityKey, list[dict[str, Any]]] = {}
    for lane, _, held in case.story():
        events.setdefault(held.entity, []).append({"lane": case.origin(lane), "sequence": held.sequence})
    of_range = case.subject.kind == "center"
    said: dict[str, Any] = {
        "format": layout.FORMAT,
        "hub": case.hub,
        "root": case.trust.root.to_text() if case.trust else "",
        "subject": case.subject.to_dict(),
        "included": [
            {
                "stream": key[0],
                "id": key[1],
                "why": why[key].to_dict() if key in why else None,
                "events": events[key],
                "before": _digest(case.states_before, key),
                "after": _digest(case.states, key),
            }
            for key in sorted(events)
        ],
        "named_but_unknown_to_hq": [list(key) for key in sorted(absent)],
        "lanes": [
            {
                "origin": case.origin(lane),
                "center": lane.center,
                "receipts": len(lane.spans),
                "events": sum(len(span.events) for span in lane.spans),
                "whole_to": lane.spans[-1].last if lane.center == HQ else None,
            }
            for lane in case.lanes
        ],
        "keys": list(keys(case)),
        "log": _log(case),
        "proved": [*PROVED, *([PROVED_OF_RANGE] if of_range else [])],
        "claimed": [*CLAIMED[1 if of_range else 0 :], *(CLAIMED_OF_RANGE if of_range else ())],
        "files": {
            path: {"sha256": sha256(data).hexdigest(), "bytes": len(data), "what": layout.what(path)}
            for path, data in sorted(case.files.items())
            if path not in (layout.MANIFEST, layout.SUMS)
        },
    }
    if case.registry.rules > 1:  # before, a manifest said nothing of it, and is compared byte for byte
        said |= {"rules": case.registry.rules, "vouched_for": VOUCHED_FOR}
    return orjson.dumps(said, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)


def read_subject(data: bytes) -> Subject:
    """Return what a manifest says that the bundle is about. Errors: Malformed; Newer for a later release's format."""
    try:
        said = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        raise Malformed(f"manifest: not JSON: {exc}") from exc
    if not isinstance(said, dict) or said.get("format") != layout.FORMAT:
        found = said.get("format") if isinstance(said, dict) else type(said).__name__
        if isinstance(found, str) and layout.LATER_FORMAT.fullmatch(found):
            raise Newer(f"the bundle has the format {found}, and this release reads {layout.FORMAT}")
        raise Malformed(f"manifest: expected the format {layout.FORMAT}, came {str(found)[:60]!r}")
    return Subject.from_dict(said.get("subject"))


def root_hint(data: bytes) -> str:
    """Return the root key that a manifest names, '' where it names none. It is to be compared, not believed."""
    try:
        said = orjson.loads(data)
    except (orjson.JSONDecodeError, RecursionError):
        return ""
    return str(said.get("root", ""))[:400] if isinstance(said, dict) else ""


def differing(found: bytes, expected: bytes) -> str:
    """Return which parts of two manifests differ, in words."""
    try:
        left, right = orjson.loads(found), orjson.loads(expected)
    except (orjson.JSONDecodeError, RecursionError) as exc:
        return f"not JSON: {exc}"
    if not isinstance(left, dict):
        return "not a JSON object"
    parts = sorted(name for name in left.keys() | right.keys() if left.get(name) != right.get(name))
    return f"differs in {', '.join(parts)}" if parts else "is not in the one form that a manifest has"


def reasons(case: Case) -> tuple[dict[EntityKey, Why], set[EntityKey]]:
    """Return why each entity with events is here, and which are named while HQ has nothing of them."""
    records: dict[EntityKey, list[Mapping[str, Any]]] = {}
    for _, _, held in case.story():
        found = records.setdefault(held.entity, [])
        if held.after is not None and KINDS[held.text("ce_type")].carries_record:
            found.append(held.after.entity.record)
    return related(case.subject, records)


def keys(case: Case) -> Iterator[dict[str, Any]]:
    """Yield every key with its history: HQ's from the trust note, the centers' from the hq lane."""
    if case.trust is not None:
        for purpose, found in (("root", (case.trust.root,)), *case.trust.keys().items()):
            for key in found:
                retired = case.trust.retired_at(key)
                yield {
                    "owner": HQ if purpose != "witness" else "",
                    "purpose": purpose,
                    "vkey": key.to_text(),
                    "retired_at": write_time(retired) if retired else None,
                }
    yield from _centers_keys(case)


def _centers_keys(case: Case) -> Iterator[dict[str, Any]]:
    """Read the hq lane's events for when each key of a center was added, and when it was revoked and why."""
    history: dict[tuple[str, str], dict[str, Any]] = {}
    lane = case.hq_lane
    for span, held in lane.held() if lane else ():
        if held.entity[0] != "center" or held.after is None or span.receipt is None:
            continue
        center = held.after.entity.id.partition(":")[2]
        place = {"sequence": held.sequence, "recorded_at": write_time(span.receipt.recorded_at)}
        for key in held.after.entity.record["keys"]:
            known = history.setdefault(
                (center, key["vkey"]),
                {
                    "owner": center,
                    "purpose": key["purpose"],
                    "vkey": key["vkey"],
                    "added": place,
                    "revoked": None,
                    "reason": None,
                    "replaced_lost": key["replaced_lost"],
                },
            )
            if key["status"] == "revoked" and known["revoked"] is None:
                known |= {"revoked": place, "reason": key["status_reason"]}
    yield from history.values()


def _digest(states: Mapping[EntityKey, Any], key: EntityKey) -> str | None:
    return states[key].digest.hex() if key in states else None


def _log(case: Case) -> dict[str, Any] | None:
    log = case.log
    if log is None or log.checkpoint is None:
        return None
    return {
        "origin": log.checkpoint.origin,
        "size": log.checkpoint.size,
        "root": log.checkpoint.root.hex(),
        "signed_at": write_time(log.signed_at) if log.signed_at else None,
        "cosigned_by": {center: write_time(at) for center, at in sorted(log.cosigned.items())},
        "cosigned_by_others": {name: write_time(at) for name, at in sorted(log.others.items())},
        "active_centers": list(log.active),
        "believed": log.is_believed,
        "receipts_not_in_it": sum(not span.is_logged for _, span in case.spans()),
    }
