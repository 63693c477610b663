"""What both ends read of each other: notes and what is in them, keys, records, Avro."""

from __future__ import annotations

import gzip
import json

from hub.protocol.avro import PREFIX_SIZE, Codec, frame, unframe
from hub.protocol.batch import frames, read_patiently, unpacked
from hub.protocol.checkpoint import open_checkpoint, open_seal
from hub.protocol.control import Presence, open_enrolment
from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Malformed, Rejected
from hub.protocol.fingerprint import WORDS_COUNT, Fingerprint
from hub.protocol.forms import announce, announced
from hub.protocol.http_signature import SIGNATURE, SIGNATURE_INPUT, MessageSignature, content_digest, read_digests
from hub.protocol.invitation import Invitation
from hub.protocol.joining import Answer, JoinRequest
from hub.protocol.keys import Signature, Signer, Verifier
from hub.protocol.leaf import LeafReader
from hub.protocol.moment import read_time
from hub.protocol.note import Note
from hub.protocol.proof import TlogProof
from hub.protocol.receipt import read_answer
from hub.protocol.record import canonical, position
from hub.protocol.schema import parse_released, parse_schema
from hub.protocol.session import SessionNote
from hub.protocol.status import StatusNote
from hub.protocol.tiles import read_bundle, write_bundle
from hub.protocol.traceparent import read_traceparent
from hub.protocol.trust import open_trust
from hub.protocol.witness import Alarm, LentLog, open_cosigned
from hub.store.released import released_schemas
from tests.fuzz.target import VECTORS, Script, Target, encoded, note_texts, vectors
from tests.support.center import Center, Sent
from tests.support.raw import batch, old_batch, record

SCHEMAS = sorted(released_schemas().items())
CODECS = [Codec(schema) for _, schema in SCHEMAS]
HEADERS = (
    "ce_causationid", "ce_correlationid", "ce_dataschema", "ce_epoch", "ce_id", "ce_sequence", "ce_source",
    "ce_specversion", "ce_subject", "ce_time", "ce_traceparent", "ce_type", "cohub-control", "cohub-seal",
    "content-type",
)  # fmt: skip


def text(data: bytes) -> str:
    """Return the text that a parser of texts is given: its caller has decoded it. Errors: Malformed."""
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise Malformed("no UTF-8") from exc


def _note(data: bytes) -> None:
    assert Note.from_bytes(data).to_bytes() == data


def _vkey(data: bytes) -> None:
    assert Verifier.from_text(text(data)).to_text() == text(data)


def _signer(data: bytes) -> None:
    assert Signer.from_text(text(data)).to_text() == text(data).strip()


def _signature(data: bytes) -> None:
    Signature.from_text(text(data))


def _answer(data: bytes) -> None:
    written = read_answer(text(data)).to_text()  # its lines are as they are written today: 0.2 wrote others too
    assert read_answer(written).to_text() == written


def _presence(data: bytes) -> None:
    written = Presence.from_text(text(data)).to_text()  # its version is cut, and put on one line
    assert Presence.from_text(written).to_text() == written


def _status(data: bytes) -> None:
    assert StatusNote.from_text(text(data)).to_text() == text(data)


def _invitation(data: bytes) -> None:
    read = Invitation.from_bytes(data)
    assert Invitation.from_bytes(read.to_bytes()) == read


def _join(data: bytes) -> None:
    assert JoinRequest.from_bytes(data).to_bytes() == data


def _joined(data: bytes) -> None:
    assert Answer.from_text(text(data)).to_text() == text(data)


def _fingerprint(data: bytes) -> None:
    read = Fingerprint.from_text(text(data))
    assert len(read.words) == WORDS_COUNT
    assert Fingerprint.from_text(read.to_text()) == read


def _announced(data: bytes) -> None:
    for form in announced(text(data)):
        assert form in text(data)


def _session(data: bytes) -> None:
    assert SessionNote.from_text(text(data)).to_text() == text(data)


def _http_signature(data: bytes) -> None:
    said, _, signed = text(data).partition("\n")
    found = MessageSignature.from_fields({SIGNATURE_INPUT: said, SIGNATURE: signed})
    assert said.strip(" \t") == f"{found.label}={found.params}"


def _content_digest(data: bytes) -> None:
    for name, digest in read_digests(text(data)).items():
        assert name in text(data)
        assert digest is not None


def _signature_seeds() -> list[bytes]:
    rows = json.loads((VECTORS / "requests.json").read_text("utf-8"))["good"]
    return ["{signature-input}\n{signature}".format_map(row["fields"]).encode() for row in rows]


def _alarm(data: bytes) -> None:
    written = Alarm.from_text(text(data)).to_text()
    assert Alarm.from_text(written).to_text() == written


def _proof(data: bytes) -> None:
    TlogProof.from_text(text(data))


def _entries(data: bytes) -> None:
    assert write_bundle(read_bundle(data)) == data


def _time(data: bytes) -> None:
    read_time(text(data))


def _traceparent(data: bytes) -> None:
    read = read_traceparent(data)
    assert read is None or read_traceparent(read.to_text().encode()) == read


def _avro(data: bytes) -> None:
    if not data:
        raise Malformed("nothing")
    CODECS[data[0] % len(CODECS)].decode(data[1:])


def _unframe(data: bytes) -> None:
    number, body = unframe(data)
    assert frame(number, body) == data


def made_record(script: Script) -> Sent:
    """Return an event's record of which some headers, the key or the value are what the script wants."""
    center = Center()
    record = center.event("net.cohub.lane.opened.v1", center.epoch, {
        "origin": center.origin, "previous_origin": None, "previous_size": 0, "previous_root": None, "reason": None,
    })  # fmt: skip
    while not script.is_empty:
        change, name = script.number(6), script.one(HEADERS)
        if change == 0:
            record = record.header(name, script.some())
        elif change == 1:
            record = record.without(name)
        elif change == 2:
            record = record.plus(name, script.some())
        elif change == 3:
            record = record.plus(script.some().decode("latin-1"), script.one((None, b"", b"x")))
        elif change == 4:
            record = Sent(script.some(), record.value, record.headers)
        else:
            record = Sent(record.key, script.one((None, script.some(), record.value)), record.headers)
    return record


def _record(data: bytes) -> None:
    record = made_record(Script(data))
    headers, block, leaf = LeafReader().read(record)
    assert block == canonical(record.headers, record.value)
    assert len(leaf) == 32
    position(headers)
    read_envelope("uz", record.key, headers, len(record.headers))


def _batches(data: bytes) -> None:
    read = 0
    for part in frames(data):
        read += len(part.data)
        if part.head is not None:
            list(read_patiently(unpacked(part.data, part.head), part.head))
    assert read <= len(data)


def batch_seeds() -> list[bytes]:
    """Return batches that are read, or nearly."""
    one = record(b"uz:K-1", b"value", [(b"ce_id", b"1"), (b"ce_\xff", None)])
    packed = batch([one], codec=1, payload=gzip.compress(one))
    return [batch([one]), packed, packed + batch([one], first=1), batch([one], codec=4), old_batch(1, one)]


PROTOCOL = (
    Target("batches", _batches, batch_seeds),
    Target("traceparent", _traceparent, lambda: [b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]),
    Target("note", _note, vectors("notes", "seals", "receipts", "trust", "cosignatures", "enrolments"), bytes_max=8192),
    Target("vkey", _vkey, vectors("keys", field="vkey")),
    Target("private-key", _signer, vectors("keys", field="private")),
    Target("signature", _signature, lambda: [line for seed in vectors("notes")() for line in seed.splitlines()[-1:]]),
    Target("seal", open_seal, vectors("seals")),
    Target("checkpoint", open_checkpoint, vectors("seals", "cosignatures")),
    Target("answer", _answer, note_texts("receipts", "resends"), bytes_max=8192),
    Target("trust", open_trust, vectors("trust"), bytes_max=16384),
    Target("presence", _presence, note_texts("presence")),
    Target("status", _status, note_texts("statuses")),
    Target("announced", _announced, lambda: [announce("cohub 0.3.0", ("status/v1",)).encode()], refusals=(Malformed,)),
    Target("session", _session, note_texts("sessions")),
    Target("http-signature", _http_signature, _signature_seeds),
    Target("content-digest", _content_digest, lambda: [content_digest(b"").encode()], bytes_max=512),
    Target("alarm", _alarm, note_texts("alarms")),
    Target("cosigned", open_cosigned, vectors("cosignatures"), bytes_max=8192),
    Target("lent-log", LentLog.from_bytes, lambda: [LentLog(7, (b"l" * 32,), b"a note").to_bytes()], bytes_max=8192),
    Target("enrolment", open_enrolment, vectors("enrolments"), bytes_max=8192),
    Target("invitation", _invitation, vectors("invitations"), bytes_max=16384),
    Target("join", _join, vectors("joins"), bytes_max=8192),
    Target("joined", _joined, note_texts("joined")),
    Target("fingerprint", _fingerprint, vectors("fingerprints"), bytes_max=512),
    Target("proof", _proof, vectors("proofs"), bytes_max=16384),
    Target("entries", _entries, encoded("tiles", "bundle")),
    Target("time", _time, lambda: [b"2026-03-01T12:00:00.250000Z", b"2026-03-01T12:00:00+05:00"], bytes_max=64),
    Target("avro", _avro, lambda: [bytes([n]) + bytes(64) for n in range(len(CODECS))]),
    Target("framing", _unframe, lambda: [bytes(PREFIX_SIZE), b"\x00\x01\x02\x03\x04rest"]),
    Target("schema", parse_schema, lambda: [schema.text.encode() for _, schema in SCHEMAS[:20]], bytes_max=8192),
    Target("released", parse_released, lambda: [b'[{"path":"a.avsc","sha256":"00","id":1}]'], bytes_max=8192),
    Target("record", _record, lambda: [b"", bytes(range(64))], (Malformed, Rejected)),
)
