"""How a hub stands, with the broker and without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.broker.ports import choose_port
from hub.hq.folder import HubFolder
from hub.hq.status import read_status
from hub.kafka.cluster import Cluster
from hub.protocol.errors import NotFound
from tests.support.center import Center
from tests.support.hq import Hq


async def test_center_that_nobody_has_read_stands_beside_those_that_somebody_has(tmp_path: Path) -> None:
    uz, kz, tj = Center("uz"), Center("kz"), Center("tj")
    hq = await Hq.open(tmp_path, uz, kz, tj)
    await hq.feed("uz", uz.opened(2))
    await hq.said("suspended", tj)
    await hq.store.close()
    found = await read_status(HubFolder(tmp_path))
    standing = {
        center.center: (center.status, center.registered, center.events, center.lag) for center in found.centers
    }
    assert standing == {
        "kz": ("new", "active", 0, None),
        "tj": ("suspended", "suspended", 0, None),
        "uz": ("reading", "active", 3, None),
    }
    assert (found.totals.events, found.broker.bootstrap) == (3, None)
    assert (found.log.size, found.log.witnesses, found.log.keys_signed) == (0, 2, True)


async def test_broker_that_is_away_is_said_and_is_no_error(tmp_path: Path) -> None:
    await (await Hq.open(tmp_path, Center("uz"))).store.close()
    address = f"127.0.0.1:{choose_port()}"
    found = await read_status(HubFolder(tmp_path), Cluster.at(address))
    assert (found.broker.bootstrap, found.centers[0].lag) == (address, None)
    assert found.broker.state.startswith("does not answer, so lags are unknown")


async def test_folder_without_a_hub_is_not_found_and_stays_without_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no hub here yet"):
        await read_status(HubFolder(tmp_path))
    assert not HubFolder(tmp_path).database.exists()
