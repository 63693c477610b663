"""The limits table of PROTOCOL.md: every bound of the protocol once, from the code that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connectors.mapping.person import PARTS_BYTES_MAX
from connectors.runtime.lane_window import BYTES_MAX as LANE_BYTES_MAX
from connectors.runtime.lane_window import HEADER_BYTES_MAX as LANE_HEADER_BYTES_MAX
from connectors.runtime.lane_window import HEADERS_MAX as LANE_HEADERS_MAX
from connectors.runtime.lane_window import RECORDS_MAX as LANE_RECORDS_MAX
from connectors.runtime.witness import LEAVES_MAX as LEAVES_READ_MAX
from hub.domain.sealed import SEALED_LENGTH_MAX
from hub.evidence.container import (
    ARCHIVE_BYTES_MAX,
    FILE_BYTES_MAX,
    FILES_MAX,
    PATH_CHARACTERS_MAX,
    TOTAL_BYTES_MAX,
)
from hub.ledger.notary import LEAVES_MAX
from hub.ledger.settle import RECEIPT_EVENTS_MAX
from hub.protocol.batch import KEPT_BYTES_MAX
from hub.protocol.control import VERSION_CHARS_MAX
from hub.protocol.forms import FORMS_MAX
from hub.protocol.invitation import ADDRESS_LENGTH_MAX, ADDRESSES_MAX, BUNDLE_BYTES_MAX, CA_LENGTH_MAX, NAME_LENGTH_MAX
from hub.protocol.joining import JOIN_BYTES_MAX
from hub.protocol.limits import (
    ANSWER_BYTES_MAX,
    ASIDE_BYTES_MAX,
    ATTRIBUTE_BYTES_MAX,
    BATCH_BYTES_MAX,
    BATCH_EVENTS_MAX,
    HEADERS_MAX,
    KAFKA_BYTES_MAX,
    KAFKA_HEADERS_MAX,
    KAFKA_MEMBERS_MAX,
    KAFKA_RECORDS_MAX,
    KEY_CHARS_MAX,
    REQUEST_BYTES_MAX,
    REQUEST_FIELDS_BYTES_MAX,
    REQUEST_FIELDS_MAX,
    TAIL_BYTES_MAX,
    TAIL_EVENTS_MAX,
    VALUE_BYTES_MAX,
)
from hub.protocol.note import NOTE_BYTES_MAX, SIGNATURES_MAX
from hub.protocol.proof import EXTRA_BYTES_MAX, PATH_MAX
from hub.protocol.receipt import LINE_BYTES_MAX
from hub.protocol.session import NUMBERS_KEPT
from hub.protocol.tiles import ENTRY_BYTES_MAX
from hub.protocol.trust import TRUST_KEYS_MAX
from hub.protocol.witness import REASON_BYTES_MAX

# These stand in patterns and texts, not as names of their own; a test holds them to what is read and refused.
HUB_CHARACTERS_MAX: Final = 253
CENTER_CHARACTERS_MAX: Final = 63
NAME_CHARACTERS_MAX: Final = 40
REASON_CHARACTERS_MAX: Final = 200
AHEAD_HOURS_MAX: Final = 24
FIELD_CHARACTERS_MAX: Final = 60  # of a header's name that is none, in a verdict
CODE_CHARACTERS_MAX: Final = 40
CAUSE_KEYS_MAX: Final = 8
FORM_CHARACTERS_MAX: Final = 20
VERSION_DIGITS_MAX: Final = 4
COSIGNATURES_MAX: Final = 99
STREAM_CHARACTERS_MAX: Final = 40
SCHEMA_CHARACTERS_MAX: Final = 80  # its name's in a bundle, with the dot of `.avsc` before it
STATE_CHARACTERS_MAX: Final = 60

WRITER: Final = "the writer"  # keeps it; readers take more
READER: Final = "every reader"  # refuses more
HQ: Final = "HQ"


@dataclass(frozen=True, slots=True)
class Limit:
    """One row: of what, how much, in which unit, and who holds it."""

    of: str
    number: int
    unit: str
    holder: str

    @property
    def said(self) -> str:
        """The number with its unit, as the table has it."""
        return f"{self.number:,} {self.unit}"


LIMITS: Final = (
    Limit("a hub's name", HUB_CHARACTERS_MAX, "characters", READER),
    Limit("a center's id", CENTER_CHARACTERS_MAX, "characters", READER),
    Limit("an entity's key, behind the colon", KEY_CHARS_MAX, "characters", "HQ: `BAD_HEADERS`"),
    Limit("the name of a header, behind `ce_`", NAME_CHARACTERS_MAX, "characters", "HQ: `BAD_HEADERS`"),
    Limit("what a verdict's field has of a name that is none", FIELD_CHARACTERS_MAX, "characters", WRITER),
    Limit("the value of a signed header", ATTRIBUTE_BYTES_MAX, "bytes of UTF-8", "HQ: `BAD_HEADERS`"),
    Limit("the value of a record", VALUE_BYTES_MAX, "bytes", "HQ: `TOO_LARGE`"),
    Limit("`ce_time` ahead of HQ's clock", AHEAD_HOURS_MAX, "hours", "HQ: `TIME_IN_FUTURE`"),
    Limit("a note", NOTE_BYTES_MAX, "bytes", READER),
    Limit("a note's signatures", SIGNATURES_MAX, "lines", READER),
    Limit("what a center puts under one seal", BATCH_EVENTS_MAX, "events", WRITER),
    Limit("the same, by keys, values and headers", BATCH_BYTES_MAX, "bytes", WRITER),
    Limit("what HQ takes under one seal, and a tail without a good one", TAIL_EVENTS_MAX, "events", HQ),
    Limit("the same, by canonical bytes", TAIL_BYTES_MAX, "bytes", HQ),
    Limit("a Kafka batch, unpacked", KAFKA_BYTES_MAX, "bytes", READER),
    Limit("its records", KAFKA_RECORDS_MAX, "records", READER),
    Limit("the headers of all of them", KAFKA_HEADERS_MAX, "headers", READER),
    Limit("the members of its gzip stream", KAFKA_MEMBERS_MAX, "members", READER),
    Limit("the headers of a record", HEADERS_MAX, "headers", "HQ: `OVERSIZED`"),
    Limit("its key and unsigned headers", ASIDE_BYTES_MAX, "bytes", "HQ: `OVERSIZED`"),
    Limit("what is kept of a batch that is not read", KEPT_BYTES_MAX, "bytes", HQ),
    Limit("a receipt", RECEIPT_EVENTS_MAX, "events", HQ),
    Limit("a line of a receipt; the reason of a resend request", LINE_BYTES_MAX, "bytes", WRITER),
    Limit("a reason in a status note or presence/v2", LINE_BYTES_MAX, "bytes", READER),
    Limit("the code of a verdict or a cause", CODE_CHARACTERS_MAX, "characters", READER),
    Limit("the keys that a cause names", CAUSE_KEYS_MAX, "keys", READER),
    Limit("the forms that one side announces", FORMS_MAX, "forms", READER),
    Limit("the name of a form", FORM_CHARACTERS_MAX, "characters", READER),
    Limit("the version of a form or a schema", VERSION_DIGITS_MAX, "digits", READER),
    Limit("the software and version in a presence", VERSION_CHARS_MAX, "characters", "the writer; in v2 every reader"),
    Limit("the reason in a trust note", REASON_CHARACTERS_MAX, "characters", READER),
    Limit("the keys in a trust note", TRUST_KEYS_MAX, "keys", READER),
    Limit("the reason of an alarm", REASON_BYTES_MAX, "bytes", WRITER),
    Limit("the parts of a sealed value, before the spaces", PARTS_BYTES_MAX, "bytes", WRITER),
    Limit("a sealed value", SEALED_LENGTH_MAX, "characters", "HQ: `TOO_LONG`"),
    Limit("an entry of HQ's log", ENTRY_BYTES_MAX, "bytes", HQ),
    Limit("the leaves in a record of `hub.checkpoints`, as HQ writes it", LEAVES_MAX, "leaves", HQ),
    Limit("the same, as it is read", LEAVES_READ_MAX, "leaves", READER),
    Limit("a proof's path", PATH_MAX, "hashes", READER),
    Limit("a proof's extra data", EXTRA_BYTES_MAX, "bytes", READER),
    Limit("the headers of a record of `hub.lane`", LANE_HEADERS_MAX, "headers", READER),
    Limit("the same, names and contents", LANE_HEADER_BYTES_MAX >> 10, "KiB", READER),
    Limit("what waits of `hub.lane` for a seal", LANE_RECORDS_MAX, "records", "each reader"),
    Limit("the same, by canonical bytes, seals and receipts", LANE_BYTES_MAX >> 20, "MiB", "each reader"),
    Limit("the body of a request over HTTPS", REQUEST_BYTES_MAX, "bytes", HQ),
    Limit("its records or events", BATCH_EVENTS_MAX, "records", HQ),
    Limit("its header fields", REQUEST_FIELDS_MAX, "fields", HQ),
    Limit("the same, names and values", REQUEST_FIELDS_BYTES_MAX >> 10, "KiB", HQ),
    Limit("the numbers of a session that HQ remembers", NUMBERS_KEPT, "numbers", HQ),
    Limit("the records of an answer, keys, values and headers", ANSWER_BYTES_MAX >> 20, "MiB", HQ),
    Limit("an evidence bundle", ARCHIVE_BYTES_MAX >> 20, "MiB", READER),
    Limit("a file in it", FILE_BYTES_MAX >> 20, "MiB", READER),
    Limit("all of them, unpacked", TOTAL_BYTES_MAX >> 20, "MiB", READER),
    Limit("their number", FILES_MAX, "files", READER),
    Limit("the path of each", PATH_CHARACTERS_MAX, "characters", READER),
    Limit("the last number of a `log/cosignatures-<n>.note`", COSIGNATURES_MAX, "in all", READER),
    Limit("the stream in the path of a schema", STREAM_CHARACTERS_MAX, "characters", READER),
    Limit("the name of its file, without `.avsc`", SCHEMA_CHARACTERS_MAX, "characters", READER),
    Limit("what the name of a state's file has of the entity's id", STATE_CHARACTERS_MAX, "characters", WRITER),
    Limit("an enrolment bundle", BUNDLE_BYTES_MAX >> 20, "MiB", READER),
    Limit("the name of the center in it", NAME_LENGTH_MAX, "characters", READER),
    Limit("the addresses of Kafka in it", ADDRESSES_MAX, "addresses", READER),
    Limit("each of its addresses", ADDRESS_LENGTH_MAX, "characters", READER),
    Limit("the certificates of each of its ways in", CA_LENGTH_MAX, "characters", READER),
    Limit("a join request, before it is encrypted", JOIN_BYTES_MAX, "bytes", HQ),
)


def limits() -> str:
    """Return the limits as a table."""
    rows = ["| limit of | at most | held by |", "|---|---|---|"]
    return "\n".join(rows + [f"| {limit.of} | {limit.said} | {limit.holder} |" for limit in LIMITS])
