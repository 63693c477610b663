"""Quix Streams: a StreamingDataFrame with state, in RocksDB with a changelog topic, as state is kept by default.

Source: Quix Streams' documentation, "Stateful processing", "Consuming multiple topics", "Serialization".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from quixstreams import Application, State
from quixstreams.models import Deserializer
from quixstreams.state.rocksdb import RocksDBStorePartition

from benchmarks.peers.task import Task


class AvroEvent(Deserializer):
    """The events' own form; Quix Streams' own reader of Avro would want a schema registry for several schemas."""

    def __call__(self, value: bytes, ctx: Any) -> Any:  # noqa: ARG002 - it is called by these names
        """Return the event."""
        return task.decode(value)


def keep(event: Any, state: State) -> None:
    """Keep the latest event of each entity: state is kept by the message's key."""
    state.set("latest", event)


def stored() -> Iterator[tuple[str, Any]]:
    """Yield what the stores on disk have, after the application has closed them."""
    for topic in task.topics:
        partition = RocksDBStorePartition(str(task.folder / "state" / task.group / "default" / topic / "0"))
        for key, value in partition.iter_items(b"", b"\xff"):
            entity, found, name = key.rpartition(b"|")
            if found and name == b'"latest"':
                yield entity.decode(), json.loads(value)
        partition.close()


task = Task()
app = Application(
    broker_address=task.bootstrap,
    consumer_group=task.group,
    auto_offset_reset="earliest",
    state_dir=task.folder / "state",
    loglevel="ERROR",
)

if __name__ == "__main__":
    for name in task.topics:
        app.dataframe(app.topic(name, value_deserializer=AvroEvent())).update(keep, stateful=True)
    app.run(count=task.meter.total, collect=False)
    task.tell("quix-streams", stored())
