"""HQ's people who invite, hear and confirm an office, as tests have them; no Kafka is asked."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hub.hq import invitations
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.invitations import Confirmed, Invited
from hub.hq.reception import Reception
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import Invitation, KafkaWay
from hub.protocol.joining import Answer, open_answer
from tests.support.broken import Broken
from tests.support.joining import request_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KAFKA = KafkaWay(("kafka.example:9093",), "PLAINTEXT")


class Desk:
    """HQ's people and their clock."""

    def __init__(self, where: HubFolder) -> None:
        self.where = where
        self.file = where.data_dir.parent / "uz.cohub"
        self.now = NOW

    def clock(self) -> datetime:
        return self.now

    async def invite(self, center: str = "uz", file: Path | None = None) -> Invited:
        return await invitations.invite(self.where, center, file or self.file, KAFKA, None, self.clock)

    @property
    def bundle(self) -> Invitation:
        return Invitation.from_bytes(self.file.read_bytes())

    async def ask(self, data: bytes, invitation: str | None = None) -> Answer:
        """Bring a request to HQ; return the answer as it was signed."""
        identity = load_identity(self.where.keys)
        async with self.where.store() as store:
            reception = Reception(store.invitations, identity, partial(AccessKey.load, self.where.keys), self.clock)
            answer = await reception.take(invitation or self.bundle.id, data)
            assert identity.trust is not None
            assert open_answer(reception.signed(answer), identity.trust) == answer
            return answer

    async def confirm(self, spoken: Fingerprint | None = None, **options: Any) -> Confirmed:
        words = spoken or request_of(self.bundle).fingerprint
        return await invitations.confirm(self.where, "uz", words, clock=self.clock, **options)

    async def break_off(self, step: str, nth: int) -> None:
        """Confirm, and die at the nth time that this step is taken."""
        whole, broken = self.where, Broken(self.where.data_dir)
        broken.break_at(step, nth)
        self.where = broken
        with pytest.raises(KeyboardInterrupt):
            await self.confirm()
        self.where = whole

    async def withdraw(self) -> Any:
        return await invitations.withdraw(self.where, "uz", self.clock)

    async def look(self) -> invitations.Asked:
        return await invitations.look(self.where, "uz", self.clock)

    async def stage(self) -> str:
        return (await self.look()).standing.stage
