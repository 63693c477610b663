"""Evidence under every number of rules: whatever HQ decided is proved, and what is newer is told apart from wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

import hub.domain.catalogue
import hub.protocol.rules
from hub.audit.findings import What
from hub.audit.verify import verify
from hub.domain.streams.rules import RULES as RULES_STREAM
from hub.evidence import layout
from hub.evidence.check import check_bundle
from hub.evidence.export import ExportedBundle, export_bundle
from hub.evidence.manifest import VOUCHED_FOR
from hub.evidence.page import page
from hub.evidence.report import NEWER, Check, Severity
from hub.evidence.subject import Subject
from hub.hq.headquarters import adoption
from hub.protocol.checkpoint import seal
from hub.protocol.record import SEAL_HEADER
from hub.protocol.rules import FIRST, NEWEST, RULES, Rules
from hub.replay.source import Ledger
from tests.support.center import NOW, Center, Sent
from tests.support.center import offer as offer_value
from tests.support.evidence import DAY, ROOT, TRUST, TRUST_NOTE, Story, remade
from tests.support.faulty_events import FAULTS
from tests.unit.hub.evidence.conftest import checked, files_of, find

WHOLE = Subject("center", "uz", "", NOW, NOW + 90 * DAY)
PUBLISHED = "net.cohub.offer.published.v1"


@dataclass
class Told:
    """A story's database, and the codes of uz's events in it."""

    database: Path
    codes: list[str]


def export(told: Told, subject: Subject = WHOLE) -> ExportedBundle:
    with Ledger.open(told.database) as ledger:
        return export_bundle(ledger, TRUST_NOTE, subject)


async def faulty_story(folder: Path, rules: Rules, *witnesses: str) -> Told:
    """Tell of an offer for each fault that an event may have, and what is said after each."""
    story = await Story.open(folder, rules)
    center = story.centers["uz"]
    for number, (_, damage) in enumerate(FAULTS.values()):
        broken = center.append(damage(center, center.event(PUBLISHED, f"K-{number}", offer_value(), time=story.now)))
        again = center.append(center.event(PUBLISHED, f"K-{number}", offer_value(), time=story.now))
        await story.take("uz", [broken, again])
    await story.take("uz", [_by_a_schema_of_hqs(center)])
    await story.notarize()
    await story.cosign(*witnesses)
    await story.close()
    with Ledger.open(story.database) as ledger:
        lane = next(lane for lane in ledger.lanes if lane.center == "uz")
        return Told(story.database, [row.code for row in ledger.events(lane.id, 1, lane.size)])


def _by_a_schema_of_hqs(center: Center) -> Sent:
    """Return an event that names a schema by which HQ alone writes, and which HQ has never used."""
    closed = center.event("net.cohub.center.closed.v1", "K-7", {"reason": None})
    return center.append(closed)


@pytest.mark.parametrize("number", RULES)
def test_whatever_hq_decided_is_proved(tmp_path: Path, number: int) -> None:
    """Each fault of an event, under rules of each number: one rejected event leaves the others provable."""
    told = asyncio.run(faulty_story(tmp_path, RULES[number], "uz", "kz"))
    assert {"UNKNOWN_SCHEMA", "BAD_HEADERS", "WRONG_CENTER", "NO_VALUE", "TOO_LARGE"} <= set(told.codes)
    assert ("BAD_KEY" in told.codes) == (number == 1)
    bundle = export(told)
    report = check_bundle(bundle.data, ROOT.verifier).report
    for found in (bundle.case.report, report):
        assert [f.detail for f in found.findings if f.severity is not Severity.WARNING] == []
    assert report.status == "proved"


@pytest.mark.parametrize("number", RULES)
def test_altered_kafka_key_proves_nothing_and_spoils_nothing_that_is_signed(tmp_path: Path, number: int) -> None:
    """Under rules 2 no verdict is about it; under rules 1 the row says that nobody signed it."""
    told = asyncio.run(faulty_story(tmp_path, RULES[number], "uz", "kz"))
    files = files_of(export(told))
    path = find(files, ".key")
    report = checked(remade(files | {path: b"uz:another"}, WHOLE))
    assert report.status == "proved"
    said = orjson.loads(files[layout.MANIFEST])
    if number == 1:
        assert "vouched_for" not in said
        assert "which nobody signs" in files[layout.SUMMARY].decode()
        return
    assert said["rules"] == 2
    assert said["vouched_for"][said["files"][path]["what"]].startswith("nobody")
    assert {file["what"] for file in said["files"].values()} <= set(VOUCHED_FOR)
    without = {name: data for name, data in files.items() if name != path}
    assert checked(remade(without, WHOLE)).status == "proved"


def test_lane_that_went_from_rules_to_rules_is_proved(tmp_path: Path) -> None:
    """Each receipt is judged by the rules that its own basis names."""

    async def tell() -> Told:
        story = await Story.open(tmp_path, FIRST)
        await story.take("uz", [story.event("uz", "offer.published", "K-1", offer_value(title=" Pump\t"))])
        await story.hq.headquarters.say([adoption(2, "ready")], story.now)
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer_value(title=" Pump\t"))])
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer_value(title="Pump"))])
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer_value(title="Pump"))])
        await story.notarize()
        await story.cosign("uz", "kz")
        await story.close()
        with Ledger.open(story.database) as ledger:
            lane = next(lane for lane in ledger.lanes if lane.center == "uz")
            return Told(story.database, [row.code for row in ledger.events(lane.id, 2, lane.size)])

    told = asyncio.run(tell())
    assert told.codes == ["ACCEPTED", "BAD_FIELD", "ACCEPTED", "ALREADY_SAID"]
    assert check_bundle(export(told).data, ROOT.verifier).report.status == "proved"
    assert check_bundle(export(told, Subject("entity", "uz:K-2", "offer")).data, ROOT.verifier).report.findings == []


# -- newer than this checker ------------------------------------------------------------------------------------------


@contextmanager
def later_release() -> Iterator[None]:
    """Have this process be a release that knows rules 3, for as long as it writes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.protocol.rules, "RULES", {**RULES, 3: replace(NEWEST, number=3)})
        yield


def newer_bundle(folder: Path, **forged: Any) -> ExportedBundle:
    """Return a bundle of a lane that HQ judged by rules 3 in its end."""

    async def tell() -> Path:
        story = await Story.open(folder, NEWEST)
        await story.take("uz", [story.event("uz", "offer.published", "K-1", offer_value())])
        await story.hq.headquarters.say([adoption(3, "newer")], story.now)
        await story.take("uz", [story.event("uz", "offer.published", "K-2", offer_value(**forged))])
        await story.notarize()
        await story.cosign("uz", "kz")
        await story.close()
        return story.database

    with later_release():
        return export(Told(asyncio.run(tell()), []))


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> ExportedBundle:
    return newer_bundle(tmp_path_factory.mktemp("newer"))


def test_bundle_of_later_rules_is_newer_and_not_failed(newer: ExportedBundle) -> None:
    """It says which number this checker lacks, and nothing against anybody."""
    with later_release():
        assert check_bundle(newer.data, ROOT.verifier).report.status == "proved"
    checked_now = check_bundle(newer.data, ROOT.verifier)
    report = checked_now.report
    assert report.status == NEWER
    assert [(f.check, f.severity) for f in report.findings] == [(Check.HQ_LANE, Severity.NEWER)]
    assert "rules 3 are in force, and this release has the rules 1, 2" in report.findings[0].detail
    assert report.outcome(Check.INCLUSION) == "passed"
    assert report.outcome(Check.VERDICTS) == "passed"  # of the hq lane, as far as it is known
    assert report.outcome(Check.STATE) == "skipped"
    assert checked_now.case is not None
    told = page(checked_now.case, report, ROOT.verifier)
    for words in ("Newer than this checker", "比本核验程序更新", "Новее этой программы"):
        assert words in told


def test_newer_bundle_that_was_altered_is_failed(newer: ExportedBundle) -> None:
    """What is signed is looked at all the same: nobody hides a forgery behind a number."""
    files = files_of(newer)
    for ending in (".event", "receipt.note", "seal.note"):
        path = find(files, ending)
        report = checked(files | {path: files[path][:-1] + bytes([files[path][-1] ^ 1])})
        assert report.status == "failed", ending


def test_event_type_of_the_hq_lane_that_is_not_known_is_newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release without the stream of the rules reads a hub that has adopted some."""

    async def tell() -> Path:
        story = await Story.open(tmp_path, NEWEST)
        await story.take("uz", [story.event("uz", "offer.published", "K-1", offer_value())])
        await story.close()
        return story.database

    bundle = export(Told(asyncio.run(tell()), []))
    known = {type_: kind for type_, kind in hub.domain.catalogue.KINDS.items() if kind.stream != RULES_STREAM.name}
    for module in (hub.evidence.judging, hub.ledger.decide, hub.ledger.basis):
        monkeypatch.setattr(module, "KINDS", known)
    report = check_bundle(bundle.data, ROOT.verifier).report
    assert report.status == NEWER
    assert "net.cohub.rules.adopted.v1, which this release does not know" in report.findings[0].detail


def test_format_of_a_later_release_is_newer(newer: ExportedBundle) -> None:
    """A bundle may be made in another way one day."""
    files = files_of(newer)
    said = orjson.loads(files[layout.MANIFEST])
    files[layout.MANIFEST] = orjson.dumps(said | {"format": "cohub-evidence/v2"})
    files[layout.SUMS] = layout.sums(layout.digests(files))
    assert checked(files).status == NEWER
    files[layout.MANIFEST] = orjson.dumps(said | {"format": "nonsense/v2"})
    files[layout.SUMS] = layout.sums(layout.digests(files))
    assert checked(files).status == "failed"


@pytest.mark.parametrize("number", RULES)
def test_seal_with_extension_lines_is_one_under_rules_1_alone(tmp_path: Path, number: int) -> None:
    """HQ of a release that took it under rules 2 did not go by its own rules: bundle and audit say so."""

    async def tell() -> Path:
        story = await Story.open(tmp_path, FIRST)
        if number > 1:
            await story.hq.headquarters.say([adoption(number, None)], story.now)
        center = story.centers["uz"]
        record = story.event("uz", "offer.published", "K-1", offer_value())
        strange = record.plus(SEAL_HEADER, seal(center.origin, center.edge, center.signer, ("more",)))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(hub.protocol.rules, "RULES", {1: FIRST, 2: replace(NEWEST, strict_seals=False)})
            await story.hq.feed("uz", [strange], story.now)
        await story.notarize()
        await story.close()
        return story.database

    told = Told(asyncio.run(tell()), [])
    found = {finding.check for finding in export(told).case.report.findings if finding.severity is Severity.ERROR}
    assert found == ({Check.SEALS} if number == 2 else set())
    assert {f.what for f in verify(told.database, TRUST).findings} == ({What.SEAL} if number == 2 else set())
