"""`python -m schemas.vectors.make`: write the vectors. The same bytes every time; a test compares them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from schemas.vectors.bundles import bundle_vectors
from schemas.vectors.clocks import clock_vectors
from schemas.vectors.controls import control_vectors
from schemas.vectors.events import event_vectors
from schemas.vectors.hq_lane import hq_lane_vectors
from schemas.vectors.joining import (
    SEALED,
    fingerprint_vectors,
    invitation_vectors,
    join_vectors,
    joined_vectors,
    sealed_text,
)
from schemas.vectors.judged import judged_vectors
from schemas.vectors.keys import key_vectors
from schemas.vectors.lanes import lane_vectors
from schemas.vectors.logs import (
    KEPT,
    consistency_vectors,
    cosignature_vectors,
    kept_text,
    proof_vectors,
    tile_vectors,
)
from schemas.vectors.notes import note_vectors, receipt_vectors, resend_vectors, seal_vectors
from schemas.vectors.presence import alarm_vectors, presence_vectors, status_vectors
from schemas.vectors.records import record_vectors
from schemas.vectors.sealed import sealed_vectors
from schemas.vectors.sessions import request_vectors, session_vectors
from schemas.vectors.standing import standing_vectors
from schemas.vectors.states import state_vectors
from schemas.vectors.topics import topic_vectors
from schemas.vectors.trees import tree_vectors
from schemas.vectors.trust import enrolment_vectors, trust_vectors
from schemas.vectors.values import framing_vectors
from schemas.vectors.witness import witness_vectors

HERE: Final = Path(__file__).parent
FILES: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "alarms": alarm_vectors,
    "bundles": bundle_vectors,
    "clocks": clock_vectors,
    "consistency": consistency_vectors,
    "controls": control_vectors,
    "cosignatures": cosignature_vectors,
    "enrolments": enrolment_vectors,
    "events": event_vectors,
    "fingerprints": fingerprint_vectors,
    "framing": framing_vectors,
    "hq_lane": hq_lane_vectors,
    "invitations": invitation_vectors,
    "joined": joined_vectors,
    "joins": join_vectors,
    "judged": judged_vectors,
    "keys": key_vectors,
    "lanes": lane_vectors,
    "notes": note_vectors,
    "presence": presence_vectors,
    "proofs": proof_vectors,
    "receipts": receipt_vectors,
    "records": record_vectors,
    "requests": request_vectors,
    "resends": resend_vectors,
    "sealed": sealed_vectors,
    "seals": seal_vectors,
    "sessions": session_vectors,
    "standing": standing_vectors,
    "states": state_vectors,
    "statuses": status_vectors,
    "tiles": tile_vectors,
    "topics": topic_vectors,
    "trees": tree_vectors,
    "trust": trust_vectors,
    "witness": witness_vectors,
}


def text_of(name: str) -> str:
    """Return the text of one file of vectors."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every file of vectors beside this module."""
    for name in FILES:
        (HERE / f"{name}.json").write_text(text_of(name), encoding="utf-8", newline="\n")
    KEPT.write_text(kept_text(), encoding="utf-8", newline="\n")
    SEALED.write_text(sealed_text(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
