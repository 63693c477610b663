"""What an error of a client says: its name where a broker sent it, and one line otherwise."""

from __future__ import annotations

import pytest
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from hub.base.reason import CHARS_MAX, reason_of

DUMP = (
    "Request Request(processor=1, session=Session(User:uz,/127.0.0.1), buffer=java.nio.HeapByteBuffer) is not allowed"
)


@pytest.mark.parametrize(
    ("exc", "said"),
    [
        (ClusterAuthorizationFailedError(DUMP), "[Error 31] ClusterAuthorizationFailedError"),
        (TopicAuthorizationFailedError("in.kz"), "[Error 29] TopicAuthorizationFailedError"),
        (KafkaConnectionError("Unable to bootstrap"), "KafkaConnectionError: Unable to bootstrap"),
        (TimeoutError(), "TimeoutError"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ValueError("one\n  at java.base/Thread.run"), "one"),
        (ValueError("x" * 500), "x" * CHARS_MAX),
    ],
)
def test_reason_is_one_line_without_what_a_broker_sent(exc: Exception, said: str) -> None:
    """Neither a dump of Java's objects, nor a stack, nor an answer of a thousand topics."""
    assert reason_of(exc) == said
