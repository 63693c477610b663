"""The catalogue: what is in it, and that a new stream needs nothing but its file and its schemas."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.fields import FieldRules
from tests.support.added_stream import DOMAIN

PROGRAM = """
import sys
from hub.domain import streams
streams.__path__.append(sys.argv[1])
from hub.domain.catalogue import KINDS, STREAMS
from hub.domain.fold import fold
from hub.domain.rules import complete
kind = KINDS["net.cohub.interest.expressed.v1"]
entity = fold(None, kind, "uz:1", "uz", complete(kind, {"subject": "kz:7", "depth": "serious"}))
print(entity.status, STREAMS["interest"].contribution(entity), kind.schema_path)
"""


def test_stream_is_added_to_the_domain_by_its_file_alone(tmp_path: Path) -> None:
    """A file that defines a stream makes it one. The whole way, words included, is in test_added_stream."""
    (tmp_path / "interest.py").write_text(DOMAIN)
    run = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    said = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert said.split(" ")[0] == "expressed"
    assert "{'interest.expressed': Decimal('1')}" in said
    assert said.strip().endswith("interest/interest.expressed.v1.avsc")


def test_catalogue_is_consistent() -> None:
    """An event's stream, model and status are those of its stream; a type stands for one kind."""
    for name, stream in STREAMS.items():
        assert stream.name == name
        assert len({kind.type for kind in stream.events}) == len(stream.events)
        left = {kind.status_after for kind in stream.events}
        for kind in stream.events:
            assert kind.stream == name
            assert KINDS[kind.type] is kind
            record = stream.record if kind.carries_record else FieldRules
            assert issubclass(kind.model, record) or (kind.carries_record and issubclass(record, kind.model))
            assert kind.legal_in <= left | {None}


def test_catalogue_has_the_newest_version_of_an_event_first() -> None:
    """Who takes the first event of a name takes the newest, and its record is the stream's."""
    for stream in STREAMS.values():
        for name in {kind.name for kind in stream.events}:
            kinds = [kind for kind in stream.events if kind.name == name]
            assert [kind.version for kind in kinds] == list(range(len(kinds), 0, -1))
            assert len({(kind.carries_record, kind.legal_in, kind.status_after) for kind in kinds}) == 1
            if kinds[0].carries_record:
                assert issubclass(kinds[0].model, stream.record)


def test_catalogue_declares_fields_that_exist() -> None:
    """What a stream says of its fields, it says of fields that its record has."""
    for stream in STREAMS.values():
        fields = set(stream.record.model_fields)
        assert {*stream.network_fields, *stream.references, *stream.code_list_fields, *stream.growing_fields} <= fields
        assert stream.foreign_fields <= {*stream.network_fields, *stream.references}
        assert set(stream.references.values()) <= set(STREAMS)


def test_catalogue_has_the_streams_of_this_release() -> None:
    """HQ writes five streams, centers twelve."""
    writers = {name: stream.writer for name, stream in STREAMS.items()}
    hqs = ["center", "clock", "code_list", "rules", "schema"]
    assert [name for name, writer in writers.items() if writer == "hq"] == hqs
    centers = [
        "activity", "deal", "deal_confirmation", "investment", "lane", "offer", "output", "partner", "project",
        "request", "revenue", "service",
    ]  # fmt: skip
    assert [name for name, writer in writers.items() if writer == "center"] == centers
