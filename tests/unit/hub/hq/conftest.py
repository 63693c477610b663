"""A hub's folder with its keys, and the enrolment notes of centers."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.hq.folder import HubFolder
from hub.protocol.control import enrolment, key_name
from hub.protocol.keys import ED25519, Signer
from tests.support.center import HUB


@pytest.fixture
def where(tmp_path: Path) -> HubFolder:
    """Return the folder of a hub that was just made."""
    folder = HubFolder(tmp_path / "data")
    assert folder.ensure_identity(HUB) is not None
    return folder


def enrolled(
    center: str = "uz",
    purpose: str = "seal",
    seed: bytes = b"s",
    algorithm: int = ED25519,
    previous: bytes | None = None,
) -> bytes:
    """Return the enrolment note of a center's key, vouched for by the key of the seed `previous`."""
    name = key_name(HUB, center, purpose)
    old = None if previous is None else Signer(name, previous * 32, algorithm)
    return enrolment(HUB, center, purpose, Signer(name, seed * 32, algorithm), old)
