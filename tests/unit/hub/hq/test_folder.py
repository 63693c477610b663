"""A hub's folder: made once, under one name."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.protocol.errors import Conflict, NotFound


def test_identity_is_made_once_and_keeps_its_name(tmp_path: Path) -> None:
    where = HubFolder(tmp_path / "data")
    made = where.ensure_identity("hub.example")
    assert made is not None
    assert made.hub == "hub.example"
    assert where.ensure_identity(None) is None
    assert where.ensure_identity("hub.example") is None
    with pytest.raises(Conflict, match=r"is the hub hub.example, expected other.example"):
        where.ensure_identity("other.example")


async def test_store_of_a_hub_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no hub here yet"):
        async with HubFolder(tmp_path).store():
            pass
    assert not HubFolder(tmp_path).database.exists()
