"""What the page says of one bundle in one language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final

from hub.domain.catalogue import KINDS
from hub.domain.entity import canonical_json, decimal_text
from hub.domain.sealed import is_erased, key_id_of
from hub.evidence import layout
from hub.evidence.case import BundledEvent, Case, LaneOf, Span
from hub.evidence.manifest import keys, reasons
from hub.evidence.markup import entity_text, moment_text, origin_text, table, text, time_text
from hub.evidence.report import NEWER, Check, Finding, Origin, Report, Severity
from hub.evidence.subject import Why
from hub.evidence.texts import check_text, failure_text, not_proved_texts, proved_texts, say
from hub.evidence.words import coded, event_word, field_word, purpose_word, status_word, stream_word
from hub.protocol.errors import Malformed
from hub.protocol.keys import Verifier
from schemas.words import Language, verdict_text

EVENTS_SHOWN_MAX: Final = 300
FINDINGS_SHOWN_MAX: Final = 500
TAGS: Final = {"zh": "zh-Hans", "ru": "ru", "en": "en"}
_ABOUT_LOG: Final = "logged"  # of the sentences that say what is proved, the one that needs witnesses
_NEVER: Final = datetime.max.replace(tzinfo=UTC)
_OUTCOMES: Final = {"proved": "proved", "not yet believed": "pending", "failed": "failed", NEWER: "newer"}


@dataclass
class Article:
    """One language's article; `made_by` names the software."""

    case: Case
    report: Report | None
    root: Verifier | None
    language: Language
    made_by: str
    origin: Origin | None = None

    def __post_init__(self) -> None:
        self.why, self.absent = reasons(self.case)
        findings = self.report.findings if self.report is not None else ()
        self.spoilt = {finding.file for finding in findings if finding.severity is Severity.ERROR}

    def say(self, name: str, **values: object) -> str:
        """Return a text in the article's language."""
        return say(name, self.language, **values)

    def to_html(self) -> str:
        """Return the article."""
        parts = [
            f"<h1>{self.say('page')}</h1>",
            f'<p class="about">{self._about()}</p>',
            self._facts([("hub", text(self.case.hub)), ("known_as_of", self._as_of())]),
            self._result(),
            self._heading("short"),
            self._overview(),
            self._heading("story"),
            *self._events(),
            self._heading("state"),
            self._states(),
            self._heading("log"),
            self._log(),
            self._heading("keys"),
            self._keys(),
            self._heading("proves"),
            self._proved(),
            self._heading("proves_not"),
            self._limits(),
            f"<footer>{self.say('made_by', software=text(self.made_by))} · {layout.FORMAT}</footer>",
        ]
        return f'<article class="{self.language}" lang="{TAGS[self.language]}">{"".join(parts)}</article>\n'

    def _heading(self, name: str) -> str:
        return f"<h2>{self.say(name)}</h2>"

    def _facts(self, facts: Iterable[tuple[str, str]]) -> str:
        return '<dl class="facts">' + "".join(f"<dt>{self.say(n)}</dt><dd>{v}</dd>" for n, v in facts) + "</dl>"

    def _proved(self) -> str:
        status = "" if self.report is None else self.report.status
        if status in ("failed", NEWER):
            return f"<p>{self.say('newer_means' if status == NEWER else 'proves_nothing')}</p>"
        proved = proved_texts(self.language)
        if self.case.log is None or not self.case.log.is_believed:
            proved[_ABOUT_LOG] = self.say("proves_log_later")
        return _list(proved.values())

    def _limits(self) -> str:
        kind = "center" if self.case.subject.kind == "center" else "entity"
        return _list([self.say(f"proves_not_{kind}")]) + _list(not_proved_texts(self.language).values())

    def _about(self) -> str:
        subject = self.case.subject
        given = {"id": f"<b>{entity_text(subject.id)}</b>"}
        if subject.kind == "entity":
            return self.say("about_entity", stream=stream_word(subject.stream, self.language), **given)
        if subject.kind == "center":
            return self.say("about_center", since=moment_text(subject.since), until=moment_text(subject.until), **given)
        return self.say("about_deal", **given)

    def _as_of(self) -> str:
        log = self.case.log
        if log is None or log.checkpoint is None:
            return self.say("no_log")
        return f"{moment_text(log.signed_at)} · {self.say('log_size')} {log.checkpoint.size}"

    # -- the result of a check -----------------------------------------------------------------------------------------

    def _result(self) -> str:
        if self.report is None:
            return f'<div class="box">{self.say("not_checked")}</div>'
        report, outcome = self.report, _OUTCOMES[self.report.status]
        root = self.root.to_text() if self.root else ""
        used = f'<br><span class="small">{self.say("root_used")}</span> <code>{text(root)}</code>' if root else ""
        rows = [
            [
                check_text(check, self.language),
                f'<span class="chip {report.outcome(check)}">{self.say(report.outcome(check))}</span>',
                self._count(report, check),
            ]
            for check in Check
        ]
        told = used + origin_text(self.origin, self.language)
        box = f'<div class="box {outcome}"><strong>{self.say(f"status_{outcome}")}</strong>{told}</div>'
        made = table([self.say("check"), self.say("outcome"), self.say("count")], rows, numbers={2})
        return self._heading("result") + box + made + self._findings(report)

    def _count(self, report: Report, check: Check) -> str:
        log = self.case.log
        if check is Check.WITNESSES and log is not None:
            return f"{len(log.cosigned)} / {len(log.active)}"
        return str(report.looked_at[check] or "")

    def _findings(self, report: Report) -> str:
        if not report.findings:
            return ""
        shown = self._heading("findings") + self._table_of(report.causes())
        following = report.consequences()
        if following:
            shown += f"{self._heading('follows')}<p>{self.say('follows_why')}</p>{self._table_of(following)}"
        return shown

    def _table_of(self, findings: list[Finding]) -> str:
        rows = [
            [
                f'<span class="{finding.weight}">{check_text(finding.check, self.language)}</span>',
                f'<span class="mono">{text(_place(finding))}</span>',
                f'{self._means(finding)}<span class="small" lang="en">{text(finding.detail)}</span>',
            ]
            for finding in findings[:FINDINGS_SHOWN_MAX]
        ]
        return table([self.say("check"), self.say("where"), self.say("detail")], rows)

    def _means(self, finding: Finding) -> str:
        """Return what an error of this check means, in the reader's language; the detail behind it is for experts."""
        if finding.severity is Severity.NEWER:
            return f"{self.say('newer_means')}<br>"
        if finding.severity is not Severity.ERROR:
            return ""
        return f"{text(failure_text(finding.check, self.language))}<br>"

    # -- the events ----------------------------------------------------------------------------------------------------

    def _told(self) -> list[tuple[LaneOf, Span, BundledEvent]]:
        """Return the events in the order in which HQ recorded them."""
        return sorted(
            self.case.story(), key=lambda item: (item[1].recorded_at or _NEVER, item[0].number, item[2].sequence)
        )

    def _overview(self) -> str:
        """Return one line for each event."""
        rows = [
            [
                str(number),
                _said_time(held),
                moment_text(span.recorded_at),
                text(lane.center),
                self._what(held),
                self._chip(held) + self._spoilt(span, held),
            ]
            for number, (lane, span, held) in enumerate(self._told()[:EVENTS_SHOWN_MAX], 1)
        ]
        columns = [self.say(name) for name in ("happened", "recorded", "center", "what", "decided")]
        return table(["", *columns], rows, numbers={0})

    def _what(self, held: BundledEvent) -> str:
        kind = event_word(held.text("ce_type"), self.language)
        return f"{text(kind)} · <b>{entity_text(held.text('ce_subject'))}</b>"

    def _chip(self, held: BundledEvent) -> str:
        name = "accepted" if held.is_accepted else "rejected"
        return f'<span class="chip {name}">{self.say(name)}</span>'

    def _spoilt(self, span: Span, held: BundledEvent) -> str:
        """Return a mark, where a check does not hold for this event, its receipt or its seal."""
        stem = held.path.removesuffix("event")
        parts = {"", "receipt.note", "seal.note", "receipt.tlog-proof"}
        files = {f"{span.folder}{part}" for part in parts} | {
            f"{stem}{kind}" for kind in ("event", "tlog-proof", "key")
        }
        return f' <span class="chip failed">{self.say("failed")}</span>' if files & self.spoilt else ""

    def _events(self) -> Iterator[str]:
        told = self._told()
        for number, (lane, span, held) in enumerate(told[:EVENTS_SHOWN_MAX], 1):
            yield self._event(number, lane, span, held)
        if len(told) > EVENTS_SHOWN_MAX:
            yield f"<p>{self.say('more', count=len(told) - EVENTS_SHOWN_MAX)}</p>"

    def _event(self, number: int, lane: LaneOf, span: Span, held: BundledEvent) -> str:
        kind = event_word(held.text("ce_type"), self.language)
        key = "–"
        if span.sealed_by is not None:
            named = span.sealed_by.named(f"{self.case.hub}/{lane.center}")  # as it was enrolled, and stands below
            key = f'<span class="mono">{text(named.name)}+{named.key_id.hex()}</span>'
        facts = [
            ("said_by", self._center(lane.center)),
            ("happened", _said_time(held)),
            ("recorded", moment_text(span.recorded_at)),
            ("decided", self._decision(held)),
            ("place", f'<span class="mono">{text(self.case.origin(lane))} · {held.sequence}</span>'),
            ("sealed_with", key),
        ]
        note = ""
        if not held.is_judged:
            is_outside = span.recorded_at is not None and not self.case.subject.covers(span.recorded_at)
            note = f'<p class="small">{self.say("witness_event" if is_outside else "not_judged")}</p>'
        after = ""
        if held.after is not None:
            status = status_word(held.after.entity.stream, held.after.entity.status, self.language)
            after = f'<span class="to small">{self.say("status_after")}: <b>{text(status)}</b></span>'
        return (
            f'<section class="event"><header><span class="number">{number}</span><b>{text(kind)}</b>'
            f"<span>{entity_text(held.text('ce_subject'))}</span>{self._spoilt(span, held)}{after}</header>"
            f"{self._facts(facts)}{note}{self._values(held)}</section>\n"
        )

    def _center(self, center: str) -> str:
        known = self.case.registry.centers.get(center)
        return f"{text(known.name)} ({text(center)})" if known else text(center)

    def _decision(self, held: BundledEvent) -> str:
        decision = held.decision
        if decision is None:
            return self._chip(held)
        message = verdict_text(decision.code, self.language)
        field = field_word(_stream(held), decision.field, self.language)
        place = " ".join(filter(None, (field, decision.params)))
        detail = f"{message} ({place})" if place else message
        return f"{self._chip(held)} {text(detail)} <code>{text(decision.code)}</code>"

    def _values(self, held: BundledEvent) -> str:
        """Return what the event says: all of it, or what it changes where the entity was there before."""
        try:
            value = self.case.decode(held)
        except Malformed:
            return ""
        kind, stream = KINDS.get(held.text("ce_type")), _stream(held)
        before: dict[str, Any] = {}
        if held.before is not None and kind is not None and kind.carries_record:
            before = held.before.entity.record
        rows = []
        for name, given in value.items():
            was = before.get(name)
            if before and _same(was, given):
                continue
            if given in (None, [], "") and was in (None, [], ""):
                continue
            now, old = self._shown(coded(stream, name, given, self.language), held), ""
            if before and was not in (None, [], ""):
                old = f'<span class="was">{self._shown(coded(stream, name, was, self.language), held)}</span> → '
            rows.append([text(field_word(stream, name, self.language)), old + now])
        if not rows:
            return ""
        table = "".join(f'<tr><td class="name">{name}</td><td class="text">{shown}</td></tr>' for name, shown in rows)
        changed = f'<p class="small">{self.say("changed_only")}</p>' if before else ""
        return f"{changed}<table>{table}</table>"

    def _shown(self, value: Any, held: BundledEvent) -> str:
        if value in (None, [], ""):
            return "–"
        if isinstance(value, list):
            return "; ".join(self._shown(item, held) for item in value)
        if isinstance(value, dict):
            if "vkey" in value and "status" in value:
                name, _, rest = str(value["vkey"]).partition("+")
                status = coded("center", "keys.status", str(value["status"]), self.language)
                return f"<code>{text(name)}+{text(rest[:8])}</code> {text(status)}"
            return text(", ".join(f"{name}: {item}" for name, item in value.items() if item not in (None, [])))
        if isinstance(value, str) and key_id_of(value) is not None:
            center = text(held.text("ce_subject").partition(":")[0])
            return self.say("erased") if is_erased(value) else self.say("sealed", center=center)
        if isinstance(value, Decimal):
            return text(decimal_text(value))
        return text(value.isoformat() if isinstance(value, date) else str(value))

    # -- states, log, keys ---------------------------------------------------------------------------------------------

    def _states(self) -> str:
        rows = []
        for (stream, entity_id), known in sorted(self.case.states.items()):
            entity = known.entity
            what = f"{text(stream_word(stream, self.language))} <b>{entity_text(entity_id)}</b>"
            why = f'<br><span class="small">{self._reason(self.why.get((stream, entity_id)))}</span>'
            status = text(status_word(stream, entity.status, self.language))
            version = f'<br><span class="small">{self.say("version")} {entity.version}</span>'
            rows.append([what + why, status + version, f'<span class="mono">{known.digest.hex()}</span>'])
        made = table(
            [self.say("entity"), self.say("status_after"), self.say("digest") + " (SHA-256)"], rows[:EVENTS_SHOWN_MAX]
        )
        if self.absent:
            named = ", ".join(f"{stream_word(s, self.language)} {i}" for s, i in sorted(self.absent))
            made += f'<p class="small">{self.say("unknown_to_hq")}: {text(named)}</p>'
        return made

    def _reason(self, why: Why | None) -> str:
        if why is None:
            return self.say("why_none")
        if why.reason == "referenced" and why.by is not None:
            field = field_word(why.by[0], why.field, self.language)
            return self.say("why_referenced", by=text(why.by[1]), field=text(field))
        if why.reason == "confirmation" and not why.is_counterpart:
            return self.say("why_confirmation_other")
        return self.say(f"why_{why.reason}")

    def _log(self) -> str:
        log = self.case.log
        if log is None or log.checkpoint is None:
            return f"<p>{self.say('no_log')}</p>"
        seen = [f"{self._center(center)} · {moment_text(at)}" for center, at in sorted(log.cosigned.items())]
        seen += [f"{text(name)} · {moment_text(at)}" for name, at in sorted(log.others.items())]
        count = self.say("of_active", seen=len(log.cosigned), active=len(log.active))
        return self._facts(
            [
                ("log_size", str(log.checkpoint.size)),
                ("log_root", f'<span class="mono">{log.checkpoint.root.hex()}</span>'),
                ("log_signed", moment_text(log.signed_at)),
                ("seen_by", f"{count}<br>" + ("<br>".join(seen) or self.say("nobody"))),
            ]
        )

    def _keys(self) -> str:
        rows = []
        found = list(keys(self.case))
        # The trust note names the centers' witness keys too; that it has let one go, it alone says.
        of_centers = {key["vkey"] for key in found if key["owner"] and "added" in key}
        let_go = {key["vkey"]: key["retired_at"] for key in found if not key["owner"]}
        for key in found:
            if not key["owner"] and key["vkey"] in of_centers:
                continue
            name, _, rest = key["vkey"].partition("+")
            added, revoked = key.get("added"), key.get("revoked")
            since = time_text(added["recorded_at"]) if added else self.say("from_root")
            until = revoked["recorded_at"] if revoked else key.get("retired_at") or let_go.get(key["vkey"])
            notes = [key["reason"]] if key.get("reason") else []
            more = f'<br><span class="small">{text("; ".join(notes))}</span>' if notes else ""
            lost = f'<br><span class="small">{self.say("lost")}</span>' if key.get("replaced_lost") else ""
            rows.append(
                [
                    self._center(key["owner"]) if key["owner"] else "–",
                    text(purpose_word(key["purpose"], self.language)),
                    f'<span class="mono">{text(name)}+{text(rest[:8])}</span>',
                    since + lost,
                    (time_text(until) if until else "–") + more,
                ]
            )
        return table(
            [self.say(name) for name in ("owner", "purpose", "key", "since", "until")], rows[:EVENTS_SHOWN_MAX]
        )


def _said_time(held: BundledEvent) -> str:
    """Return when the center says that it happened."""
    return time_text(held.text("ce_time"))


def _place(finding: Finding) -> str:
    sequence = "" if finding.sequence is None else str(finding.sequence)
    return " ".join(part for part in (finding.lane, sequence, finding.file) if part)


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _stream(held: BundledEvent) -> str:
    """Return the stream that an event says it is of; "" for a type that this release doesn't know."""
    kind = KINDS.get(held.text("ce_type"))
    return kind.stream if kind is not None else ""


def _same(left: Any, right: Any) -> bool:
    return canonical_json(left) == canonical_json(right)
