"""The demo network's sheets become what deploy/demo/expected.json says, by the connector's rules and by HQ's."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.mapping import Mapping, RowOutcome, Wanted, outcomes, read_mapping
from connectors.reconcile.plan import plan
from connectors.source import Table, read_table
from hub.domain.catalogue import STREAMS
from hub.domain.entity import Entity
from hub.domain.judge import judge
from hub.domain.registry import Center, Registry
from hub.domain.rules import complete
from hub.protocol.errors import Rejected

DEMO = Path(__file__).resolve().parents[4] / "deploy" / "demo"
EXPECTED: dict[str, dict[str, Any]] = json.loads((DEMO / "expected.json").read_text("utf-8"))
NETWORK: dict[str, Any] = yaml.safe_load((DEMO / "network.yaml").read_text("utf-8"))
NOW = datetime(2026, 11, 24, tzinfo=UTC)
FILES = [(center, name) for center, files in EXPECTED.items() for name in files]


def registry() -> Registry:
    centers = {
        c["id"]: Center(
            c["id"], "active", c["name"], c["country"], c["direction"], None, tuple(c["languages"]), c["timezone"],
            frozenset(c["streams"]), (),
        )
        for c in NETWORK["centers"]
    }  # fmt: skip
    lists = {name: frozenset(term["code"] for term in terms) for name, terms in NETWORK["code_lists"].items()}
    return Registry(1, centers, {}, {}, lists)


@cache
def mapping_of(center: str, name: str) -> Mapping:
    paths = sorted((DEMO / "centers" / center / "mappings").glob("*.yaml"))
    found = [m for m in (read_mapping(p.read_text("utf-8"), p.name) for p in paths) if m.matches(name)]
    assert len(found) == 1, f"{name} of {center} has {len(found)} mappings"
    return found[0]


@cache
def table_of(center: str, name: str) -> Table:
    data = (DEMO / "centers" / center / name).read_bytes()
    return read_table(name, data, mapping_of(center, name).format_options())


@cache
def outcomes_of(center: str, name: str) -> list[RowOutcome]:
    return outcomes(mapping_of(center, name), table_of(center, name), center)


def verdict(wanted: Wanted, center: str, basis: Registry) -> str:
    """Return the code under which HQ rejects the first event that it rejects, "" if it takes all."""
    entity: Entity | None = None
    for planned in plan(STREAMS[wanted.stream], None, wanted):
        value = complete(planned.kind, planned.value)
        occurred_at = wanted.occurred_at or NOW
        try:
            entity = judge(planned.kind, wanted.subject, center, occurred_at, value, entity, NOW, basis)
        except Rejected as exc:
            return str(exc.code)
    assert entity is not None
    assert entity.status == wanted.status
    return ""


@pytest.mark.parametrize(("center", "name"), FILES)
def test_every_row_ends_as_expected(center: str, name: str) -> None:
    """Each row of each file is exactly one of accepted, refused, rejected, unchanged, blank, for the reason planned."""
    table = table_of(center, name)
    found: dict[str, Any] = {"rows": table.row_count, "accepted": 0, "unchanged": 0, "blank": table.blank_count}
    codes: dict[str, Counter[str]] = {"refused": Counter(), "rejected": Counter()}
    basis = registry()
    for outcome in outcomes_of(center, name):
        if outcome.blank:
            found["blank"] += 1
        elif outcome.problems:
            codes["refused"][outcome.problems[0].code] += 1
        elif outcome.duplicate_of is not None:
            found["unchanged"] += 1
        else:
            assert outcome.wanted is not None
            code = verdict(outcome.wanted, center, basis)
            if code:
                codes["rejected"][code] += 1
            else:
                found["accepted"] += 1
    for state, counted in codes.items():
        found[state] = {"rows": counted.total(), "codes": dict(sorted(counted.items()))}
    assert found == EXPECTED[center][name]


def test_network_is_as_large_and_as_faulty_as_promised() -> None:
    """At least 4,000 rows, 40 bad ones, 10 reasons, and the four that only HQ can know."""
    sheets = [sheet for files in EXPECTED.values() for sheet in files.values()]
    assert sum(sheet["rows"] for sheet in sheets) >= 4_000
    refused: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for sheet in sheets:
        refused.update(sheet["refused"]["codes"])
        rejected.update(sheet["rejected"]["codes"])
    assert refused.total() + rejected.total() >= 40
    assert len(refused) >= 10
    assert {"TIME_IN_FUTURE", "UNKNOWN_CENTER", "STREAM_NOT_ALLOWED", "CODE_NOT_LISTED"} <= set(rejected)


def test_formats_are_those_that_offices_have() -> None:
    """XLSX, UTF-8, GB18030 and windows-1251 text, and JSON lines are all there."""
    formats = set()
    for center, name in FILES:
        form = table_of(center, name).format
        formats.add((form.kind, form.encoding, form.delimiter))
    assert formats >= {
        ("xlsx", None, None),
        ("csv", "utf-8", ","),
        ("csv", "gb18030", ","),
        ("csv", "windows-1251", ";"),
    }
    assert any(kind == "jsonl" for kind, _, _ in formats)


def test_ids_do_not_collide_within_a_center() -> None:
    """Two sheets of one stream never claim one entity."""
    for center, files in EXPECTED.items():
        seen: Counter[tuple[str, str]] = Counter()
        for name in files:
            mapping = mapping_of(center, name)
            rows = outcomes_of(center, name)
            seen.update({(mapping.stream, o.wanted.subject) for o in rows if o.wanted is not None})
        assert [subject for subject, count in seen.items() if count > 1] == []


def test_confirmed_deals_exist_and_readme_counts_are_true() -> None:
    """Every confirmation but the planted ones speaks of a deal that its center reports; the README does not lie."""
    deals: set[str] = set()
    confirmed: list[str] = []
    for center, name in FILES:
        mapping = mapping_of(center, name)
        for outcome in outcomes_of(center, name):
            if outcome.wanted is None:
                continue
            if mapping.stream == "deal":
                deals.add(outcome.wanted.subject)
            elif mapping.stream == "deal_confirmation":
                confirmed.append(outcome.wanted.record["deal"])
    assert [deal for deal in confirmed if deal not in deals] == ["mn:D-2025/001"]
    readme = (DEMO / "README.md").read_text("utf-8")
    for center, files in EXPECTED.items():
        for name, sheet in files.items():
            counts = [sheet["rows"], sheet["accepted"], sheet["refused"]["rows"], sheet["rejected"]["rows"]]
            counts += [sheet["unchanged"], sheet["blank"]]
            line = (
                rf"\| {center} \| `{re.escape(name)}` \|.*\| " + r" \| ".join(str(count) for count in counts) + r" \|"
            )
            assert re.search(line, readme), f"README.md: the line of {center} {name} should end in {counts}"
