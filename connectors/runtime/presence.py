"""Says to HQ, now and then, that this center is there, and how much it has still to say."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from connectors.runtime.outbox import Outbox
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.sender import Sender
from connectors.runtime.settings import ConnectorSettings
from hub.protocol.control import Presence, seal_key_name
from hub.protocol.errors import Retriable
from hub.protocol.note import Signer, sign_note

KIND: Final = "presence"


async def tell_presence(settings: ConnectorSettings, outbox: Outbox, sender: Sender, key: Signer) -> None:
    """Send presence for as long as the task lives; while the link is down it is not said, and at once when it is up."""
    await sender.ready.wait()
    while True:
        await sender.linked.wait()
        await sender.send_control(KIND, presence_note(settings, outbox, key, datetime.now(UTC)))
        with contextlib.suppress(Retriable):  # for `status` alone; a full disk is reported by those who lose by it
            outbox.database.set_meta(Meta.SENT, sender.sent)
        await asyncio.sleep(settings.presence_s)


def presence_note(settings: ConnectorSettings, outbox: Outbox, key: Signer, now: datetime) -> bytes:
    """Return the signed note that says how much of the lane is sealed, and how much waits."""
    lane, software = outbox.lane, f"cohub {_version()}"
    presence = Presence(settings.center, lane.origin, now, lane.sealed.size, outbox.backlog(), software)
    return sign_note(presence.to_text(), [key.named(seal_key_name(settings.hub, settings.center))]).to_bytes()


def _version() -> str:
    try:
        return version("cohub")
    except PackageNotFoundError:
        return "(not installed)"
