"""Go judges events of every kind as HQ does, from PROTOCOL.md and rules.json alone: random ones, good and broken."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.stream import EventKind
from hub.protocol.errors import CohubError
from hub.protocol.rules import RULES_KNOWN
from schemas.vectors.events import event_row, file_of_events
from schemas.vectors.samples import NOW, sample_of, subject_of
from tests.support.interop import PROGRAM, go_program, needs_go
from tests.support.odd_values import odd_value

EVENTS_MIN: Final = 400
SEED: Final = 20260301
SCHEMAS: Final = PROGRAM.parents[2] / "schemas"


def random_rows(draw: random.Random) -> Iterator[dict[str, Any]]:
    """Yield events, each with up to three fields changed, of one center or another, behind an entity of any status."""
    kinds = sorted(KINDS.values(), key=lambda kind: kind.type)
    number = 0
    while True:
        kind = draw.choice(kinds)
        changes = dict(odd_value(kind, draw) for _ in range(draw.choice((0, 0, 1, 1, 2, 3))))
        own, writer = subject_of(kind.stream)
        center = draw.choice((*[writer] * 9, "qd", "hq", "uz"))
        other = f"{center}:{own.partition(':')[2]}"
        subject = draw.choice((*[own] * 16, *[other] * 3, f"{center}:другой", f"{center}:X-1"))
        time = NOW + timedelta(hours=draw.choice((*[0] * 16, -90_000, 24, 25)))
        before = _before(kind, center, subject, draw)
        try:
            yield event_row(f"random_{number}", kind.type, before, changes, subject=subject, center=center, time=time)
        except (CohubError, ValueError, TypeError, OverflowError):
            continue  # what no Avro body can hold
        number += 1


def _before(kind: EventKind, center: str, subject: str, draw: random.Random) -> Entity | None:
    """Return what HQ may have of the entity: nothing, or a record of its stream in some status, and what changed it."""
    events = [known for known in KINDS.values() if known.stream == kind.stream]
    status = draw.choice([None, *(known.status_after for known in events)])
    if status is None:
        return None
    first = draw.choice([known for known in events if known.carries_record])
    changes = dict([odd_value(first, draw)]) if draw.random() < 0.3 else {}
    others = [sample_of(known.type) for known in events if not known.carries_record]
    changed = draw.choice([None, *others])
    found = Entity(kind.stream, subject, center, status, 3, first.type, sample_of(first.type, **changes), changed)
    return Entity.from_json(found.to_json())


@needs_go
@pytest.mark.parametrize("seed", [SEED, SEED + 1])
def test_go_and_hq_judge_random_events_alike(seed: int, tmp_path: Path) -> None:
    """The same code at the same field, under every number of rules, and a fair share of both kinds."""
    found = random_rows(random.Random(seed))
    rows = [next(found) for _ in range(EVENTS_MIN)]
    (tmp_path / "random.json").write_text(json.dumps(file_of_events(rows, []), ensure_ascii=False), "utf-8")
    command: list[str | Path] = [go_program("./protocol"), "-events", tmp_path / "random.json", SCHEMAS]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=120)
    said = json.loads(done.stdout)[""]
    assert said["failed"] == []
    assert said["cases"] == EVENTS_MIN
    for number in RULES_KNOWN:
        codes = [row["verdicts"][str(number)][0] for row in rows]
        assert codes.count("ACCEPTED") >= EVENTS_MIN / 20
        assert len(set(codes)) >= 12
