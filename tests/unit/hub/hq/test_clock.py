"""HQ's clock was ahead: what it takes back, and that everybody who looks later allows that, shows it, and no more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.audit.findings import What
from hub.audit.rebuild import rebuild
from hub.audit.verify import verify
from hub.domain.clock import Correction
from hub.evidence.check import check_bundle
from hub.evidence.export import export_bundle
from hub.evidence.report import Check, Severity
from hub.evidence.subject import Subject
from hub.protocol.errors import Rejected
from hub.replay.asof import AsOf
from hub.replay.chain import newest
from hub.replay.decoding import Decoder
from hub.replay.export import Selection, again, place_of
from hub.replay.follow import search
from hub.replay.history import history
from hub.replay.named import follow_entity
from hub.replay.source import Ledger
from hub.store.depot import open_depot
from hub.store.opener import open_archiver
from tests.support.archived import settle
from tests.support.center import offer
from tests.support.clocked import HOUR, Clocked, clocked
from tests.support.evidence import ROOT, TRUST, TRUST_NOTE

DAY = timedelta(days=1)


async def healed(folder: Path, *, hq_too: bool) -> Clocked:
    """Return a hub that goes on by the right clock after its word."""
    story = await clocked(folder, hq_too=hq_too)
    await story.correct(story.right + DAY)
    return story


@pytest.mark.parametrize("hq_too", [False, True])
async def test_lanes_wait_for_a_time_to_come_until_hq_takes_it_back(tmp_path: Path, hq_too: bool) -> None:
    """Without HQ's word what comes next is recorded under the wrong time; with it, by the right clock."""
    story = await clocked(tmp_path, hq_too=hq_too)
    stuck = await story.offered("uz", "K-4", story.right + HOUR)
    assert stuck == story.wrong + 2 * HOUR
    step = await story.correct(story.right + DAY)
    said = step.commits[0].lane.recorded_at
    assert said == (story.wrong + HOUR if hq_too else story.right + DAY)
    later = story.right + 2 * DAY
    assert [await story.offered(center, "K-5", later) for center in ("uz", "kz", "cn")] == [later] * 3
    assert await story.said(later) == later
    await story.close()


@pytest.mark.parametrize("hq_too", [False, True])
async def test_audit_rebuild_and_evidence_hold_and_show_what_was_taken_back(tmp_path: Path, hq_too: bool) -> None:
    """Before the step, behind it and across it; also the keys and bases of the time that was wrong."""
    story = await healed(tmp_path, hq_too=hq_too)
    for number, center in enumerate(("uz", "kz", "cn")):
        await story.offered(center, "K-6", story.right + 2 * DAY + number * HOUR)
    await story.said(story.right + 3 * DAY)
    await story.offered("uz", "K-7", story.right + 4 * DAY)
    await story.notarize()
    await story.cosign("uz", "kz", "cn")
    await story.close()
    report = verify(story.database, TRUST)
    assert [(f.what, f.where, f.detail) for f in report.findings] == []
    assert [c.since for c in report.corrections] == [story.right + DAY]
    assert rebuild(story.database, TRUST, tmp_path / "second").differences == []
    with Ledger.open(story.database) as ledger:
        for subject in (
            Subject("entity", "uz:K-1", "offer"),
            Subject("entity", "uz:K-2", "offer"),
            Subject("entity", "uz:K-7", "offer"),
            Subject("center", "uz", "", story.right - HOUR, story.right + 5 * DAY),
            Subject("center", "uz", "", story.right + 2 * DAY, story.right + 5 * DAY),
        ):
            made = export_bundle(ledger, TRUST_NOTE, subject)
            checked = check_bundle(made.data, ROOT.verifier).report
            assert checked.status == "proved", (subject, checked.findings)
            shown = [f.detail for f in checked.findings if (f.check, f.severity) == (Check.RECEIPTS, Severity.WARNING)]
            assert any("HQ took back" in detail for detail in shown), subject


async def test_state_known_at_a_time_has_what_the_wrong_clock_recorded_once_its_lane_went_on(tmp_path: Path) -> None:
    """K-2 names a time over a year to come, and was known at the latest when its lane went on."""
    story = await healed(tmp_path, hq_too=True)
    later = story.right + 2 * DAY
    await story.offered("uz", "K-6", later)
    await story.close()
    with Ledger.open(story.database) as ledger:

        def known(key: str, moment: timedelta) -> bool:
            found = newest(ledger, "offer", f"uz:{key}")
            assert found is not None
            return AsOf(ledger, Decoder(ledger), story.right + moment).entity(found) is not None

        assert (known("K-1", HOUR), known("K-2", HOUR), known("K-6", HOUR)) == (True, False, False)
        assert (known("K-1", 2 * DAY), known("K-2", 2 * DAY), known("K-6", 2 * DAY)) == (True, True, True)


async def test_hq_that_goes_back_without_its_word_is_found_by_audit_and_proves_nothing(tmp_path: Path) -> None:
    """Nor may it go back before the correction, or from a time that it did not take back."""
    for number, believed in enumerate(("none said", "before it", "another time")):
        folder = tmp_path / str(number)
        folder.mkdir()
        story = await clocked(folder, hq_too=False)
        since, until = story.right + DAY, story.wrong + 2 * HOUR
        if believed == "before it":
            await story.correct(since)
        if believed == "another time":
            await story.correct(since, story.wrong)  # uz stands two hours behind that
        hostile = Correction(since - DAY / 2 if believed == "before it" else since, until, "", basis=10_000)
        at = since - HOUR if believed == "before it" else since + HOUR
        assert await story.antedate("uz", "K-9", at, hostile) == at
        await story.close()
        found = verify(story.database, TRUST).findings
        assert What.CLOCK in {finding.what for finding in found}, believed
        with Ledger.open(story.database) as ledger:
            subject = Subject("center", "uz", "", story.right - DAY, story.right + 9 * DAY)
            report = check_bundle(export_bundle(ledger, TRUST_NOTE, subject).data, ROOT.verifier).report
        errors = [finding.detail for finding in report.findings if finding.severity is Severity.ERROR]
        assert any("was recorded before the receipt in front of it" in error for error in errors), (believed, errors)


async def test_correction_that_takes_nothing_back_is_rejected(tmp_path: Path) -> None:
    story = await clocked(tmp_path, hq_too=False)
    with pytest.raises(Rejected):
        await story.correct(story.right + DAY, story.right)
    await story.close()


async def test_second_correction_takes_the_place_of_the_first(tmp_path: Path) -> None:
    """It covers what the first one did and is still to come: a lane that was silent goes on too."""
    story = await healed(tmp_path, hq_too=False)
    await story.offered("cn", "K-4", story.wrong + 9 * DAY)
    await story.correct(story.right + 2 * DAY)
    later = story.right + 3 * DAY
    assert [await story.offered(center, "K-5", later) for center in ("uz", "kz", "cn")] == [later] * 3
    await story.close()
    report = verify(story.database, TRUST)
    assert (report.findings, len(report.corrections)) == ([], 2)


async def test_lane_goes_back_once_and_not_again_within_what_was_taken_back(tmp_path: Path) -> None:
    """Right times, too, lie in front of `ahead_until`: a clock that lags, or a hostile HQ, steps back from none."""
    story = await healed(tmp_path, hq_too=True)
    right = story.right + 2 * DAY
    assert await story.offered("uz", "K-5", right) == right
    assert await story.offered("uz", "K-6", right - HOUR) == right
    await story.hq.claim("uz")  # another worker takes the lane over
    assert await story.offered("uz", "K-7", right - HOUR) == right
    hostile = Correction(story.right + DAY, story.wrong + 2 * HOUR, "", basis=10_000)
    assert await story.antedate("uz", "K-8", right - HOUR, hostile) == right - HOUR
    assert await story.said(right) == right
    assert await story.said(right - HOUR) == right
    await story.close()
    found = verify(story.database, TRUST).findings
    assert What.CLOCK in {finding.what for finding in found}
    with Ledger.open(story.database) as ledger:
        subject = Subject("center", "uz", "", story.right - DAY, story.right + 9 * DAY)
        report = check_bundle(export_bundle(ledger, TRUST_NOTE, subject).data, ROOT.verifier).report
    errors = [finding.detail for finding in report.findings if finding.severity is Severity.ERROR]
    assert any("was recorded before the receipt in front of it" in error for error in errors), errors


async def test_replay_goes_on_behind_any_event_though_a_lane_went_back(tmp_path: Path) -> None:
    """Nothing is left out and nothing comes twice; lanes and their events come in order."""
    story = await gone_on(tmp_path)
    with Ledger.open(story.database) as ledger:
        decoder = Decoder(ledger)

        def places(after: str | None = None) -> list[str]:
            behind = None if after is None else place_of(ledger, after)
            return [found.place for found, _ in again(ledger, decoder, Selection(ledger.lanes, after=behind))]

        whole = places()
        assert [places(place) for place in whole] == [whole[number:] for number in range(1, len(whole) + 1)]
        for lane in ledger.lanes:
            own = [place for place in whole if place.startswith(f"{lane.origin}:")]
            assert own == [f"{lane.origin}:{number}" for number in range(1, lane.size + 1)]
        keys = {place: n for n, place in enumerate(whole)}
        uz, cn = (story.centers[center].origin for center in ("uz", "cn"))
        assert keys[f"{uz}:4"] < keys[f"{cn}:3"]  # the wrong clock's time, and one by the right clock, a day later
        told = [event.event.sequence for event in history(ledger, decoder, "offer", "uz:K-2")]
        assert told == [3]


async def test_archive_takes_what_a_wrong_clock_recorded_with_what_came_behind_it(tmp_path: Path) -> None:
    """Its time is to come, and what stands behind it was recorded by the right clock: the ledger is not damaged."""
    story = await gone_on(tmp_path)
    settle(story.database)
    with open_archiver(story.database) as archiver:
        made = list(
            archiver.archive(open_depot(str(tmp_path / "depot")), story.right + 30 * DAY, story.right + 60 * DAY)
        )
    assert {(one.origin.split("/")[1], one.first, one.last) for one in made} == {
        ("uz", 1, 5), ("kz", 1, 4), ("cn", 1, 3),
    }  # fmt: skip
    assert verify(story.database, TRUST).findings == []


async def gone_on(folder: Path) -> Clocked:
    """Return a hub whose lanes all went on by the right clock, which says nothing more."""
    story = await healed(folder, hq_too=True)
    for number, center in enumerate(("uz", "kz", "cn")):
        await story.offered(center, "K-6", story.right + 2 * DAY + number * HOUR)
    await story.said(story.right + 3 * DAY)
    await story.notarize()
    await story.close()
    return story


async def test_story_begins_with_what_opened_it_whatever_a_wrong_clock_called_the_time(tmp_path: Path) -> None:
    """What was recorded a year ahead stands above what followed on it by the right clock."""
    story = await healed(tmp_path, hq_too=True)
    uz = story.centers["uz"]
    revised = story.event("uz", "offer.revised", "K-2", offer("Another title"), time=story.right)
    await story.hq.feed("uz", [uz.sealed(revised)], story.right + 2 * DAY)
    await story.close()
    with Ledger.open(story.database) as ledger:
        found = follow_entity(ledger, Decoder(ledger), [("offer", "uz:K-2")])
        whole = sorted(search(ledger, lambda _: True, lambda _: None), key=lambda said: said.order)
    assert [(depth, node.said.event.sequence) for depth, node in found.walk()] == [(0, 3), (1, 5)]
    assert [said.event.sequence for said in whole if said.lane.center == "uz"] == [1, 2, 3, 4, 5]
