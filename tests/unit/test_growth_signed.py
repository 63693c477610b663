"""What carries a good signature is read in time of its size, too: a center with a good key may be hostile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import pytest

from hub.evidence.case import Case
from hub.evidence.page import page
from hub.evidence.report import Check, Report
from hub.evidence.subject import Subject
from hub.ledger.control import read_control
from hub.protocol.checkpoint import open_seal
from hub.protocol.control import Presence
from hub.protocol.envelope import read_alike, read_envelope
from hub.protocol.errors import CohubError
from hub.protocol.note import Note, Signer, sign_note
from hub.protocol.receipt import Decision, Receipt
from hub.protocol.record import CONTROL_HEADER, canonical, position, split_canonical, write_headers
from hub.protocol.rules import FIRST, NEWEST
from hub.protocol.schema import DATASCHEMA
from hub.protocol.status import read_said
from tests.support.center import HUB, Sent
from tests.support.growth import check_growth
from tests.support.topic import KNOWN, keyring

NOW: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
RECEIPTS: Final = Signer(f"{HUB}/receipts", b"r" * 32)
ORIGIN: Final = f"{HUB}/uz/0000000a"
REFUSED: Final = (CohubError, ValueError)
Headers = list[tuple[str, bytes | None]]


def signed(text: str, by: Signer = KNOWN, times: int = 1) -> bytes:
    note = sign_note(text, [by])
    return replace(note, signatures=note.signatures * times).to_bytes()


def presence(size: int, *, version: str = "cohub 0.3.0", second: bool = False) -> str:
    first = Presence("uz", ORIGIN, NOW, size, 0, version).to_text()
    if not second:
        return first
    head = first.replace("/v1", "/v2", 1).partition("version ")[0]
    return f"{head}oldest {'9' * size}\nrefused 0\nended {'a ' * size}\nversion x\nreads {'a/v1 ' * size}\n"


CONTROLS: Final[dict[str, Callable[[int], bytes]]] = {
    "presence": lambda size: signed(presence(size)),
    "a long version": lambda size: signed(presence(1).replace("0.3.0", "x(reads " * size)),
    "many announcements": lambda size: signed(presence(1).replace("0.3.0", f"0.3.0 (reads {'status/v1 ' * size})")),
    "a long number": lambda size: signed(presence(1).replace("size 1", "size " + "9" * size)),
    "a long time": lambda size: signed(presence(1).replace("2026-", "2026-" + "0" * size)),
    "the second form": lambda size: signed(presence(size, second=True)),
    "lines": lambda size: signed(presence(1) + "a b\n" * size),
    "the signature again and again": lambda size: signed(presence(1), times=size),
}


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize("kind", [b"presence", b"alarm", b"cosignature"])
@pytest.mark.long
def test_control_records_are_read_in_time_of_their_size(name: str, kind: bytes) -> None:
    """Whatever a center has signed, and whichever kind its header names."""
    known = keyring()

    def read(value: bytes) -> None:
        headers = ((CONTROL_HEADER, kind),)
        record = Sent(b"uz", value, headers)
        read_control(kind, record, canonical(headers, value), known, HUB, "uz")

    check_growth(CONTROLS[name], read, size_max=1 << 15, refused=REFUSED)


ANSWERS: Final[dict[str, Callable[[int], bytes]]] = {
    "verdicts": lambda size: signed(
        Receipt(
            ORIGIN, 1, size, b"?" * 32, NOW, 1, tuple(Decision(n, "BAD_FIELD", "title") for n in range(1, size + 1))
        ).to_text(),
        RECEIPTS,
    ),
    "one verdict": lambda size: signed(
        Receipt(ORIGIN, 1, 1, b"?" * 32, NOW, 1).to_text() + f"1 BAD_FIELD {'a' * size} b\n", RECEIPTS
    ),
    "verdicts on one event": lambda size: signed(
        Receipt(ORIGIN, 1, 1, b"?" * 32, NOW, 1).to_text() + "1 BAD_FIELD - -\n" * size, RECEIPTS
    ),
    "a status": lambda size: signed(
        f"cohub-status/v1\n{HUB}\nuz\ntime x\nlane -\nsize {'1' * size}\nwhy {'a ' * size}\n" + "reads a/v1\n" * size,
        RECEIPTS,
    ),
    "a resend": lambda size: signed(f"cohub-resend/v1\n{ORIGIN}\n{'1' * size}\n{'a ' * size}\n", RECEIPTS),
    "a seal": lambda size: signed(f"{ORIGIN}\n1\n{'A' * size}\n" + "extension\n" * size, RECEIPTS),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.long
def test_answers_are_read_in_time_of_their_size(name: str) -> None:
    """Receipts, requests, status notes and seals, by the key that counts."""

    def read(data: bytes) -> None:
        note = Note.from_bytes(data)
        note.verify([RECEIPTS.verifier])
        read_said(note.text)

    check_growth(ANSWERS[name], read, size_max=1 << 15, refused=REFUSED)
    check_growth(ANSWERS[name], open_seal, size_max=1 << 15, refused=REFUSED)


def attributes(**more: bytes | None) -> Headers:
    given = write_headers(
        center="uz",
        epoch="0000000a",
        sequence=1,
        event_id="019ca92a-4a7a-7c0e-8b1d-000000000001",
        event_type="net.cohub.offer.published.v1",
        subject="uz:1",
        time=NOW,
        dataschema=DATASCHEMA + "0" * 64,
    )
    return [*given, *more.items()]


def changed(name: str, content: bytes) -> Headers:
    return [(header, content if header == name else old) for header, old in attributes()]


HEADERS: Final[dict[str, Callable[[int], Headers]]] = {
    "many": lambda size: attributes(**{f"ce_{at}": b"1" for at in range(size)}),
    "many of one name": lambda size: [*attributes(), *[("ce_a", b"1")] * size],
    "many without a name": lambda size: [*attributes(), *[("", None)] * size],
    "many unsigned": lambda size: attributes(**{f"x{at}": b"1" for at in range(size)}),
    "backwards": lambda size: attributes(**{f"ce_{size - at:08}": None for at in range(size)}),
    "a long name": lambda size: attributes(**{"ce_" + "a" * size: b"1"}),
    "no UTF-8": lambda size: attributes(**{"ce_" + "\udcff" * size: b"\xff" * size}),
    "a long id": lambda size: changed("ce_id", b"0" * size),
    "a long subject": lambda size: changed("ce_subject", b"uz:" + b":a" * size),
    "a long time": lambda size: changed("ce_time", b"2026-03-01T12:00:00." + b"0" * size + b"Z"),
    "digits for a time": lambda size: changed("ce_time", b"9" * size),
    "a long sequence": lambda size: changed("ce_sequence", b"9" * size),
    "a long type": lambda size: changed("ce_type", b"net." * size),
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.long
def test_headers_are_read_in_time_of_their_size(name: str) -> None:
    """Their canonical bytes, there and back, and the envelope under all rules."""

    def read(headers: Headers) -> None:
        data = canonical(headers, b"value")
        split_canonical(data)
        found: Mapping[str, bytes | None] = dict(headers)
        position(found)
        for rules in (FIRST, NEWEST):
            for reader in (
                lambda: read_envelope("uz", b"uz:1", found, len(headers), rules),  # noqa: B023 - called at once
                lambda: read_alike("uz", [b"uz:1"], [found], (), rules),  # noqa: B023
            ):
                try:
                    reader()
                except REFUSED:
                    continue

    check_growth(HEADERS[name], read, size_max=1 << 16, refused=REFUSED)


CANONICAL: Final[dict[str, Callable[[int], bytes]]] = {
    "empty headers": lambda size: b"%d:%b," % (6 * size, b"0:,0:," * size),
    "missing contents": lambda size: b"%d:%b," % (4 * size, b"0:,-" * size),
    "lengths of lengths": lambda size: b"9" * size + b":",
    "nested": lambda size: b"1:" * size,
    "a long value": lambda size: b"0:," + b"0:," * size,
}


@pytest.mark.parametrize("name", CANONICAL)
def test_canonical_bytes_are_split_in_time_of_their_size(name: str) -> None:
    """They stand in bundles and in the archive, where anybody may have written them."""
    check_growth(CANONICAL[name], split_canonical, size_max=1 << 17, refused=REFUSED)


def test_pages_are_made_in_time_of_what_they_tell() -> None:
    """A bundle by a stranger has as many findings, and as long texts in them, as he likes."""

    def found(count: int, detail: str) -> Report:
        report = Report()
        for at in range(count):
            report.error(Check.SEALS, detail, f"lanes/{at}", ORIGIN, at)
        return report

    case = Case({}, Subject("deal", "uz:D-1"), Report())
    check_growth(lambda size: found(size, "a <b>\u202e"), lambda report: page(case, report), start=64, size_max=1 << 12)
    check_growth(
        lambda size: found(1, "<&\u202e'" * size), lambda report: page(case, report), start=64, size_max=1 << 16
    )
