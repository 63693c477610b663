"""What a peer is asked to do, and how it hands over what it found. Needs fastavro and nothing of ours beside the meter.

The peer's folder has `schemas/<id>.avsc`, room for its state, and after the clock was stopped `latest.jsonl`: one line
`[key, event]` for each entity, which the benchmark compares with what it has written to the topics.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fastavro

from benchmarks.meter import Meter, hand_over, write_latest


class Task:
    """The topics to read, the events to decode and count, the clock. Made from the command line."""

    def __init__(self) -> None:
        parser = argparse.ArgumentParser()
        parser.add_argument("--bootstrap", required=True)
        parser.add_argument("--topics", required=True)
        parser.add_argument("--events", type=int, required=True)
        parser.add_argument("--folder", type=Path, required=True)
        args = parser.parse_args()
        self.bootstrap: str = args.bootstrap
        self.topics: list[str] = args.topics.split(",")
        self.folder: Path = args.folder
        self.group: str = args.folder.name  # nobody has read as this group before
        self.meter = Meter(args.events)
        self._schemas = {
            int(file.stem): fastavro.parse_schema(json.loads(file.read_text("utf-8")))
            for file in (args.folder / "schemas").glob("*.avsc")
        }

    @property
    def is_done(self) -> bool:
        """Whether every event was decoded."""
        return self.meter.seen >= self.meter.total

    def decode(self, value: bytes) -> Any:
        """Return an event's value, and count it; the first one starts the clock."""
        self.meter.begin()
        self.meter.seen += 1
        schema = self._schemas[int.from_bytes(value[1:5], "big")]
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), schema, None)

    def tell(self, kind: str, latest: Iterable[tuple[str, Any]]) -> None:
        """Stop the clock, then hand over the latest event of each entity."""
        hand_over(self.meter.result(kind))
        write_latest(self.folder, latest)
