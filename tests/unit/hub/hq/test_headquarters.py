"""What HQ says in its own lane."""

from __future__ import annotations

from pathlib import Path

from hub.hq.headquarters import Said
from hub.protocol.record import split_canonical
from tests.support.center import NOW, Center
from tests.support.hq import Hq, center_record


def links(hq: Hq) -> list[tuple[str, bytes | None, bytes | None, bytes | None]]:
    """Return type, id, correlation and cause of every event in the hq lane."""
    rows = hq.store._db.execute(
        "SELECT type, data FROM ledger JOIN lane ON id = lane_id WHERE center = 'hq' ORDER BY 1"
    )
    found = []
    for kind, data in rows:
        headers = dict(split_canonical(data)[0])
        found.append((kind, *(headers.get(f"ce_{name}") for name in ("id", "correlationid", "causationid"))))
    return found


async def test_events_said_in_one_call_have_one_correlation(tmp_path: Path) -> None:
    """It is the id of the first; what is said alone names nothing, nor does the opening of the lane."""
    hq = await Hq.open(tmp_path, Center("uz"))
    registered = "net.cohub.center.registered.v1"
    events = [Said(registered, name, center_record(Center(name))) for name in ("kz", "tj")]
    await hq.headquarters.say(events, NOW)
    found = links(hq)
    assert all(cause is None for _, _, _, cause in found)
    assert [correlation for kind, _, correlation, _ in found if kind == "net.cohub.lane.opened.v1"] == [None]
    announced = [(event_id, c) for kind, event_id, c, _ in found if kind == "net.cohub.schema.announced.v1"]
    assert len(announced) > 1
    assert len({correlation for _, correlation in announced}) == 1
    assert announced[0][1] in {event_id for _, event_id, _, _ in found}
    told = [(event_id, correlation) for kind, event_id, correlation, _ in found if kind == registered]
    alone = [event_id for event_id, correlation in told if correlation is None]
    together = [(event_id, c) for event_id, c in told if c is not None and c != announced[0][1]]
    assert (len(alone), len(together)) == (1, 2)
    assert len({correlation for _, correlation in together} & {event_id for event_id, _ in together}) == 1
    hq.store.close()
