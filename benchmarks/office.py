"""A center's own side: a sheet into the outbox, the outbox into Kafka, and what the connector holds in memory after it.

One `connector run` does both. The center's topics are made when the sheet is taken: until then the link is down, so
that each half is measured by itself. HQ does not answer here.
"""

from __future__ import annotations

import asyncio
import csv
import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from benchmarks.lanes import SENTENCE
from benchmarks.setting import last_words, make_center, rss_mb, running, until
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics

CENTER: Final = "office"
COLUMNS: Final = (
    "Number", "Title", "Summary", "Language", "Export control", "Stage", "TRL", "IP status", "IPC", "Countries",
    "Keywords", "Status",
)  # fmt: skip
MAPPING: Final = """\
files: offers.csv
stream: offer
key: Number
fields:
  title: {column: Title}
  summary: {column: Summary}
  language: {column: Language}
  export_control: {column: Export control, table: {free: free, licensed: restricted}}
  stage: {column: Stage}
  trl: {column: TRL}
  ip_status: {column: IP status}
  ipc: {column: IPC, split: ";"}
  countries: {column: Countries, split: ","}
  technology_keywords: {column: Keywords, split: ","}
status: {column: Status, table: {on offer: published, withdrawn: withdrawn}}
"""
DEADLINE_S: Final = 120.0
POLL_S: Final = 0.01


async def office(kafka: EmbeddedKafka, rows: int) -> dict[str, float]:
    """Return `rows_per_s`, `drain_per_s` and `connector_rss_mb`."""
    with tempfile.TemporaryDirectory(prefix="cohub-office-", ignore_cleanup_errors=True) as folder:
        base = Path(folder)
        _, place = await make_center(
            base, CENTER, kafka.bootstrap, settle_s=0, file_settle_s=0, poll_s=0.2, presence_s=3600
        )
        (place / "mappings" / "offers.yaml").write_text(MAPPING, "utf-8")
        write_sheet(place / "offers.csv", rows)
        log = base / "connector.log"
        async with running("-m", "connectors.cli.main", "run", "--office", str(place), log=log) as process:
            await until(lambda: process.poll() is not None or _taken(place) is not None, DEADLINE_S, "the sheet")
            taken = _taken(place)
            if taken is None or taken["events"] != rows:
                raise RuntimeError(f"expected an event of each of {rows} rows: {last_words(log)}")
            drain_per_s = await _drain(kafka.bootstrap, rows)
            held_mb = rss_mb(process.pid)
        return {
            "rows_per_s": round(rows / taken["seconds"]),
            "drain_per_s": round(drain_per_s),
            "connector_rss_mb": round(held_mb, 1),
        }


def _taken(place: Path) -> dict[str, Any] | None:
    """Return what the connector's log file says of the sheet it has taken, None if it has not yet."""
    log = place / "cohub" / "connector.log"
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    return next((json.loads(line) for line in lines if '"file_taken"' in line and line.endswith("}")), None)


async def _drain(bootstrap: str, events: int) -> float:
    """Let the connector send; return events a second, from the first that the broker has to the last."""
    await ensure_topics(Cluster.at(bootstrap), standard_topics([CENTER], []))
    topic = TopicPartition(f"in.{CENTER}", 0)
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        consumer.assign([topic])
        ends = time.monotonic() + DEADLINE_S
        first, began = 0, 0.0
        while True:
            end = int((await consumer.end_offsets([topic]))[topic])
            now = time.monotonic()
            if end > 1 and not first:  # the presence alone is no event
                first, began = end, now
            if end > events:  # the lane's opening is a record too
                return (end - first) / (now - began)
            if now > ends:
                raise TimeoutError(f"{end} of {events} events were sent in {DEADLINE_S:.0f} s")
            await asyncio.sleep(POLL_S)


def write_sheet(path: Path, rows: int, changed: Mapping[int, int] = MappingProxyType({})) -> None:
    """Write a CSV of `rows` offers in twelve columns; `changed` says how often a row was changed, if ever."""

    def said(number: int) -> str:
        return f"{SENTENCE}Edition {changed[number]}." if number in changed else SENTENCE

    with path.open("w", encoding="utf-8", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(COLUMNS)
        for number in range(rows):
            sheet.writerow(
                (
                    f"K-{number}", f"Vacuum membrane distillation unit, series {number}", said(number), "en",
                    "free", "lab_tested", 4 + number % 4, "granted",
                    "B01D 61/36", "UZ,KZ,CN", "membranes,food", "on offer",
                )
            )  # fmt: skip
