"""A session: who begins it, what of a request is bound to it, and that nothing is taken twice."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.control import seal_key_name
from hub.protocol.errors import Malformed
from hub.protocol.http_signature import Request, sign_request
from hub.protocol.keys import Signer
from hub.protocol.session import (
    NUMBERS_KEPT,
    NumberRepeated,
    Numbers,
    SessionNote,
    begin_session,
    open_session,
    read_address,
    read_request,
    signed_fields,
)

KEY = Signer("hub.example/uz/session", bytes(range(32)))
SEAL = Signer(seal_key_name("hub.example", "uz"), bytes(range(1, 33)))
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD = SessionNote("hub.example", "uz", "https://hub.example:8443", bytes(32), KEY.verifier.public, NOW)
POST = Request("POST", GOOD.address, "/v1/centers/uz/records?x=1", {"content-type": "application/json"})


@given(st.datetimes(timezones=st.just(UTC)), st.binary(min_size=32, max_size=32))
def test_note_survives_the_round_trip(time: datetime, nonce: bytes) -> None:
    """HQ reads what the office signed."""
    said = replace(GOOD, time=time, nonce=nonce)
    read, note = open_session(begin_session(said, SEAL))
    assert read == said
    assert read.to_text() == note.text
    assert note.verify([SEAL.verifier]) == SEAL.verifier
    assert read.verifier == KEY.verifier


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("session/v1", "session/v2"),
        ("hub.example\nuz", "Hub.example\nuz"),
        ("\nuz\n", "\nUZ\n"),
        ("\nuz\n", "\nroot\n"),
        ("address ", "url "),
        (":8443", ":443"),
        (":8443", ":8443/"),
        ("nonce AAAA", "nonce AAA"),
        ("nonce AAAA", "nonce "),
        ("AAA=\nkey", "AAB=\nkey"),
        (f"key {GOOD.to_text().split('key ')[1].split(chr(10))[0]}", f"key {'A' * 43}="),  # a point of small order
        ("\nkey ", "\nkey A"),
        ("12:00:00.000000Z", "12:00:00Z"),
        ("12:00:00.000000Z\n", "12:00:00.000000Z"),
        ("12:00:00.000000Z\n", "12:00:00.000000Z\nmore\n"),
    ],
)
def test_note_of_another_shape_is_refused(old: str, new: str) -> None:
    """Anything else is Malformed, never another error; a weak key is refused, too."""
    text = GOOD.to_text()
    assert old in text
    with pytest.raises(Malformed):
        SessionNote.from_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "address",
    ["https://hub.example", "https://hub.example:8443", "https://127.0.0.1:1", "https://[::1]:65535", "https://a"],
)
def test_address_has_one_form(address: str) -> None:
    """Host and port, and nothing that a proxy could read otherwise."""
    assert read_address(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "https://", "http://hub.example", "https://hub.example/", "https://Hub.example", "https://hub..example",
     "https://-hub.example", "https://user@hub.example", "https://hub.example:", "https://hub.example:0",
     "https://hub.example:08443", "https://hub.example:443", "https://hub.example:65536", "https://hub.example\n",
     "https://[::01]", "https://[1.2.3.4]", "https://hub.example?x", "https://хаб.example",
     "https://" + "a." * 130 + "a"],
)  # fmt: skip
def test_address_of_another_form_is_refused(address: str) -> None:
    """Two texts for one address would be two addresses to one of the ends."""
    with pytest.raises(Malformed):
        read_address(address)


def signed(request: Request = POST, body: bytes = b"[]", number: int = 7) -> Request:
    """Return a request as an office sends it."""
    fields = signed_fields(request, body, session="s1", key=KEY, number=number, created=1772366400)
    return replace(request, fields=fields)


def test_signed_request_is_read_and_verified() -> None:
    """HQ knows the session and the number before it has read the body."""
    request = signed()
    found, number = read_request(request)
    assert (found.keyid, number, found.created) == ("s1", 7, 1772366400)
    found.verify(request, KEY.verifier)
    get = signed(Request("GET", GOOD.address, "/v1/topics/out.uz", {}), b"")
    read_request(get)[0].verify(get, KEY.verifier)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/v1/centers/kz/records?x=1"},
        {"target": "/v1/centers/uz/records?x=2"},
        {"address": "https://other.example"},
        {"fields": {"content-type": "application/x"}},
        {"fields": {"content-digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}},
    ],
)
def test_no_part_of_a_request_can_be_changed(change: dict[str, Any]) -> None:
    """A proxy that opens TLS can't turn a request into another one."""
    request = signed()
    fields = {**request.fields, **change.pop("fields", {})}
    changed = replace(request, **change, fields=fields)
    with pytest.raises(Malformed):
        read_request(changed)[0].verify(changed, KEY.verifier)


@pytest.mark.parametrize(
    "names",
    [
        ["@target-uri", "content-digest", "content-type"],
        ["@method", "content-digest", "content-type"],
        ["@method", "@authority", "@path", "content-digest", "content-type"],
        ["@method", "@target-uri", "content-type"],
        ["@method", "@target-uri", "content-digest"],
    ],
)
def test_signature_that_covers_too_little_is_refused(names: list[str]) -> None:
    """A good signature is not enough: it is to be over all that decides what is done."""
    request = sign_request(signed(), KEY, names, 1772366400, "s1", "7")
    with pytest.raises(Malformed, match="expected one over"):
        read_request(request)


def test_target_may_be_signed_in_parts() -> None:
    """A library without the target URI covers authority, path and query."""
    names = ["@query", "@path", "@authority", "@method", "content-digest", "content-type"]
    request = sign_request(signed(), KEY, names, 1772366400, "s1", "7")
    read_request(request)[0].verify(request, KEY.verifier)


@pytest.mark.parametrize(
    ("keyid", "nonce", "created"),
    [("", "7", 1), ("s1", "", 1), ("s1", "0", 1), ("s1", "07", 1), ("s1", "-7", 1), ("s1", "x", 1),
     ("s1", "9223372036854775808", 1)],
)  # fmt: skip
def test_request_without_session_or_number_is_refused(keyid: str, nonce: str, created: int) -> None:
    """What can't be told from a replay is none of ours."""
    names = ["@method", "@target-uri", "content-digest", "content-type"]
    with pytest.raises(Malformed):
        read_request(sign_request(signed(), KEY, names, created, keyid, nonce))


def test_number_is_taken_once() -> None:
    """Requests that overtake one another are all taken, and none of them twice."""
    numbers = Numbers()
    order = list(range(1, 3 * NUMBERS_KEPT))
    shuffled = [
        n
        for start in range(0, len(order), 64)
        for n in random.Random(start).sample(order[start:][:64], len(order[start:][:64]))
    ]
    for number in shuffled:
        numbers = numbers.after(number)
        with pytest.raises(NumberRepeated):
            numbers.after(number)
    assert numbers.highest == order[-1]
    assert numbers.taken == (1 << NUMBERS_KEPT) - 1


def test_number_behind_the_window_is_refused() -> None:
    """What is too old to be told from a replay is taken for one."""
    numbers = Numbers().after(1).after(NUMBERS_KEPT + 1)
    for number in (1, 0):
        with pytest.raises(NumberRepeated):
            numbers.after(number)
    assert numbers.after(2).after(3)
    leap = numbers.after(2**63 - 1)
    assert leap == Numbers(2**63 - 1, 1)


@given(st.lists(st.integers(1, 4 * NUMBERS_KEPT), max_size=200))
def test_window_never_takes_a_number_twice(asked: list[int]) -> None:
    """Whatever order they come in."""
    numbers, taken = Numbers(), set[int]()
    for number in asked:
        try:
            numbers = numbers.after(number)
        except NumberRepeated:
            assert number in taken or number <= max(taken) - NUMBERS_KEPT
        else:
            assert number not in taken
            taken.add(number)
