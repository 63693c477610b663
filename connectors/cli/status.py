"""`connector status`: what became of every row, how far the lane is, and whether all of it is true still."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from connectors.cli.office import Json, OfficeFolder, OpenedOffice
from connectors.cli.service import find_service
from connectors.cli.speaker import Speaker
from connectors.cli.witness import witness_text
from hub.base.output import as_json, line, table

if TYPE_CHECKING:
    from connectors.runtime.needs import Need
    from connectors.runtime.outbox.rows import FileSummary
    from schemas.words.said import Said

_STATES = ("rows", "accepted", "refused", "rejected", "unchanged", "blank", "pending")
_COUNTS = (*_STATES, "vanished")
_ALWAYS = ("rows", "accepted")  # of the other columns only those that say something


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(office: OfficeFolder = Path(), json: Json = False) -> None:
    """Show what became of every row, how far the lane is, and what needs a person. Works beside a running connector.

    Exit status 1 if something needs a person: the connector ended by itself, an alarm, a file that is not taken, rows
    to be mended, a mapping that can't be used, sheets whose folder can't be listed, HQ silent for a quarter of an hour,
    the link down for an hour.

    Examples:

      connector status

      connector status --json
    """
    from connectors.runtime.life import look
    from connectors.runtime.needs import find_needs
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.outbox.database import OutboxBroken
    from schemas.words.said import Said

    opened = OpenedOffice.open(office)
    vital = look(opened.path, opened.outbox)
    why = None if vital.life is None or vital.life.ended is None else vital.life.ended.why
    try:
        with Outbox(opened.existing_outbox(), read_only=True) as outbox:
            found = outbox.status(opened.settings.language)
    except OutboxBroken:
        _show_connector(vital.plain(), opened.speaker, why)
        raise
    state, service, _ = find_service(opened)
    kept = {"state": state, "said": str(service)}
    head = {"hub": opened.settings.hub, "center": opened.settings.center, "connector": vital.plain(), "service": kept}
    found = {**head, **found}
    needs = [*find_needs(found, datetime.now(UTC), _bad_mappings(opened)), *_folder_need(opened)]
    for name, entry in found["files"].items():
        entry["message"] = tell_file(name, entry, opened.speaker)
    if json:
        found["link"].pop("why")
        because = found["link"]["because"]
        found["link"]["because"] = None if because is None else Said.from_json(because).text()
        as_json({**found, "needs": [need.plain() for need in needs]})
    else:
        _show(found, needs, opened.speaker, why, service)
    if needs:
        raise typer.Exit(1)


def _bad_mappings(office: OpenedOffice) -> dict[str, Said]:
    """Return what is wrong with mappings as they are now; of their folder, where that is what can't be read."""
    from connectors.runtime.told import told_of
    from hub.protocol.errors import UsageError

    try:
        return office.bad_mappings()
    except UsageError as exc:
        return {"": told_of(exc)}


def _folder_need(office: OpenedOffice) -> list[Need]:
    """Return what keeps all sheets from being read: their folder can't be listed now."""
    from connectors.runtime.needs import Need
    from connectors.runtime.told import told_of
    from hub.protocol.errors import UsageError

    try:
        office.sheets()
    except UsageError as exc:
        return [Need("folder", told_of(exc))]
    return []


def tell_file(name: str, entry: dict[str, Any], speaker: Speaker) -> str:
    """Return what is the matter with a file, and what to do, from its entry in the status; "" if all is well."""
    from connectors.runtime.aside import copy_reason
    from connectors.runtime.notice import in_words
    from connectors.runtime.outbox.rows import FileState, FileSummary, Reason

    said = []
    reasons = [(entry["state"], Reason(entry["message"], entry["code"], entry["params"]))] if entry["message"] else []
    if entry["copy_of"] is not None:
        reasons.append((FileState.TAKEN, copy_reason(entry["copy_of"])))
    for state, reason in reasons:
        if state == FileState.WAITING:
            said.append(_waiting(FileSummary(name, state, reason, {}), speaker))
        elif state == FileState.LOCKED and speaker.language != "en":
            said.append(speaker.say("status.why_locked"))
        else:
            said.append(speaker.text(in_words(state, reason, speaker.language) or reason.message))
    return "; ".join(said)


def _show(found: dict[str, Any], needs: list[Need], speaker: Speaker, why: Said | None, service: Said) -> None:
    from connectors.runtime.explanation import message
    from schemas.words import words

    speaker.tell("status.center", center=found["center"], hub=found["hub"])
    _show_connector(found["connector"], speaker, why)
    speaker.tell("status.service", text=speaker.text(service))
    _show_link(found["link"], found["connector"]["state"] == "running", speaker)
    _show_way(found["link"], speaker)
    _show_hq(found, speaker)
    lane = found["lane"]
    origin = lane["origin"] or speaker.say("status.no_lane")
    speaker.tell("status.lane", lane=origin, sealed=lane["sealed"], receipted=lane["receipted"])
    _show_answers(found, speaker)
    line(witness_text(found["witness"], speaker))
    _show_files(found, speaker)
    for name, entry in found["files"].items():
        if entry["message"]:
            speaker.tell("status.file", file=name, text=entry["message"])
        for code, count in entry["codes"].items():
            speaker.tell("status.file", file=name, text=f"{count} {code}: {message(code, speaker.language)}")
    if found["totals"]["orphans"]:
        line(speaker.text(words("orphans").say("in_status", speaker.language, count=found["totals"]["orphans"])))
    for text in found["alarms"].values():
        speaker.tell("status.alarm", text=speaker.text(text))
    for need in needs:
        if need.code != "hq" and not need.code.startswith("alarm."):  # both are shown above
            speaker.tell("status.need", text=speaker.text(need.text))


def _show_connector(vital: dict[str, Any], speaker: Speaker, why: Said | None) -> None:
    state = vital["state"]
    if state == "running":
        speaker.tell("status.running", process=vital["process"] or "?", since=speaker.moment(vital["started_at"]))
    elif state == "stopped":
        speaker.tell("status.stopped", at=speaker.moment(vital["ended_at"]))
    elif state == "ended":
        speaker.tell("status.ended", at=speaker.moment(vital["ended_at"]), why=speaker.text(why or ""))
    elif state == "killed":
        speaker.tell("status.killed", at=speaker.moment(vital["last_true"]))
    else:
        speaker.tell("status.never_ran")


def _show_link(link: dict[str, Any], runs: bool, speaker: Speaker) -> None:
    from connectors.runtime.needs import is_known
    from schemas.words.said import Said

    since, at = speaker.moment(link["since"]), speaker.moment(link["last_true"])
    reason = speaker.text(Said.from_json(link["why"])) if link["why"] else str(link["reason"])
    if link["state"] == "never":
        speaker.tell("status.link_never")
    elif not runs or not is_known(link, datetime.now(UTC)):
        was = speaker.say(f"status.link_was_{link['state']}", reason=reason)
        speaker.tell("status.link_unknown", was=was, at=at)
    elif link["state"] == "up":
        speaker.tell("status.link_up", since=since, at=at)
    else:
        speaker.tell("status.link_down", since=since, at=at, reason=reason)


def _show_way(link: dict[str, Any], speaker: Speaker) -> None:
    """Show by which way in HQ is reached, where that is not Kafka, and why it is not."""
    from connectors.runtime.settings import Way
    from schemas.words.said import Said

    if link["way"] == Way.KAFKA:
        return
    if link["because"] is None:
        speaker.tell("status.way", way="HTTPS")
    else:
        speaker.tell("status.way_because", way="HTTPS", why=speaker.text(Said.from_json(link["because"])))


def _show_hq(found: dict[str, Any], speaker: Speaker) -> None:
    """Show how HQ says that it stands with us, and what on its topic was none of its words to us, or no news."""
    from connectors.runtime.hq_words import plain_said, plain_todo
    from connectors.runtime.standing import Passed
    from schemas.words.said import said

    hq = found["hq"]
    speaker.tell("status.hq", text=speaker.text(said("hq.never") if hq is None else plain_said(hq)))
    if hq is not None and (todo := plain_todo(hq)) is not None:
        speaker.tell("status.hq_todo", text=speaker.text(todo))
    if found["passed_over"]:
        passed = sorted(found["passed_over"].items())
        counts = "; ".join(speaker.say(f"status.passed_{Passed(reason)}", count=count) for reason, count in passed)
        speaker.tell("status.passed_over", counts=counts)


def _show_answers(found: dict[str, Any], speaker: Speaker) -> None:
    from hub.protocol.moment import read_time

    lane, backlog = found["lane"], found["totals"]["backlog"]
    last, receipt = lane["last_receipt_recorded_at"], speaker.say("status.no_receipt")
    if last is not None:
        receipt = speaker.say("status.last_receipt", last=speaker.moment(last))
    if backlog and lane["waits_since"]:
        speaker.tell("status.waits", count=backlog, since=speaker.moment(lane["waits_since"]), receipt=receipt)
    else:
        speaker.tell("status.nothing_waits", receipt=receipt)
    pending = found["totals"]["pending"]
    if pending and not backlog:
        due = lane["settles_at"] if found["connector"]["state"] == "running" else None
        left = 0 if due is None else round((read_time(due) - datetime.now(UTC)).total_seconds())
        if left > 0:
            speaker.tell("status.settling", count=pending, seconds=left)
        else:
            speaker.tell("status.not_read", count=pending)


def _show_files(found: dict[str, Any], speaker: Speaker) -> None:
    files, totals = found["files"], found["totals"]
    if not files:
        speaker.tell("status.no_files")
        return
    counted = {name: any(entry[name] for entry in files.values()) for name in _COUNTS}
    shown = [name for name in _COUNTS if counted[name] or name in _ALWAYS]
    titles = [speaker.say(f"status.column_{name}") for name in shown]
    rows = [
        [name, *(entry[state] for state in shown), speaker.say(f"status.file_{entry['state']}")]
        for name, entry in files.items()
    ]
    if len(rows) > 1:
        rows.append([speaker.say("status.all"), *(totals.get(state, "") for state in shown), ""])
    table("", [speaker.say("status.column_file"), *titles, speaker.say("status.column_state")], rows, right=titles)


def _waiting(summary: FileSummary, speaker: Speaker) -> str:
    """Return why a file waits, in the words of its verdict sheet, and the command that lets it go."""
    from connectors.runtime.notice import told
    from connectors.runtime.units import approve_command

    in_words = told(summary, speaker.language)
    text = summary.reason.message if in_words is None else in_words[0]
    return speaker.say("status.approve", text=text, command=approve_command(summary.name))
