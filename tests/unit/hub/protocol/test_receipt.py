"""What HQ answers has one text, and a reader takes no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.note import Note, Signer, sign_note
from hub.protocol.receipt import LINE_BYTES_MAX, Decision, Receipt, Resend, one_line, read_answer
from hub.protocol.verdict import Code

ORIGIN = "hub.example/uz/0a1b2c3d"
GOOD = Receipt(
    ORIGIN,
    5,
    9,
    bytes(range(32)),
    datetime(2026, 3, 1, 12, 0, 0, 42, UTC),
    17,
    (Decision(6, Code.BAD_FIELD, "offer/trl", "expected 1 to 9, got 12"), Decision(8, Code.NO_VALUE)),
)
fields = st.from_regex(r"[a-z_/\[\]0-9]{1,30}", fullmatch=True) | st.just("")
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    """Any receipt that HQ can write."""
    first = draw(st.integers(1, 2**63 - 200))
    last = first + draw(st.integers(0, 100))
    sequences = draw(st.lists(st.integers(first, last), max_size=5, unique=True).map(sorted))
    decisions = [
        Decision(s, draw(st.sampled_from(list(Code))), draw(fields), one_line(draw(words)[:40])) for s in sequences
    ]
    return Receipt(
        ORIGIN,
        first,
        last,
        draw(st.binary(min_size=32, max_size=32)),
        draw(st.datetimes(timezones=st.just(UTC))),
        draw(st.integers(0, 2**63 - 1)),
        tuple(decisions),
    )


@given(receipts())
def test_receipt_survives_the_round_trip(receipt: Receipt) -> None:
    """A connector reads what HQ decided."""
    assert read_answer(receipt.to_text()) == receipt


@pytest.mark.parametrize(
    ("reason", "cut"),
    [("a" * 201, "a" * 200), ("я" * 200, "я" * 100), ("x" + "я" * 200, "x" + "я" * 99), ("长" * 67, "长" * 66),
     ("a" * 199 + " b", "a" * 199)],
)  # fmt: skip
def test_reason_of_a_resend_is_cut_at_200_bytes_between_two_characters(reason: str, cut: str) -> None:
    assert Resend(ORIGIN, 1, reason).to_text() == f"cohub-resend/v1\n{ORIGIN}\nfrom 1\nreason {cut}\n"


@given(st.integers(1, 2**63 - 1), words)
def test_resend_survives_the_round_trip(first: int, reason: str) -> None:
    """A connector reads from where HQ wants the lane again."""
    said = Resend(ORIGIN, first, one_line(reason))
    assert read_answer(said.to_text()) == said


@given(words, words, st.integers(1, 2**63 - 1))
def test_decision_is_one_short_line_whatever_it_holds(field: str, params: str, sequence: int) -> None:
    """A center's own text, quoted back to it, cannot add a line to a receipt or grow it."""
    line = Decision(sequence, Code.BAD_FIELD, field, params * 5).to_text()
    assert len(line.encode()) <= LINE_BYTES_MAX
    assert len(line.splitlines()) == 1
    again = Decision.from_text(line)
    assert (again.sequence, again.code) == (sequence, Code.BAD_FIELD)
    assert Decision.from_text(again.to_text()) == again


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", ""),
        ("  a\tb\r\n c ", "a b c"),
        ("a\u2028b\x85c\x1cd", "a b c d"),
        ("价格\u3000无效", "价格 无效"),
        ("abc\u202ednuof ton\u202c", "abc dnuof ton"),
        ("a\ud800b", "a b"),
        ("\U000e01f0 emoji \U0001fae9", "\U000e01f0 emoji \U0001fae9"),
    ],
)
def test_one_line_takes_out_breaks_controls_and_turned_text(text: str, line: str) -> None:
    """A quoted cell cannot break a line or turn its direction; new letters stay, whatever Python's Unicode knows."""
    assert one_line(text) == line


def test_receipt_has_the_documented_text() -> None:
    """The text in schemas/PROTOCOL.md is this one."""
    assert GOOD.to_text() == (
        "cohub-receipt/v1\nhub.example/uz/0a1b2c3d\nfrom 5\nto 9\n"
        "root AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
        "recorded_at 2026-03-01T12:00:00.000042Z\nbasis 17\n"
        "6 BAD_FIELD offer/trl expected 1 to 9, got 12\n8 NO_VALUE -\n"
    )


TEXT = GOOD.to_text()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("receipt/v1", "receipt/v2"),
        ("from 5", "from 05"),
        ("from 5", "from 0"),
        ("from 5", "from 10"),
        ("from 5", "from -5"),
        ("from 5", "from  5"),
        ("from 5", "From 5"),
        ("to 9", "to 9223372036854775808"),
        ("to 9", "to " + "9" * 5000),
        ("to 9", "to 7"),
        ("GxwdHh8=", "GxwdHh9="),
        ("GxwdHh8=", "GxwdHh8"),
        ("GxwdHh8=", "GxwdHg=="),
        ("GxwdHh8=", "GxwdHh8gISI="),
        ("000042Z", "000042+00:00"),
        ("000042Z", "00004Z"),
        ("basis 17", "basis 1_7"),
        ("basis 17", "basis ١٧"),
        ("6 BAD", "06 BAD"),
        ("6 BAD", "4 BAD"),
        ("6 BAD", "8 BAD"),
        ("6 BAD", "9 BAD"),
        ("6 BAD", "9" * 5000 + " BAD"),
        ("BAD_FIELD", "bad_field"),
        ("BAD_FIELD ", " "),
        (" NO_VALUE -", " NO_VALUE"),
        ("8 NO_VALUE -\n", "8 NO_VALUE -"),
        ("8 NO_VALUE -\n", "8 NO_VALUE -\n\n"),
    ],
)
def test_receipt_of_another_shape_is_refused(old: str, new: str) -> None:
    """Versions, numbers, times, roots and orders that HQ never writes are Malformed, never another error."""
    assert old in TEXT
    with pytest.raises(Malformed):
        read_answer(TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cohub-resend/v1\n",
        f"cohub-resend/v2\n{ORIGIN}\nfrom 1\nreason gap\n",
        f"cohub-resend/v1\n{ORIGIN}\nfrom 1\nreason gap",
        f"cohub-resend/v1\n{ORIGIN}\nfrom 1\nreason gap\nmore\n",
        f"cohub-resend/v1\n{ORIGIN}\nfrom x\nreason gap\n",
        f"cohub-resend/v1\n{ORIGIN}\nfrom 0\nreason gap\n",
        f"cohub-resend/v1\n{ORIGIN}\nfrom 1\n",
        f"cohub-resend/v1\n{ORIGIN}\nreason gap\nfrom 1\n",
    ],
)
def test_resend_of_another_shape_is_refused(text: str) -> None:
    """Anything else on `out.<center>` is Malformed."""
    with pytest.raises(Malformed):
        read_answer(text)


def test_receipt_is_a_note_with_any_decision(key: Callable[..., Signer]) -> None:
    """Whatever a center sent, the receipt that quotes it can be signed and read."""
    nasty = Receipt(
        ORIGIN, 1, 1, bytes(32), GOOD.recorded_at, 1, (Decision(1, "BAD_FIELD", "a\n\n— x", "\x00\n\n— y z"),)
    )
    note = Note.from_bytes(sign_note(nasty.to_text(), [key("hub.example/receipts")]).to_bytes())
    assert note.text == nasty.to_text()
    assert Receipt.from_text(note.text).decisions[0].field == "a_—_x"


def test_no_cut_or_flipped_bit_leaves_another_signed_receipt(
    key: Callable[..., Signer], refused: Callable[..., int]
) -> None:
    """No damage to a receipt's bytes yields a verified receipt that says something else."""
    signer = key("hub.example/receipts")

    def read(data: bytes) -> None:
        note = Note.from_bytes(data)
        note.verify([signer.verifier])
        if read_answer(note.text) == GOOD:
            raise Malformed("the same: no harm")

    assert refused(read, sign_note(TEXT, [signer]).to_bytes()) == 0
