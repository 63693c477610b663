"""Limits on which both ends must agree: each stands here once.

Where two numbers are about one thing, the writer's is the stricter of them: what a connector may still send, HQ takes.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

VALUE_BYTES_MAX: Final = 256 * 1024  # a connector refuses the row; HQ rejects the event as TOO_LARGE
ATTRIBUTE_BYTES_MAX: Final = 1024  # of one header, in UTF-8
KEY_CHARS_MAX: Final = 120  # of an entity's id behind its center

# A connector seals at least this often, and sends a batch as one Kafka batch: with its framing it has to stay below
# the broker's default of 1 MiB.
BATCH_EVENTS_MAX: Final = 256
BATCH_BYTES_MAX: Final = 1_000_000  # keys, values and headers, the headers estimated from above

# One seal covers no more than this, wherever a fetch ends, and HQ keeps no more of a lane in memory without a good one:
# with the next record the tail goes into quarantine. A whole batch fits, by events exactly and by bytes with room to
# spare, since HQ counts canonical bytes without Kafka's framing.
TAIL_EVENTS_MAX: Final = BATCH_EVENTS_MAX
TAIL_BYTES_MAX: Final = 1024 * 1024

# What no event needs: a record with more is not looked at. The second is of its Kafka key and its unsigned headers, the
# seal among them, which no limit of a tail counts.
HEADERS_MAX: Final = 256
ASIDE_BYTES_MAX: Final = 16 * 1024

# The brokers' clock stands in every record of a lane. HQ stops when its own differs by more, since what it records it
# never takes back; a connector's `check` complains long before, since nothing is lost by that.
BROKER_CLOCK_OFF_MAX: Final = timedelta(minutes=5)
BROKER_CLOCK_NOTICED: Final = timedelta(seconds=60)

# What either end reads of one Kafka batch, unpacked: a batch that is over one of these is passed over whole, at HQ into
# the quarantine. A connector's own batch is a quarter of it at most, with some 2,500 records and 35,000 headers.
KAFKA_BYTES_MAX: Final = 4 << 20
KAFKA_RECORDS_MAX: Final = 16_384
KAFKA_HEADERS_MAX: Final = 131_072  # of all its records together
KAFKA_MEMBERS_MAX: Final = 16  # of its gzip stream

# Of one request over HTTPS. A batch of events at its limits fits, with its framing; in CloudEvents' JSON, which has a
# third more bytes, fewer events do.
REQUEST_BYTES_MAX: Final = 1_200_000
REQUEST_FIELDS_MAX: Final = 64
REQUEST_FIELDS_BYTES_MAX: Final = 16 * 1024
ANSWER_BYTES_MAX: Final = 4 << 20  # of the records in one answer, keys, values and headers; a single one may be more
