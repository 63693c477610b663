"""Cosignatures in an audit, where HQ's clock was ahead when they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hub.audit.findings import What
from hub.audit.verify import verify
from hub.hq.clock import CORRECTED
from hub.hq.headquarters import HqEvent
from hub.protocol.moment import write_time
from tests.support.center import offer
from tests.support.evidence import NAMES, TRUST, Story, witness_key
from tests.support.hq import center_record
from tests.support.peek import edit

YEAR = timedelta(days=365)


@pytest.mark.parametrize("has_key", [True, False])
async def test_cosignature_that_came_while_the_clock_was_ahead_is_by_a_key_of_that_time(
    tmp_path: Path, *, has_key: bool
) -> None:
    """HQ took the time back, and the key was revoked by the right clock since; one that was never a key is found."""
    story = await Story.open(tmp_path)
    story.now = ahead = datetime.now(UTC) + YEAR
    await story.take("uz", [story.event("uz", "offer.published", "A-1", offer())])
    await story.notarize()
    await story.cosign("uz", "kz")
    right = datetime.now(UTC) + timedelta(hours=1)
    correction = {"since": write_time(right), "ahead_until": write_time(ahead + timedelta(days=2)), "reason": "ahead"}
    await story.hq.headquarters.say([HqEvent(CORRECTED, "clock", correction)], right)
    title, country, zone = NAMES["uz"]
    record = center_record(story.centers["uz"], name=title, country=country, timezone=zone)
    revoked = witness_key("uz") | {"status": "revoked", "status_reason": "lost"}
    event = HqEvent("net.cohub.center.key_revoked.v1", "uz", record | {"keys": [*record["keys"], revoked]})
    await story.hq.headquarters.say([event], right + timedelta(hours=1))
    await story.close()
    if not has_key:
        edit(story.database, "UPDATE cosignature SET key_id = x'00000000' WHERE center = 'uz'")
    found = [finding.what for finding in verify(story.database, TRUST).findings]
    assert found == ([] if has_key else [What.COSIGNATURE])
