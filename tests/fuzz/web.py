"""What anybody may post to HQ over HTTPS."""

from __future__ import annotations

import json

from hub.protocol.errors import Malformed
from hub.protocol.problem import Problem
from hub.web.posted import CLOUD_EVENTS, RECORD_BATCH, read_posted
from hub.web.strict_json import read_json
from tests.fuzz.protocol import batch_seeds
from tests.fuzz.target import Target
from tests.support.center import Center
from tests.support.web_app import cloud_events, record_batch


def _posted_batch(data: bytes) -> None:
    assert read_posted(RECORD_BATCH, data)


def _posted_events(data: bytes) -> None:
    for record in read_posted(CLOUD_EVENTS, data):
        assert record.key is not None
        assert len(dict(record.headers)) == len(record.headers)


def _json(data: bytes) -> None:
    json.dumps(read_json(data))


WEB = (
    Target("posted-batch", _posted_batch, lambda: [*batch_seeds(), record_batch(Center().opened(2))], (Problem,)),
    Target("posted-events", _posted_events, lambda: [b"[]", b"[{}]", cloud_events(Center().opened(1))], (Problem,)),
    Target(
        "json",
        _json,
        lambda: [b'{"center": "uz"}', b"[1e5, null, true]", b'{"a": {"a": "\\ud83d\\ude00"}}'],
        (Malformed,),
    ),
)
