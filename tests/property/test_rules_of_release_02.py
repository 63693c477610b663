"""Rules 1 are those of release 0.2: its own code, run beside ours, gives the same verdict on every event.

It is taken from this repository's history, and the test does not run where that is not there.
"""

from __future__ import annotations

import datetime as dt
import io
import json
import pickle
import random
import subprocess
import sys
import tarfile
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.judge import judge
from hub.domain.registry import Registry, registry
from hub.domain.rules import complete
from hub.protocol.envelope import read_envelope
from hub.protocol.errors import Rejected
from schemas.vectors.keys import bytes_of
from schemas.vectors.samples import RECORDS, hq_entity

ROOT = Path(__file__).parents[2]
RELEASE = "3d25845"
# Streams that it did not have.
LATER = ("clock", "rules", "project", "activity", "service", "revenue", "investment", "output")
NOW = dt.datetime(2026, 3, 1, 12, 0, tzinfo=dt.UTC)
# What release 0.2 runs: it judges each case as its own HQ did, and says what came of it.
JUDGE = """
import pickle, sys
from hub.domain.catalogue import KINDS
from hub.domain.entity import Entity
from hub.domain.judge import judge
from hub.domain.registry import Registry, registry
from hub.protocol.record import read_envelope
from hub.protocol.errors import Rejected
cases, entities, records = pickle.load(sys.stdin.buffer)
basis = registry(4, [Entity.from_json(e) for e in entities])
told = []
for kind, subject, center, at, value, before, now in cases:
    try:
        entity = judge(KINDS[kind], subject, center, at, value, before and Entity.from_json(before), now, basis)
        told.append(entity.to_json())
    except Rejected as exc:
        told.append((str(exc.code), exc.field, exc.params))
for center, key, headers in records:
    try:
        found = read_envelope(center, key, dict(headers), len(headers))
        told.append((found.id, found.type, found.subject, found.time, found.dataschema))
    except Rejected as exc:
        told.append((str(exc.code), exc.field, exc.params))
pickle.dump(told, sys.stdout.buffer)
"""
ODD = [
    "",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x00",
    "\x1f",
    "\x7f",
    "\x85",
    "\x9f",
    "\xa0",
    "\u2028",
    "\u202e",
    "\u2066",
    "\ufeff",
]
Case = tuple[str, str, str, dt.datetime, dict[str, Any], bytes | None, dt.datetime]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the packages of release 0.2."""
    made = subprocess.run(["git", "archive", RELEASE, "hub", "schemas"], cwd=ROOT, capture_output=True, check=False)
    if made.returncode:
        pytest.skip(f"the history does not have {RELEASE}")
    folder = tmp_path_factory.mktemp("release")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def entities() -> list[Entity]:
    center = RECORDS["center"]
    return [
        hq_entity("center", "uz", "active", center),
        hq_entity("center", "qd", "active", center | {"country": "CN", "keys": []}),
        hq_entity("code_list", "technology", "published", RECORDS["code_list"]),
    ]


@cache
def basis() -> Registry:
    return registry(4, entities())


def changed(value: Any, chance: random.Random) -> Any:
    """Return something near a value, of its type."""
    if isinstance(value, str):
        odd = chance.choice(ODD)
        return chance.choice([odd, odd + value, value + odd, value[:1] + odd + value[1:], value * 300, value.upper()])
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return chance.choice([0, -1, value + 1, 10**6, 2**53])
    if isinstance(value, Decimal):
        return chance.choice([-value, value * 10**12, Decimal(0)])
    if isinstance(value, dt.date):
        return chance.choice([dt.date(1800, 1, 1), dt.date(2300, 1, 1), value + dt.timedelta(days=800)])
    if isinstance(value, list):
        return chance.choice([[], value * 50, [changed(item, chance) for item in value]])
    return value


def cases(chance: random.Random, count: int) -> list[Case]:
    """Return events of every kind that release 0.2 had, good and spoilt, each upon one of the entities before it."""
    kinds = [kind for kind in KINDS.values() if kind.stream not in LATER]
    made: list[Case] = []
    before: dict[str, list[bytes]] = {}
    for _ in range(count):
        kind = chance.choice(kinds)
        center = "hq" if kind.stream in ("center", "code_list", "schema") else "uz"
        sample: dict[str, Any] = RECORDS.get(f"{kind.stream}.v{kind.version}", RECORDS[kind.stream])
        if not kind.carries_record:
            sample = {"reason": "sold", "effective_on": dt.date(2026, 2, 2)}
        value = complete(kind, sample)
        for name in chance.sample(sorted(value), min(len(value), chance.choice([0, 0, 1, 2]))):
            value[name] = changed(value[name], chance)
        known = before.setdefault(kind.stream, [])
        entity = chance.choice(known) if known and chance.random() < 0.8 else None
        subject = chance.choice(["1", "1", "1", "a\x85b", "", "x" * 121])
        key = {"lane": "0a1b2c3d", "center": "uz", "code_list": "technology"}.get(kind.stream, subject)
        key = str(value.get("schema_id", key))
        at = NOW + dt.timedelta(hours=chance.choice([-100, 0, 24, 25]))
        case = (kind.type, f"{center}:{key}", center, at, value, entity, NOW)
        made.append(case)
        found = ours(case)
        if isinstance(found, bytes):
            known.append(found)
    return made


def ours(case: Case) -> bytes | tuple[str, str, str]:
    kind, subject, center, at, value, before, now = case
    try:
        entity = Entity.from_json(before) if before else None
        return judge(KINDS[kind], subject, center, at, value, entity, now, basis()).to_json()
    except Rejected as exc:
        return str(exc.code), exc.field, exc.params


def headers_of(case: tuple[str, bytes | None, list[tuple[str, bytes | None]]]) -> tuple[Any, ...]:
    center, key, headers = case
    try:
        found = read_envelope(center, key, dict(headers), len(headers))
    except Rejected as exc:
        return str(exc.code), exc.field, exc.params
    return found.id, found.type, found.subject, found.time, found.dataschema


def vectors() -> list[tuple[str, bytes | None, list[tuple[str, bytes | None]]]]:
    """Return every record of the vectors: its center, key and headers."""
    said = json.loads(schemas.read("vectors/records.json"))
    found = []
    for record in [*said["good"], *said["bad"]]:
        listed = [(h["name"], None if h.get("null") else bytes_of(h)) for h in record["headers"]]
        # In the order of the canonical bytes, which a ledger keeps alone: release 0.2 itself named the first
        # fault of several as they came, so that its own audit named another.
        found.append(("uz", None if record["key"] is None else record["key"].encode(), sorted(listed, key=_name)))
    return found


def _name(header: tuple[str, bytes | None]) -> str:
    return header[0]


def test_rules_1_are_those_of_release_02(release: Path) -> None:
    """Every verdict with its field and parameters, every entity byte for byte."""
    chance = random.Random(2)
    made = cases(chance, 2000)
    asked = (made, [entity.to_json() for entity in entities()], vectors())
    done = subprocess.run(
        [sys.executable, "-c", JUDGE], cwd=release, input=pickle.dumps(asked), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    told = pickle.loads(done.stdout)
    assert told == [ours(case) for case in made] + [headers_of(record) for record in vectors()]
    codes = {found[0] for found in told if isinstance(found, tuple)}
    assert {"ALREADY_EXISTS", "ILLEGAL_TRANSITION", "MISSING_FIELD", "BAD_FIELD", "TOO_LONG", "INCONSISTENT"} <= codes
