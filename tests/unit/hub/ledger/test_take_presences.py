"""Taking: which of a center's presences are news."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

import pytest

from hub.ledger.telling import Telling
from hub.protocol.control import Presence
from hub.protocol.note import sign_note
from hub.protocol.record import CONTROL_HEADER
from tests.support.center import NOW, Sent
from tests.support.hq import Hq, feed, ready, reasons
from tests.support.peek import ask, edit


async def test_presence_is_read_and_a_false_one_kept(hq: Hq) -> None:
    """Control records take no number; one that is not the center's goes to quarantine."""
    center, _ = await ready(hq)
    presence = Presence("uz", center.origin, NOW, 4, 0, "cohub 0.1.0")
    good = Sent(b"uz", sign_note(presence.to_text(), [center.signer]).to_bytes(), ((CONTROL_HEADER, b"presence"),), 50)
    bad = Sent(b"uz", b"I am here", ((CONTROL_HEADER, b"presence"),), 51)
    step = await feed(hq, [good, bad])
    assert (step.heard.presences, reasons(step)) == ((presence,), ["BAD_CONTROL"])


@pytest.mark.parametrize("fetches", [1, 2])
async def test_newest_presence_counts_wherever_an_old_one_is_said_again(hq: Hq, fetches: int) -> None:
    """A stranger copies an old presence behind every new one: HQ shows the new one."""
    center, _ = await ready(hq)

    def presence(seconds: int, offset: int) -> Sent:
        said = Presence("uz", center.origin, NOW + timedelta(seconds=seconds), 4, seconds, "cohub 0.1.0")
        note = sign_note(said.to_text(), [center.signer]).to_bytes()
        return Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),), offset)

    await feed(hq, [presence(1, 50)])
    records = [presence(2, 51), presence(1, 52)]
    for at in range(0, 2, 2 // fetches):
        await feed(hq, records[at : at + 2 // fetches])
    assert "backlog 2\n" in ask(hq.database, "SELECT presence FROM intake WHERE center = 'uz'")


async def test_presence_that_was_ahead_is_news_once_though_the_next_owner_reads_it(hq: Hq) -> None:
    """A clock was a day ahead, is set right, and its connector dies: whoever says the old ones again wakes nobody."""
    center, _ = await ready(hq)
    offsets = count(50)

    def said(*hours: int) -> list[Sent]:
        texts = [Presence("uz", center.origin, NOW + timedelta(hours=h), 4, h, "cohub").to_text() for h in hours]
        notes = [sign_note(text, [center.signer]).to_bytes() for text in texts]
        return [Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),), next(offsets)) for note in notes]

    asked = "SELECT seen_at_us || presence FROM intake WHERE center = 'uz'"
    await feed(hq, said(24, 25))
    assert "backlog 25\n" in ask(hq.database, asked)
    await feed(hq, said(0))
    last = ask(hq.database, asked)
    assert "backlog 0\n" in last
    for hours in (24, 25, 0, 25, 24):
        await feed(hq, said(hours))
        assert ask(hq.database, asked) == last
    (spoken,) = (await hq.store.told(["uz"])).values()
    telling = Telling.again(*spoken)
    for hours in (24, 25, 0):
        again = Presence("uz", center.origin, NOW + timedelta(hours=hours), 4, 0, "cohub")
        assert telling.heard(again, NOW + timedelta(hours=hours), 1.0) is telling


@pytest.mark.parametrize("kept", [None, "''", "'x'", "'- 9999999999999999999999'", "x'ff'"])
async def test_presence_that_an_earlier_release_kept_is_no_news_again(hq: Hq, kept: str | None) -> None:
    """It kept no times, or somebody has edited them: the newest presence is known, and a right one is heard."""
    center, _ = await ready(hq)

    def said(hours: int, offset: int) -> list[Sent]:
        text = Presence("uz", center.origin, NOW + timedelta(hours=hours), 4, hours, "cohub").to_text()
        note = sign_note(text, [center.signer]).to_bytes()
        return [Sent(b"uz", note, ((CONTROL_HEADER, b"presence"),), offset)]

    asked = "SELECT presence FROM intake WHERE center = 'uz'"
    await feed(hq, said(24, 50))
    edit(hq.database, "UPDATE intake SET seen_at_us = 1")
    edit(hq.database, "DELETE FROM heard" if kept is None else f"UPDATE heard SET times = {kept}")
    (spoken,) = (await hq.store.told(["uz"])).values()
    ahead = Presence.from_text(ask(hq.database, asked))
    assert Telling.again(*spoken).heard(ahead, ahead.time, 1.0).heard_at_s < 0
    await feed(hq, said(24, 51))
    assert ask(hq.database, "SELECT seen_at_us FROM intake WHERE center = 'uz'") == 1
    await feed(hq, said(0, 52))
    await feed(hq, said(24, 53))
    assert "backlog 0\n" in ask(hq.database, asked)
