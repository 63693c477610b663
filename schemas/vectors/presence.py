"""Vectors of what a center says of itself, presences and alarms, and of what HQ says of it: status notes."""

from __future__ import annotations

from datetime import timedelta

from hub.protocol.control import More, Presence
from hub.protocol.forms import PRESENCE_V2, STATUS_V1, announce
from hub.protocol.note import Signer, sign_note
from hub.protocol.status import State, StatusNote
from hub.protocol.witness import Alarm
from schemas.vectors.forms import Row, changed_notes, fault, file_of, row_of
from schemas.vectors.keys import (
    CENTER,
    HUB,
    LANE_KEY,
    ORIGIN,
    RECEIPTS,
    ROOT,
    SEAL,
    WITNESS,
)
from schemas.vectors.records import START


def presence_vectors() -> Row:
    """Return presences of both forms, and what is none."""
    again = announce("cohub 0.3.0", (STATUS_V1,))
    more = More(7261, 3, "", (STATUS_V1,))
    rows = [
        ("with_a_lane", Presence(CENTER, ORIGIN, START, 5, 2, "cohub 0.1.0")),
        ("before_the_first_lane", Presence(CENTER, "", START, 0, 0, "another connector 2")),
        ("announces_what_it_reads", Presence(CENTER, ORIGIN, START, 5, 2, again)),
        ("names_forms_in_another_place", Presence(CENTER, ORIGIN, START, 5, 2, "cohub (reads status/v1) 0.3.0")),
        ("announces_no_form", Presence(CENTER, ORIGIN, START, 5, 2, "cohub 0.3.0 (reads nothing)")),
        ("v2_while_it_runs", Presence(CENTER, ORIGIN, START, 5, 2, "cohub 0.3.0", more)),
        (
            "v2_last_word",
            Presence(CENTER, ORIGIN, START, 5, 0, "cohub 0.3.0", More(None, 0, "диск заполнен", more.reads)),
        ),
        ("v2_before_the_first_lane", Presence(CENTER, "", START, 0, 0, "другой 2", More(None, 0))),
        (
            "v2_of_a_later_reader",
            Presence(CENTER, ORIGIN, START, 5, 2, "c 9", More(0, 0, "", (STATUS_V1, "status/v12"))),
        ),
    ]
    text, text_v2 = rows[0][1].to_text(), rows[5][1].to_text()
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
    bad_v2 = {
        "v2_under_the_first_form's_name": ("presence/v2", "presence/v1"),
        "v2_of_another_center's_lane": (f"origin {ORIGIN}", "origin hub.example/kz/0a1b2c3d"),
        "v2_oldest_in_another_unit": ("oldest 7261", "oldest 2h"),
        "v2_oldest_with_a_fraction": ("oldest 7261", "oldest 7261.5"),
        "v2_oldest_negative": ("oldest 7261", "oldest -1"),
        "v2_refused_missing": ("refused 3\n", ""),
        "v2_refused_unknown": ("refused 3", "refused -"),
        "v2_ended_empty": ("ended -", "ended "),
        "v2_ended_longer_than_200_bytes": ("ended -", "ended " + "я" * 101),
        "v2_ended_in_two_lines": ("ended -", "ended disk\u2028full"),
        "v2_version_longer_than_100": ("version cohub 0.3.0", "version " + "v" * 101),
        "v2_version_empty": ("version cohub 0.3.0", "version "),
        "v2_reads_missing": ("reads status/v1\n", ""),
        "v2_reads_empty": ("reads status/v1", "reads "),
        "v2_reads_with_commas": ("reads status/v1", "reads status/v1,presence/v2"),
        "v2_reads_one_twice": ("reads status/v1", "reads status/v1 status/v1"),
        "v2_reads_version_zero": ("reads status/v1", "reads status/v0"),
        "v2_reads_seventeen": ("reads status/v1", "reads " + " ".join(f"status/v{n}" for n in range(1, 18))),
        "v2_lines_swapped": ("oldest 7261\nrefused 3", "refused 3\noldest 7261"),
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
                    **_said_more(p),
                },
            }
            for name, p in rows
        ],
        [
            fault(
                "signed_under_the_lane's_origin", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by the key"
            ),
            *changed_notes(text, bad, SEAL),
            *changed_notes(text_v2, bad_v2, SEAL),
        ],
    )


def _said_more(presence: Presence) -> Row:
    """Return what a presence says beside the first form's lines, where it says anything."""
    more = presence.more
    if more is None:
        return {"reads": list(presence.reads)} if presence.reads else {}
    return {
        "oldest": more.oldest_s,
        "refused": more.refused,
        "ended": more.ended or None,
        "reads": list(presence.reads),
    }


def status_vectors() -> Row:
    """Return status notes, and what a connector does not take for one."""
    since, hq_lane = START - timedelta(hours=2), f"{HUB}/hq/00c0ffee"
    reads, why = (PRESENCE_V2,), "UNKNOWN_KEY 1f2e3d4c 0a1b2c3d"
    rows = [
        ("reads", StatusNote(HUB, CENTER, START, ORIGIN, 5, State.READS, since, "", 17, hq_lane, 1, reads)),
        ("no_lane_yet", StatusNote(HUB, CENTER, START, "", 0, State.READS, START, "", 17, hq_lane, 1)),
        ("waits", StatusNote(HUB, CENTER, START, ORIGIN, 5, State.WAITS, since, why, 17, hq_lane, 2, reads)),
        (
            "parked",
            StatusNote(HUB, CENTER, START, ORIGIN, 5, State.PARKED, since, "GAP 0a1b2c3d 6 8", 17, hq_lane, 2, reads),
        ),
        (
            "forked",
            StatusNote(HUB, CENTER, START, ORIGIN, 5, State.FORKED, since, "FORK 0a1b2c3d 5", 17, hq_lane, 2, reads),
        ),
        (
            "suspended",
            StatusNote(
                HUB, CENTER, START, ORIGIN, 5, State.SUSPENDED, since, "SUSPENDED 等待年审", 17, hq_lane, 2, reads
            ),
        ),
        ("closed", StatusNote(HUB, CENTER, START, "", 0, State.CLOSED, since, "CLOSED", 18, hq_lane, 2, reads)),
        (
            "fault_cut_to_200_bytes",
            StatusNote(
                HUB, CENTER, START, ORIGIN, 5, State.PARKED, since, "ENGINE_FAULT " + "я" * 200, 17, hq_lane, 2, reads
            ),
        ),
        (
            "remark",
            StatusNote(
                HUB, CENTER, START, ORIGIN, 5, State.READS, since, "REPEATED_ID 3 0a1b2c3d 4", 17, hq_lane, 2, reads
            ),
        ),
        (
            "cause_of_a_later_hq",
            StatusNote(HUB, CENTER, START, ORIGIN, 5, State.WAITS, since, "MOON_TOO_HIGH 7 x", 17, hq_lane, 9, reads),
        ),
        (
            "by_a_later_hq",
            StatusNote(HUB, CENTER, START, ORIGIN, 5, State.READS, since, "", 17, hq_lane, 9, (*reads, "presence/v3")),
        ),
    ]
    text = rows[2][1].to_text()
    bad = {
        "version_unknown": ("status/v1", "status/v2"),
        "center_in_capitals": ("\nuz\n", "\nUZ\n"),
        "hub_missing": ("hub.example\nuz\n", "uz\n"),
        "time_in_another_form": (".250000Z\nlane", ".25Z\nlane"),
        "time_missing": ("time 2026-03-01T12:00:00.250000Z\n", ""),
        "lane_of_another_center": (f"lane {ORIGIN}", "lane hub.example/kz/0a1b2c3d"),
        "lane_of_another_hub": (f"lane {ORIGIN}", "lane hub.other/uz/0a1b2c3d"),
        "lane_missing_and_a_size": (f"lane {ORIGIN}", "lane -"),
        "lane_empty": (f"lane {ORIGIN}\nsize 5", "lane \nsize 0"),
        "size_with_a_zero_in_front": ("size 5", "size 05"),
        "size_beyond_63_bits": ("size 5", "size 9223372036854775808"),
        "state_unknown": ("state waits", "state sleeps"),
        "state_in_capitals": ("state waits", "state Waits"),
        "since_without_offset": ("10:00:00.250000Z", "10:00:00.250000"),
        "why_empty": (f"why {why}", "why "),
        "why_longer_than_200_bytes": (f"why {why}", "why " + "w" * 201),
        "why_longer_in_bytes_than_in_letters": (why, "FORK " + "я" * 100),
        "why_with_two_spaces": (why, why.replace(" ", "  ", 1)),
        "why_that_turns_the_direction": (why, f"{why} \u202egood"),
        "why_in_free_words": (why, "no key that HQ knows has signed"),
        "why_in_small_letters": (why, why.lower()),
        "why_of_a_code_with_a_digit": (why, "KEY2 0a1b2c3d"),
        "why_of_41_letters": (why, "K" * 41),
        "basis_without_a_lane": (f"basis 17 {hq_lane}", "basis 17"),
        "basis_of_a_center's_lane": (f"basis 17 {hq_lane}", f"basis 17 {ORIGIN}"),
        "basis_negative": ("basis 17", "basis -17"),
        "rules_zero": ("rules 2", "rules 0"),
        "rules_missing": ("rules 2\n", ""),
        "reads_unknown_form": ("reads presence/v2", "reads presence-v2"),
        "lines_swapped": ("rules 2\nreads presence/v2", "reads presence/v2\nrules 2"),
        "line_too_many": ("presence/v2\n", "presence/v2\nmore\n"),
    }
    return file_of(
        "Status notes: HQ's word on out.<center> of how it stands with that center. No cause or lane is null.",
        [
            {
                **row_of(name, sign_note(s.to_text(), [RECEIPTS]).to_bytes(), [RECEIPTS]),
                "content": {
                    "hub": s.hub,
                    "center": s.center,
                    "lane": s.lane or None,
                    "size": s.size,
                    "state": str(s.state),
                    "why": StatusNote.from_text(s.to_text()).why or None,
                    "code": s.why.partition(" ")[0] or None,
                    "basis": s.basis,
                    "hq_lane": s.hq_lane,
                    "rules": s.rules,
                    "reads": list(s.reads),
                },
            }
            for name, s in rows
        ],
        [
            fault("signed_by_the_root_key", sign_note(text, [ROOT]).to_bytes(), [RECEIPTS], "no line by the key"),
            *changed_notes(text, bad, RECEIPTS),
            *changed_notes(rows[1][1].to_text(), {"of_hq": ("\nuz\n", "\nhq\n")}, RECEIPTS),
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
