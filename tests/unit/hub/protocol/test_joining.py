"""Join requests and HQ's answers: bound to one bundle, read by HQ alone, known by what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.control import enrolment
from hub.protocol.errors import Malformed
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.joining import (
    JOIN_BYTES_MAX,
    Answer,
    JoinRequest,
    State,
    Why,
    digest_of,
    open_answer,
    seal_request,
    unseal_request,
)
from hub.protocol.note import Note, Verifier
from hub.protocol.scram import Credential
from hub.protocol.trust import open_trust
from schemas.vectors.joining import HQ, ID, PRIVATE, SEALED, bundle, request, sealed_text, secret, trust_note
from schemas.vectors.keys import CENTER, COSIGNER, HUB, SEAL, SEAL_NEXT, bytes_of, signer
from schemas.vectors.records import START
from tests.unit.hub.protocol.test_vectors import Vector, cases, keys_of


def unsealed(data: bytes) -> bytes:
    """Return what HQ reads."""
    one = bundle()
    return unseal_request(one.hub, one.center, one.id, one.secret, PRIVATE, data)


@cases("joins", "good")
def test_request_is_read(vector: Vector) -> None:
    """HQ reads it, and comes to the digest and the words that the office shows."""
    data = unsealed(bytes.fromhex(vector["sealed"]))
    found = JoinRequest.from_bytes(data)
    assert data == bytes_of(vector) == found.to_bytes()
    assert (found.digest, digest_of(data)) == (vector["request"], vector["request"])
    assert found.fingerprint.to_text() == vector["fingerprint"]


@cases("joins", "bad")
def test_what_is_no_request_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        JoinRequest.from_bytes(unsealed(bytes.fromhex(vector["sealed"])) if "sealed" in vector else bytes_of(vector))


@cases("joined", "good")
def test_answer_is_read(vector: Vector) -> None:
    """A code of a later release is read as it is."""
    note = Note.from_bytes(bytes_of(vector))
    note.verify(keys_of(vector))
    found, said = Answer.from_text(note.text), vector["content"]
    assert (found.invitation, found.request, found.state) == (said["invitation"], said["request"], said["state"])
    assert found.why == (said["why"] or "")
    assert found.to_text() == note.text


@cases("joined", "bad")
def test_what_is_no_answer_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""

    def read() -> None:
        note = Note.from_bytes(bytes_of(vector))
        note.verify(keys_of(vector))
        Answer.from_text(note.text)

    with pytest.raises(Malformed):
        read()


def test_kept_requests_are_those_of_the_vectors() -> None:
    """The file of encrypted requests has what the vectors need, and is written as it stands."""
    assert SEALED.read_text("utf-8") == sealed_text()


def test_request_is_encrypted_anew_each_time_and_is_the_same() -> None:
    """What is sent twice is no second use: it is known by what it says."""
    first, second = (seal_request(bundle(), request()) for _ in range(2))
    assert first != second
    assert unsealed(first) == unsealed(second) == request().to_bytes()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_encrypted_request_is_read_whole_or_not_at_all(data: st.DataObject) -> None:
    """Whatever somebody changes in it, or leaves away, HQ reads nothing."""
    good = bytearray(seal_request(bundle(), request()))
    if data.draw(st.booleans()):
        del good[data.draw(st.integers(0, len(good) - 1)) :]
    else:
        good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Malformed):
        unsealed(bytes(good))


def test_whoever_lacks_the_secret_makes_no_request() -> None:
    """The public key alone is not enough, nor is the secret of another bundle."""
    for other in (bundle(secret=secret("guessed")), bundle(id="0badcaff"), bundle(center="kz")):
        with pytest.raises(Malformed, match="not made with"):
            unsealed(seal_request(other, request()))


def test_fingerprint_is_of_all_that_the_office_says() -> None:
    """Another key, password, root or bundle has other words: nobody can put his own in between."""
    one = request()
    notes = one.notes
    others = [
        replace(one, notes=(enrolment(HUB, CENTER, "seal", SEAL_NEXT), notes[1])),
        replace(one, notes=(notes[0], enrolment(HUB, CENTER, "witness", replace(COSIGNER, seed=secret("w"))))),
        replace(one, credential=Credential.of("another", one.credential.salt)),
        replace(one, root=signer(f"{HUB}/root", 2).verifier),
        replace(one, invitation="0badcaff"),
    ]
    for other in others:
        other.check()
    found: set[Fingerprint] = {each.fingerprint for each in (one, *others)}
    assert len(found) == len({each.digest for each in (one, *others)}) == 1 + len(others)


@settings(max_examples=100, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=8), st.lists, max_leaves=5), st.data())
def test_value_of_another_kind_is_refused(value: object, data: st.DataObject) -> None:
    """Whatever stands in the place of a value is no crash."""
    row = json.loads(request().to_bytes())
    place = data.draw(st.sampled_from(sorted(row)))
    if row[place] == value:
        return
    row[place] = value
    with pytest.raises(Malformed):
        JoinRequest.from_bytes(json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def test_overlong_request_is_refused() -> None:
    """It is not even decrypted."""
    with pytest.raises(Malformed, match="at most"):
        unsealed(bytes(JOIN_BYTES_MAX + 100))
    with pytest.raises(Malformed, match="at most"):
        JoinRequest.from_bytes(b" " * (JOIN_BYTES_MAX + 1))


def test_request_shows_no_password() -> None:
    """Neither an error nor a log has what the broker is given."""
    one = request()
    assert one.credential.salted_password.hex() not in repr(one)
    assert repr(one.credential.salted_password) not in repr(one)


def answer(**changes: object) -> Answer:
    """Return an answer to the request of the vectors."""
    return replace(Answer(HUB, CENTER, ID, request().digest, START, State.WAITS), **changes)  # type: ignore[arg-type]


def test_answer_is_by_the_hq_key() -> None:
    """An answer by any other key is nobody's word."""
    trust = open_trust(trust_note())
    assert open_answer(answer().signed(HQ), trust) == answer()
    with pytest.raises(Malformed, match="none of the expected keys"):
        open_answer(answer().signed(SEAL), trust)


def test_answer_by_a_retired_key_is_refused() -> None:
    """From the time in the trust note on the key says nothing new; what it said before stays good."""
    trust = open_trust(trust_note())
    newer = signer(f"{HUB}/hq", 2).verifier
    later = replace(trust, hqs=(*trust.hqs, newer), retired=((START + timedelta(hours=1), HQ.verifier),))
    assert open_answer(answer().signed(HQ), later).state is State.WAITS
    with pytest.raises(Malformed, match="none of the expected keys"):
        open_answer(answer(time=START + timedelta(hours=1)).signed(HQ), later)


@given(st.sampled_from(State), st.sampled_from([*Why, "", "NEW_CODE"]), st.integers(0, 10**9))
def test_answer_goes_round(state: State, why: str, later_s: int) -> None:
    """A code stands where it is refused, and nowhere else."""
    made = answer(state=state, why=why, time=START + timedelta(seconds=later_s))
    if bool(why) != (state is State.REFUSED):
        with pytest.raises(Malformed):
            Answer.from_text(made.to_text())
        return
    assert Answer.from_text(made.to_text()) == made


def test_root_in_a_request_is_a_root_key() -> None:
    """Its fingerprint stands for which root the office believes."""
    with pytest.raises(Malformed, match="root key"):
        replace(request(), root=Verifier(f"{HUB}/receipts", signer(f"{HUB}/root").verifier.public)).check()
