"""`python -m schemas.asyncapi`: write asyncapi.yaml, the channels and messages of a hub in AsyncAPI 3.0.

It is made from the schemas that are there and the catalogue of streams; a test compares it with the committed file.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import yaml

import schemas
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.stream import HQ
from hub.protocol.control import PRESENCE, PRESENCE_V2
from hub.protocol.joining import ANSWER, KIND_ANSWER, KIND_HEADER, KIND_REQUEST
from hub.protocol.limits import ATTRIBUTE_BYTES_MAX
from hub.protocol.receipt import RECEIPT, RESEND
from hub.protocol.record import (
    CONTENT_TYPE,
    CONTROL_HEADER,
    LANE_OPENED,
    RECEIPT_HEADER,
    REQUIRED,
    SCHEMA_HEADER,
    SEAL_HEADER,
)
from hub.protocol.status import STATUS, STATUS_KIND
from hub.protocol.topics import CHECKPOINTS, LANE, SCHEMAS, TRUST
from hub.protocol.trust import TRUST_V2
from hub.protocol.witness import AFTER_HEADER, ALARM, ALARM_KIND, COSIGNATURE_KIND, LEAVES_HEADER

Json = dict[str, Any]
TARGET: Final = Path(__file__).with_name("asyncapi.yaml")
AVRO: Final = "application/vnd.apache.avro;version=1.9.0"
KAFKA_BINDING: Final = "0.5.0"
NOTE_TYPE: Final = "text/plain; charset=utf-8"
ABOUT: Final = """\
Sealed events come in on one topic a center, receipts go back on another, and what HQ accepted goes out to everybody.
PROTOCOL.md beside this file has what AsyncAPI cannot say: canonical bytes, lanes, seals, taking, receipts.
Seen from HQ: `receive` is what HQ reads, `send` is what HQ writes. A connector does the opposite.
"""
OUT: Final = ["receipt", "resend", "status"]
CONTROL: Final = ("presence", COSIGNATURE_KIND, ALARM_KIND)
HEADERS: Final = {
    "ce_causationid": "Id of the event that caused this one.",
    "ce_correlationid": "Id that a chain of causes and effects has in common.",
    "ce_dataschema": "urn:sha256: and the SHA-256 (hex) of the schema file.",
    "ce_epoch": "Epoch of the lane, 8 hex digits.",
    "ce_id": "UUIDv7.",
    "ce_sequence": "Place in the lane, decimal, from 1 without gaps.",
    "ce_source": "/centers/ and the center's id.",
    "ce_specversion": "1.0",
    "ce_subject": "The entity's id, <center>:<key>; equal to the record's key.",
    "ce_time": "When it happened, RFC 3339.",
    "ce_traceparent": "W3C trace context.",
    "ce_type": "The event type.",
    "content-type": CONTENT_TYPE.decode(),
}


def document(paths: Iterable[str]) -> Json:
    """Return the AsyncAPI document for the schemas at these paths, such as `offer/offer.published.v1.avsc`."""
    every = sorted(paths)
    events = {kind.type: kind for kind in KINDS.values() if kind.schema_path in every}
    states = [path for path in every if path.startswith("state/")]
    incoming = [t for t, kind in events.items() if STREAMS[kind.stream].writer != HQ]
    messages = {t: _event(t, kind.schema_path) for t, kind in sorted(events.items())}
    messages |= {_state_name(path): _state(path) for path in states}
    messages |= {
        "presence": _note(
            "presence",
            f"{PRESENCE} or, once HQ has announced that it reads it, {PRESENCE_V2}",
            "The center says that it is there, or as its last word why its connector ended.",
            _fixed(CONTROL_HEADER, "presence"),
        ),
        "cosignature": _note(
            "cosignature",
            "<hub>/log",
            "The center's witness has found a checkpoint of HQ's log consistent with all before.",
            _fixed(CONTROL_HEADER, COSIGNATURE_KIND),
        ),
        "alarm": _note(
            "alarm", ALARM, "What the center's witness holds against HQ's log.", _fixed(CONTROL_HEADER, ALARM_KIND)
        ),
        "receipt": _note("receipt", RECEIPT, "One commit at HQ, with its verdicts.", _fixed("cohub-kind", "receipt")),
        "join": {
            "name": "join",
            "summary": "An invited office asks to be this center: encrypted (PROTOCOL.md, section 18).",
            "contentType": "application/octet-stream",
            "headers": _fixed(KIND_HEADER, KIND_REQUEST.decode()),
            "payload": {"type": "string", "description": "The encapsulated key of HPKE, then the ciphertext."},
        },
        "joined": _note(
            "joined", ANSWER, "What HQ says to who asked to join.", _fixed(KIND_HEADER, KIND_ANSWER.decode())
        ),
        "checkpoint": _checkpoint(),
        "schema": _schema(),
        "trust": _note("trust", TRUST_V2, "The keys that HQ signs with, signed by the root key.", {}),
        "resend": _note("resend", RESEND, "HQ asks for a lane again.", _fixed("cohub-kind", "resend")),
        "status": _note(
            "status",
            STATUS,
            "How HQ stands with a center that has announced that it reads this: since when, why.",
            _fixed("cohub-kind", STATUS_KIND),
        ),
    }
    state_names = [_state_name(path) for path in states]
    own = [t for t, kind in events.items() if STREAMS[kind.stream].writer == HQ or kind.type == LANE_OPENED]
    channels: Json = {
        "in": _channel("in.{center}", "Written by the center alone; one partition.", [*incoming, *CONTROL]),
        "out": _channel("out.{center}", "Written by HQ alone, for that center; one partition.", OUT),
        "join": _channel("join.{center}", "While an invitation is open; one partition.", ["join", "joined"]),
        "events": _channel("events", "Every accepted event, each lane in its order.", list(events)),
        "checkpoints": _channel(
            CHECKPOINTS, "What HQ signs of its log, key = size; one partition, compacted.", ["checkpoint"]
        ),
        "trust": _channel(TRUST, "The newest trust note, key = the hub's name; one partition, compacted.", ["trust"]),
        "lane": _channel(LANE, "HQ's own lane as it was sealed; one partition, kept for ever.", own),
        "schemas": _channel(SCHEMAS, "The schemas of state.*; one partition, compacted.", ["schema"]),
        "state": _channel("state.{stream}", "The newest record of each entity; compacted.", state_names),
    }
    channels["state"]["parameters"]["stream"]["enum"] = sorted({name.split(".")[1] for name in state_names})
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "cohub",
            "version": "1",
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": CONTENT_TYPE.decode(),
        "channels": channels,
        "operations": {
            "take": _operation("receive", "in", "HQ takes sealed events and control records.")
            | {"reply": {"channel": {"$ref": "#/channels/out"}}},
            "answer": _operation(
                "send", "out", "HQ sends a receipt for each commit, asks for what is missing, and says how it stands."
            ),
            "hearWhoJoins": _operation("receive", "join", "HQ hears an office that it has invited.")
            | {"reply": {"channel": {"$ref": "#/channels/join"}}},
            "publishEvents": _operation("send", "events", "HQ publishes what it accepted."),
            "sayCheckpoint": _operation("send", "checkpoints", "HQ says what its log of all receipts is now."),
            "sayTrust": _operation("send", "trust", "HQ says which keys it signs with, before it does."),
            "sayLane": _operation("send", "lane", "HQ says what it has sealed of centers, keys and schemas."),
            "saySchema": _operation("send", "schemas", "HQ says by which schemas it writes states."),
            "publishState": _operation("send", "state", "HQ publishes the entities that changed."),
        },
        "components": {
            "messages": messages,
            "messageTraits": {"event": {"headers": _headers()}},
        },
    }


def text_of(paths: Iterable[str]) -> str:
    """Return the document as YAML."""
    text: str = yaml.dump(document(paths), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return "# Made by `python -m schemas.asyncapi`; a test compares it. Do not edit.\n" + text


class _Dumper(yaml.SafeDumper):
    """Writes what repeats in full: anchors are hard to read and some tools refuse them."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _channel(address: str, description: str, names: list[str]) -> Json:
    channel: Json = {"address": address, "description": description}
    _, _, parameter = address.rstrip("}").partition("{")
    if parameter:
        channel["parameters"] = {parameter: {"description": f"The {parameter}'s id."}}
    channel["messages"] = {_key(name): {"$ref": f"#/components/messages/{name}"} for name in names}
    if parameter == "center":
        channel["bindings"] = {"kafka": {"partitions": 1, "bindingVersion": KAFKA_BINDING}}
    return channel


def _operation(action: str, channel: str, summary: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _event(event_type: str, path: str) -> Json:
    return {
        "name": event_type,
        "contentType": CONTENT_TYPE.decode(),
        "traits": [{"$ref": "#/components/messageTraits/event"}],
        "payload": _avro(path),
        "bindings": _keyed("The entity's id, as ce_subject."),
    }


def _state(path: str) -> Json:
    name = _state_name(path)
    return {
        "name": name,
        "summary": f"An entity whose record came with {name.removeprefix('state.')}.",
        "contentType": CONTENT_TYPE.decode(),
        "headers": _state_headers(),
        "payload": _avro(path),
        "bindings": _keyed("The entity's id."),
    }


def _state_headers() -> Json:
    named = {"type": "string", "description": "urn:sha256: and the SHA-256 (hex) of the value's schema."}
    content = {"type": "string", "const": CONTENT_TYPE.decode()}
    return {
        "type": "object",
        "required": ["content-type", SCHEMA_HEADER],
        "properties": {"content-type": content, SCHEMA_HEADER: named},
    }


def _schema() -> Json:
    key = {"type": "string", "description": "The schema's id, decimal."}
    return {
        "name": "schema",
        "summary": "A schema of state.*, by its id.",
        "contentType": "application/json",
        "payload": {"type": "string", "description": "An Avro schema: the file's exact bytes."},
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}},
    }


def _note(name: str, first_line: str, summary: str, headers: Json) -> Json:
    return {
        "name": name,
        "summary": summary,
        "contentType": NOTE_TYPE,
        **({"headers": headers} if headers else {}),
        "payload": {"type": "string", "description": f"A signed note that begins with the line {first_line}."},
    }


def _checkpoint() -> Json:
    headers: Json = {
        AFTER_HEADER: {"type": "string", "description": "The size of the checkpoint before it, decimal."},
        LEAVES_HEADER: {"type": "string", "description": "Bytes: the leaf hashes since then, 32 each, concatenated."},
    }
    key = {"type": "string", "description": "The size, decimal."}
    return {
        "name": "checkpoint",
        "summary": "A checkpoint of HQ's log: every receipt's text is a leaf.",
        "contentType": NOTE_TYPE,
        "headers": {"type": "object", "required": list(headers), "properties": headers},
        "payload": {"type": "string", "description": "A signed note: C2SP tlog-checkpoint of <hub>/log."},
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA_BINDING}},
    }


def _headers() -> Json:
    properties: Json = {
        name: {"type": "string", "description": about, "maxLength": ATTRIBUTE_BYTES_MAX}
        for name, about in HEADERS.items()
    }
    properties["ce_specversion"]["const"] = "1.0"
    properties["content-type"]["const"] = CONTENT_TYPE.decode()
    properties[SEAL_HEADER] = {
        "type": "string",
        "description": "On the last record of a batch, on in.{center} and hub.lane: the seal, a signed note.",
    }
    properties[RECEIPT_HEADER] = {
        "type": "string",
        "description": "Beside the seal on hub.lane: HQ's receipt for the batch, a signed note.",
    }
    return {"type": "object", "required": list(REQUIRED), "properties": properties}


def _fixed(header: str, value: str) -> Json:
    return {"type": "object", "required": [header], "properties": {header: {"type": "string", "const": value}}}


def _avro(path: str) -> Json:
    return {"schemaFormat": AVRO, "schema": {"$ref": f"./{path}"}}


def _keyed(about: str) -> Json:
    return {
        "kafka": {
            "key": {"type": "string", "description": about},
            "schemaIdLocation": "payload",
            "schemaIdPayloadEncoding": "confluent",
            "bindingVersion": KAFKA_BINDING,
        }
    }


def _state_name(path: str) -> str:
    return path.removesuffix(".avsc").replace("/", ".", 1)


def _key(name: str) -> str:
    """Return a message's name as a key of a channel, where AsyncAPI wants no dots."""
    return name.replace(".", "_")


if __name__ == "__main__":
    TARGET.write_text(text_of(schemas.paths()), encoding="utf-8", newline="\n")
