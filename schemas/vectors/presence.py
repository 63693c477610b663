"""Vectors of what a center says of itself: presences and alarms."""

from __future__ import annotations

from hub.protocol.control import Presence
from hub.protocol.note import Signer, sign_note
from hub.protocol.witness import Alarm
from schemas.vectors.forms import Row, changed_notes, fault, file_of, row_of
from schemas.vectors.keys import (
    CENTER,
    LANE_KEY,
    ORIGIN,
    SEAL,
    WITNESS,
)
from schemas.vectors.records import START


def presence_vectors() -> Row:
    """Return presences, and what is none."""
    rows = [
        ("with_a_lane", Presence(CENTER, ORIGIN, START, 5, 2, "cohub 0.1.0")),
        ("before_the_first_lane", Presence(CENTER, "", START, 0, 0, "another connector 2")),
    ]
    text = rows[0][1].to_text()
    bad = {
        "version_unknown": ("presence/v1", "presence/v2"),
        "center_in_capitals": ("\nuz\n", "\nUZ\n"),
        "time_without_offset": (".250000Z", ".250000"),
        "size_negative": ("size 5", "size -5"),
        "backlog_signed": ("backlog 2", "backlog +2"),
        "size_beyond_63_bits": ("size 5", "size 9223372036854775808"),
        "backlog_with_zero_in_front": ("backlog 2", "backlog 02"),
        "time_with_three_decimals": (".250000Z", ".250Z"),
        "center_of_64_letters": ("\nuz\n", f"\n{'u' * 64}\n"),
        "center_that_ends_in_a_hyphen": ("\nuz\n", "\nuz-\n"),
        "lines_swapped": ("size 5\nbacklog 2", "backlog 2\nsize 5"),
        "line_too_many": ("0.1.0\n", "0.1.0\nmore\n"),
    }
    return file_of(
        "Presence: the value of a record with the header cohub-control: presence.",
        [
            {
                **row_of(name, sign_note(p.to_text(), [SEAL]).to_bytes(), [SEAL]),
                "content": {
                    "center": p.center,
                    "origin": p.origin or None,
                    "size": p.size,
                    "backlog": p.backlog,
                    "version": p.version,
                },
            }
            for name, p in rows
        ],
        [
            fault(
                "signed_under_the_lane's_origin", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by the key"
            ),
            *changed_notes(text, bad, SEAL),
        ],
    )


def alarm_vectors() -> Row:
    """Return alarms, and what is none."""
    reason = "checkpoint 4 does not follow from 3: its leaves lead to another root"
    rows = [
        ("raised", Alarm(CENTER, START, 3, reason)),
        ("taken_back", Alarm(CENTER, START, 7, "")),
        ("before_the_first_checkpoint", Alarm(CENTER, START, 0, "日志 не растёт")),
    ]
    text = rows[0][1].to_text()
    bad = {
        "version_unknown": ("alarm/v1", "alarm/v2"),
        "center_in_capitals": ("\nuz\n", "\nUZ\n"),
        "time_without_offset": (".250000Z", ".250000"),
        "size_with_a_zero_in_front": ("size 3", "size 03"),
        "reason_empty": (f"reason {reason}", "reason "),
        "size_beyond_63_bits": ("size 3", "size 9223372036854775808"),
        "lines_swapped": (f"size 3\nreason {reason}", f"reason {reason}\nsize 3"),
        "line_too_many": (f"{reason}\n", f"{reason}\nmore\n"),
    }
    return file_of(
        "Alarms: the value of a record with the header cohub-control: alarm. No reason (null) takes the alarm back.",
        [
            {
                **row_of(name, sign_note(a.to_text(), [SEAL]).to_bytes(), [SEAL]),
                "content": {"center": a.center, "size": a.size, "reason": a.reason or None},
            }
            for name, a in rows
        ],
        [
            fault(
                "signed_by_the_witness_key",
                sign_note(text, [Signer(WITNESS.name, WITNESS.seed)]).to_bytes(),
                [SEAL],
                "no line by the key",
            ),
            *changed_notes(text, bad, SEAL),
        ],
    )
