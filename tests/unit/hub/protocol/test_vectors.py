"""The committed vectors are what the code says, byte for byte, and every bad one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from hub.protocol.avro import Codec, unframe
from hub.protocol.checkpoint import open_seal
from hub.protocol.control import Presence, open_enrolment
from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.http_signature import Request, check_body, read_digests
from hub.protocol.leaf import LeafReader
from hub.protocol.moment import write_time
from hub.protocol.note import Note, Signer, Verifier
from hub.protocol.receipt import Receipt, Resend, read_answer
from hub.protocol.record import canonical, is_signed, position, split_canonical
from hub.protocol.schema import parse_schema
from hub.protocol.session import SessionNote, read_request, session_key
from hub.protocol.status import StatusNote, read_said
from hub.protocol.tree import Edge, verify_inclusion
from hub.protocol.trust import open_trust
from hub.protocol.witness import Alarm
from schemas.vectors.keys import CENTER, ORIGIN, bytes_of
from schemas.vectors.make import FILES, HERE, text_of

Vector = dict[str, Any]


def vectors(name: str) -> Vector:
    """Return one file of vectors."""
    loaded: Vector = json.loads((HERE / f"{name}.json").read_text("utf-8"))
    return loaded


def cases(name: str, kind: str) -> pytest.MarkDecorator:
    """Return the parameters of a test over one list of vectors, each under its own name."""
    return pytest.mark.parametrize("vector", [pytest.param(v, id=v["name"]) for v in vectors(name)[kind]])


def keys_of(vector: Vector) -> list[Verifier]:
    """Return the keys that the reader of a vector knows."""
    return [Verifier.from_text(vkey) for vkey in vector["keys"]]


@pytest.mark.parametrize("name", FILES)
def test_vectors_are_made_again_byte_for_byte(name: str) -> None:
    """A change of the protocol shows up as a change of a committed vector."""
    assert (HERE / f"{name}.json").read_bytes() == text_of(name).encode(), "run `python -m schemas.vectors.make`"


@pytest.mark.parametrize("name", FILES)
def test_vectors_have_names_of_their_own(name: str) -> None:
    """A failure points to one vector."""
    loaded = vectors(name)
    names = [v["name"] for kind in ("good", "bad") for v in loaded[kind]]
    assert len(set(names)) == len(names)
    assert all(loaded[kind] for kind in ("good", "bad"))


@cases("keys", "good")
def test_key_is_read(vector: Vector) -> None:
    """A private key and its vkey are one pair."""
    signer = Signer.from_text(vector["private"])
    assert (signer.name, signer.verifier.to_text()) == (vector["key_name"], vector["vkey"])


@cases("keys", "bad")
def test_bad_key_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        Verifier.from_text(vector["vkey"])


@pytest.mark.parametrize("kind", ["good", "bad"])
def test_record_has_its_canonical_bytes_digest_position_and_verdict(kind: str) -> None:
    """Every record has a digest, the broken ones too; the verdict on its headers names the header at fault."""
    for vector in vectors("records")[kind]:
        headers = [(h["name"], None if h.get("null") else bytes_of(h)) for h in vector["headers"]]
        value = None if vector["value"] is None else bytes.fromhex(vector["value"])
        data = bytes.fromhex(vector["canonical"])
        record = SimpleNamespace(headers=headers, value=value, key=None, offset=0, timestamp=0)
        by_name, read, digest = LeafReader().read(record)
        assert canonical(headers, value) == read == data, vector["name"]
        assert digest.hex() == vector["digest"]
        assert split_canonical(data)[1] == (value or b"")
        place = position(by_name)
        assert (None if place is None else list(place)) == vector["position"], vector["name"]
        verdict, field, moment = "ACCEPTED", "", None
        key = None if vector["key"] is None else vector["key"].encode()
        try:
            moment = read_envelope(CENTER, key, by_name, _count(headers)).time
        except Rejected as exc:
            verdict, field = exc.code, exc.field
        assert (verdict, field) == (vector["verdict"], vector["field"]), vector["name"]
        assert (kind == "good") == (verdict == "ACCEPTED" and place is not None), vector["name"]
        assert "time" not in vector or (moment and write_time(moment)) == vector["time"]


def _count(headers: list[tuple[str, bytes | None]]) -> int:
    """Return how many headers came, those that nobody signs counted once: a repeated one of them is no fault."""
    signed = [name for name, _ in headers if is_signed(name)]
    return len(dict(headers)) + len(signed) - len(set(signed))


@cases("framing", "good")
def test_value_is_decoded_and_encoded(vector: Vector) -> None:
    """A value leads to its schema by content, and back."""
    schema = parse_schema(vector["schema"].encode())
    assert (schema.id, schema.sha256) == (vector["schema_id"], vector["sha256"])
    schema_id, body = unframe(bytes.fromhex(vector["value"]))
    content = Codec(schema).decode(body)
    fields = {field["name"]: field["type"] for field in json.loads(vector["schema"])["fields"]}
    for name, expected in vector["content"].items():
        if isinstance(expected, str) and isinstance(fields[name], dict):
            assert int(content[name] * 100) == int.from_bytes(bytes.fromhex(expected), "big", signed=True)
        else:
            assert content[name] == expected
    assert schema_id == schema.id
    assert (Codec(schema).encode(content) == body) == vector.get("canonical", True)


@cases("framing", "bad")
def test_bad_value_is_refused(vector: Vector) -> None:
    """Each of these has one defect, and none decodes."""
    schema = parse_schema(vector["schema"].encode())

    def read() -> None:
        schema_id, body = unframe(bytes.fromhex(vector["value"]))
        if schema_id != schema.id:
            raise Malformed("unknown schema")
        Codec(schema).decode(body)

    with pytest.raises(Malformed):
        read()


@cases("trees", "good")
def test_tree_has_its_roots_and_edges(vector: Vector) -> None:
    """The root and the edge of every size, and the path of every leaf in it."""
    leaves = [bytes.fromhex(leaf) for leaf in vector["leaves"]]
    for row in vector["sizes"]:
        edge = Edge().append(leaves[: row["size"]])
        assert ([h.hex() for h in edge.hashes], edge.root.hex()) == (row["edge"], row["root"])
    for row in vector["inclusion"]:
        _include(row)


@cases("trees", "bad")
def test_bad_path_is_refused(vector: Vector) -> None:
    """Each of these has one defect."""
    with pytest.raises(Malformed):
        _include(vector)


def _include(row: Vector) -> None:
    path = [bytes.fromhex(step) for step in row["path"]]
    verify_inclusion(bytes.fromhex(row["leaf"]), row["index"], row["size"], path, bytes.fromhex(row["root"]))


@cases("notes", "good")
def test_note_is_read(vector: Vector) -> None:
    """A note has its text, its signer, and its bytes again."""
    note = Note.from_bytes(bytes_of(vector))
    said = vector["note_text"]
    assert note.text == (said if isinstance(said, str) else bytes_of(said).decode())
    assert note.verify(keys_of(vector)).name == vector["signer"]
    assert note.to_bytes() == bytes_of(vector)


@cases("seals", "good")
def test_seal_is_read(vector: Vector) -> None:
    """A seal has its size and root under the lane's origin."""
    checkpoint, note = open_seal(bytes_of(vector))
    note.verify(keys_of(vector))
    assert (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) == (ORIGIN, vector["size"], vector["root"])


def test_two_seals_of_the_fork_are_both_good_and_differ() -> None:
    """The evidence of a fork stands on its own: two notes and the center's key."""
    loaded = vectors("seals")
    keys, roots = keys_of(loaded["good"][0]), []
    for side in ("one", "other"):
        checkpoint, note = open_seal(bytes_of(loaded["fork"][side]))
        note.verify(keys)
        roots.append((checkpoint.origin, checkpoint.size, checkpoint.root))
    assert roots[0][:2] == roots[1][:2]
    assert roots[0] != roots[1]


@cases("receipts", "good")
def test_receipt_is_read(vector: Vector) -> None:
    """A receipt says what its vector says, and has its text again."""
    said, content = _answer(vector), vector["content"]
    assert isinstance(said, Receipt)
    assert (said.origin, said.first, said.last) == (content["origin"], content["from"], content["to"])
    assert (said.root.hex(), said.basis) == (content["root"], content["basis"])
    assert [d.to_text().split(" ", 3) for d in said.decisions] == content["decisions"]


@cases("resends", "good")
def test_resend_is_read(vector: Vector) -> None:
    """A resend request says from where."""
    said, content = _answer(vector), vector["content"]
    assert said == Resend(content["origin"], content["from"], content["reason"])


def _answer(vector: Vector) -> Receipt | Resend:
    note = Note.from_bytes(bytes_of(vector))
    note.verify(keys_of(vector))
    said = read_answer(note.text)
    assert said.to_text() == note.text
    return said


@cases("enrolments", "good")
def test_enrolment_is_read(vector: Vector) -> None:
    """A key has proved itself, and the one before it has signed too."""
    asked = open_enrolment(bytes_of(vector))
    asked.note.verify(keys_of(vector))
    found = {"hub": asked.hub, "center": asked.center, "purpose": asked.purpose, "vkey": asked.key.to_text()}
    assert found == vector["content"]


@cases("trust", "good")
def test_trust_file_is_read(vector: Vector) -> None:
    """The pinned root key vouches for the hub's keys."""
    trust = open_trust(bytes_of(vector), keys_of(vector)[0])
    in_use = [
        key.to_text()
        for purpose, keys in trust.keys().items()
        for key in keys
        if purpose == "witness" or trust.in_use(purpose, key.algorithm) == key
    ]
    assert vector["content"] == {
        "hub": trust.hub,
        "serial": trust.serial,
        "root": trust.root.to_text(),
        "receipts": trust.receipts[-1].to_text(),
        "in_use": in_use,
        "retired": [key.to_text() for _, key in trust.retired],
    }


@cases("presence", "good")
def test_presence_is_read(vector: Vector) -> None:
    """A center says that it is there."""
    note = Note.from_bytes(bytes_of(vector))
    note.verify(keys_of(vector))
    said, content = Presence.from_text(note.text), vector["content"]
    assert (said.center, said.origin or None, said.size) == (content["center"], content["origin"], content["size"])
    assert (said.backlog, said.version, said.to_text()) == (content["backlog"], content["version"], note.text)
    assert list(said.reads) == content.get("reads", [])
    assert (said.more is not None) == ("refused" in content)
    if said.more is not None:
        assert (said.more.oldest_s, said.more.refused) == (content["oldest"], content["refused"])
        assert (said.more.ended or None) == content["ended"]


@cases("statuses", "good")
def test_status_is_read(vector: Vector) -> None:
    """HQ says how it stands with a center, since when, and why."""
    said, content = read_said(_read_note(vector).text), vector["content"]
    assert isinstance(said, StatusNote)
    assert (said.hub, said.center, said.lane or None) == (content["hub"], content["center"], content["lane"])
    assert (said.size, str(said.state), said.why or None) == (content["size"], content["state"], content["why"])
    assert (said.basis, said.hq_lane, said.rules) == (content["basis"], content["hq_lane"], content["rules"])
    assert list(said.reads) == content["reads"]
    assert (said.why.partition(" ")[0] or None) == content["code"]
    assert said.to_text() == _read_note(vector).text


@cases("alarms", "good")
def test_alarm_is_read(vector: Vector) -> None:
    """A center's witness holds something against HQ's log, or nothing any more."""
    note = Note.from_bytes(bytes_of(vector))
    note.verify(keys_of(vector))
    said, content = Alarm.from_text(note.text), vector["content"]
    assert (said.center, said.size, said.reason or None) == (content["center"], content["size"], content["reason"])
    assert said.to_text() == note.text


@cases("sessions", "good")
def test_session_is_read(vector: Vector) -> None:
    """A center asks for a session at this address, with a key made for it."""
    said, content = SessionNote.from_text(_read_note(vector).text), vector["content"]
    assert (said.hub, said.center, said.address) == (content["hub"], content["center"], content["address"])
    assert (said.nonce.hex(), said.key.hex()) == (content["nonce"], content["key"])
    assert said.to_text() == _read_note(vector).text


@cases("sessions", "bad")
def test_bad_session_is_at_fault_in_one_thing(vector: Vector) -> None:
    """It is signed by the key that its center would have: a reader that looks at the signature alone takes it."""
    by = _read_note(vector) if vector["reason"] != "no line by the key" else None
    hub, center = bytes_of(vector).decode().split("\n")[1:3]
    assert [key.name for key in keys_of(vector)] == [f"{hub}/{center}"]
    assert by is None or by.text.startswith("cohub-session/v")


@cases("requests", "good")
def test_request_is_verified(vector: Vector) -> None:
    """The base of the signature is made byte for byte."""
    assert _read_request(vector).decode() == vector["base"]


@cases("requests", "bad")
def test_bad_request_is_refused(vector: Vector) -> None:
    """Each of these has one defect: it covers too little, was changed, or can be read in two ways."""
    with pytest.raises(Malformed):
        _read_request(vector)


def _read_request(vector: Vector) -> bytes:
    request = Request(vector["method"], vector["address"], vector["target"], vector["fields"])
    signed, _ = read_request(request)
    signed.verify(request, session_key("hub.example", CENTER, bytes.fromhex(vector["key"])))
    check_body(read_digests(request.fields["content-digest"]), vector["body"].encode())
    return signed.base(request)


def _read_note(vector: Vector) -> Note:
    note = Note.from_bytes(bytes_of(vector))
    note.verify(keys_of(vector))
    return note


def _read_seal(vector: Vector) -> None:
    checkpoint, note = open_seal(bytes_of(vector))
    note.verify(keys_of(vector))
    good = vectors("seals")["good"][-1]
    if (checkpoint.origin, checkpoint.size, checkpoint.root.hex()) != (ORIGIN, good["size"], good["root"]):
        raise Malformed("not the seal of these records")


READERS: dict[str, Callable[[Vector], object]] = {
    "notes": _read_note,
    "seals": _read_seal,
    "receipts": lambda vector: read_answer(_read_note(vector).text),
    "resends": lambda vector: read_answer(_read_note(vector).text),
    "enrolments": lambda vector: open_enrolment(bytes_of(vector)),
    "trust": lambda vector: open_trust(bytes_of(vector), keys_of(vector)[0]),
    "statuses": lambda vector: read_said(_read_note(vector).text),
    "presence": lambda vector: Presence.from_text(_read_note(vector).text),
    "sessions": lambda vector: SessionNote.from_text(_read_note(vector).text),
    "alarms": lambda vector: Alarm.from_text(_read_note(vector).text),
}


@pytest.mark.parametrize(
    ("name", "vector"),
    [pytest.param(name, v, id=f"{name}-{v['name']}") for name in READERS for v in vectors(name)["bad"]],
)
def test_bad_note_is_refused(name: str, vector: Vector) -> None:
    """Each of these has one defect, and no reader takes it."""
    with pytest.raises(Malformed):
        READERS[name](vector)
