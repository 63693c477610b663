"""What `connector check` says of the broker: does it let this office in, with which rights, and does HQ answer?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from connectors.cli.check import Checked
from connectors.cli.office import OpenedOffice
from hub.base.obstacle import Obstacle, obstacle_of, obstacles_in, time_text
from hub.protocol.errors import CohubError, Retriable, UsageError
from schemas.words.said import Said, said

if TYPE_CHECKING:
    from connectors.runtime.heard import Heard
    from connectors.runtime.link import Link
    from connectors.runtime.registry import Registry
    from hub.base.second_clock import SecondClock
    from hub.base.throttle import Throttled
    from hub.base.topic_access import Door
    from hub.protocol.note import Signer
    from hub.protocol.trust import Trust

MAY_WRITE: Final = "may write"
MAY_READ: Final = "may read"
CENTER_AT_HQ: Final = "center at HQ"


async def ask_broker(office: OpenedOffice) -> list[Checked]:
    """Return whether the broker lets us in, what this center may write and read there, and what HQ has of it."""
    from connectors.cli.check_standing import closed_obstacle, kept_status
    from hub.base.diagnosis import TIMEOUT_S, knock
    from hub.base.topic_access import Door

    settings = office.settings
    timeout_s = min(TIMEOUT_S, settings.request_timeout_s)
    try:
        door = await knock(settings.bootstrap, settings.security, _topics(office), timeout_s)
        if not isinstance(door, Door) and is_about_dates(door) and (clocks := await other_clocks(office)):
            door = await knock(settings.bootstrap, settings.security, _topics(office), timeout_s, clocks)
    except UsageError as exc:
        return [Checked("broker", False, _told(exc))]
    if not isinstance(door, Door):
        closed = closed_obstacle(kept_status(office), door)
        why = [] if closed is None else [Checked("center at HQ", False, closed)]
        return [*why, Checked("broker", False, said("errors.unreachable", obstacles=door))]
    return await _Inside(office, door).look()


def is_about_dates(obstacles: object) -> bool:
    """Return whether a certificate or this computer's clock is off, and nobody knows which."""
    open_questions = (Obstacle.EXPIRED_OR_AHEAD, Obstacle.EARLY_OR_BEHIND)
    return any(obstacle_of(one) in open_questions for one in obstacles_in(obstacles))


async def other_clocks(office: OpenedOffice) -> list[SecondClock]:
    """Return what can be known here of the time beside this computer's clock: from what HQ signed, and from the web."""
    from connectors.cli.check_standing import past_times
    from connectors.runtime.settings import NO_PROXY
    from hub.base.diagnosis import TIMEOUT_S
    from hub.base.probe import time_of_https
    from hub.base.second_clock import SecondClock

    clocks, https = past_times(office), office.settings.https
    if https.address is not None:
        proxy = None if https.proxy is None else https.proxy.get_secret_value()
        proxies = None if proxy is None else {} if proxy == NO_PROXY else {"https": proxy}
        told = await time_of_https(f"{https.address}/livez", https.ca_file, TIMEOUT_S, proxies)
        clocks += [] if told is None else [SecondClock(told)]
    return clocks


def _topics(office: OpenedOffice) -> list[str]:
    """Return what a connector writes, and what it reads."""
    from hub.protocol.topics import CHECKPOINTS, LANE, TRUST

    return [office.settings.topic_in, office.settings.topic_out, LANE, TRUST, CHECKPOINTS]


@dataclass
class _Inside:
    """A check of what is behind a door that is open."""

    office: OpenedOffice
    door: Door
    found: list[Checked] = field(default_factory=list)

    async def look(self) -> list[Checked]:
        from connectors.runtime.link import BrokerAway, Link
        from connectors.runtime.outbox import IN_MEMORY, Outbox
        from hub.base.kafka import AIOKAFKA
        from hub.base.throttle import Throttled

        settings, throttled = self.office.settings, Throttled(AIOKAFKA)
        throttled.heard(self.door.throttled_ms)
        with Outbox(IN_MEMORY) as nowhere:  # the link notes its state in an outbox; a check leaves no trace
            link = Link(settings, nowhere, throttled)
            away = [exc for exc in [await self._may_write(link), await self._may_read(link)] if exc is not None]
            if len(away) == 2 and all(isinstance(exc, BrokerAway) for exc in away):
                return [Checked("broker", False, _told(away[-1]))]
            self.found.insert(0, Checked("broker", True, said("check.answers", servers=", ".join(settings.bootstrap))))
            self.found += [Checked(MAY_READ, False, text) for text in self._hidden()]
            behind = await ask_hq(self.office, link, may_write=self._is_ok(MAY_WRITE))
            self.found += behind
            if any(one.name == CENTER_AT_HQ and one.ok is False and obstacle_of(one.said) for one in behind):
                self._explain_by_standing()
        self._tell_quota(throttled)
        return self.found

    def _is_ok(self, name: str) -> bool:
        return any(one.name == name and one.ok for one in self.found)

    async def _may_write(self, link: Link) -> Retriable | None:
        """Note whether we may write. An idempotent producer is given an id only where it may write at all."""
        from hub.base.topic_access import WRITE

        topic = self.office.settings.topic_in
        return await self._may(MAY_WRITE, topic, self.door.topics[topic].obstacle(WRITE), link.producer)

    async def _may_read(self, link: Link) -> Retriable | None:
        from hub.base.topic_access import READ

        topic = self.office.settings.topic_out
        return await self._may(MAY_READ, topic, self.door.topics[topic].obstacle(READ), link.consumer)

    async def _may(self, name: str, topic: str, obstacle: Said | None, connect: Any) -> Retriable | None:
        from hub.base.clients import close

        client: Any = None
        try:
            if obstacle is None:
                client = await connect()
        except Retriable as exc:
            self.found.append(Checked(name, False, _told(exc)))
            return exc
        finally:
            if client is not None:
                await close(client)
        told = said("check.topic", topic=topic) if obstacle is None else obstacle
        self.found.append(Checked(name, obstacle is None, told))
        return None

    def _hidden(self) -> Iterator[Said]:
        """Yield what keeps us from topics that are for every office; one that is not there is an older HQ's."""
        from hub.base.topic_access import READ, UNKNOWN_TOPIC

        own = (self.office.settings.topic_in, self.office.settings.topic_out)
        for topic, access in self.door.topics.items():
            if topic not in own and access.error_code != UNKNOWN_TOPIC:
                obstacle = access.obstacle(READ)
                if obstacle is not None:
                    yield obstacle

    def _explain_by_standing(self) -> None:
        """Say of a right that is missing that HQ has taken it with the center's standing, which is told once."""
        topic = self.office.settings.topic_in
        for place, one in enumerate(self.found):
            if one.name == MAY_WRITE and one.ok is False:
                self.found[place] = Checked(MAY_WRITE, None, said("check.by_standing", topic=topic))

    def _tell_quota(self, throttled: Throttled) -> None:
        if throttled.longest_ms:
            seconds = round(throttled.longest_ms / 1000, 1)
            self.found.append(Checked("quota", False, said("obstacles.quota", seconds=seconds)))
        else:
            self.found.append(Checked("quota", True, said("check.no_wait")))


async def ask_hq(office: OpenedOffice, link: Link, *, may_write: bool = True) -> list[Checked]:
    """Return what HQ has of this center, whether HQ works, and what its broker's clock says of ours.

    Where we may write HQ's key for this center is tried by a sign of life, as from a running connector.
    """
    from connectors.cli.check_registry import check_registry
    from connectors.cli.check_standing import standing_obstacle
    from connectors.runtime.heard import read_heard
    from connectors.runtime.office import read_office_keys, read_trust
    from connectors.runtime.settings import TRUST
    from connectors.runtime.trust import Trusted

    try:
        trust = read_trust(office.path / TRUST)
        keys = read_office_keys(office.path, office.settings)
    except UsageError:
        return []  # said already, under key or trust
    found: list[Checked] = []
    gap = timedelta()
    heard = await read_heard(link, Trusted(Path(), trust, lambda _path, _data: None))
    registry = await _read_registry(link, trust)
    if isinstance(registry, Checked):
        found.append(registry)
    else:
        found += check_registry(office, registry, keys, standing_obstacle(registry, heard.status))
        ours = None if registry.center is None else registry.center.key(keys[0].verifier)
        if may_write and ours is not None and ours.active:
            clock = await _ask_clock(office, link, keys[0])
            found += [] if clock is None else [clock[0]]
            gap = gap if clock is None else clock[1]
    return [*found, _alive(heard, datetime.now(UTC) - gap)]


async def _read_registry(link: Link, trust: Trust) -> Registry | Checked:
    """Return HQ's registry, or that it can't be had."""
    from connectors.runtime.registry_reader import read_registry

    try:
        registry = await read_registry(link, trust)
    except Retriable as exc:
        return Checked("registry", None, _told(exc))
    return registry if registry.known else Checked("registry", None, said("check.no_registry"))


async def _ask_clock(office: OpenedOffice, link: Link, key: Signer) -> tuple[Checked, timedelta] | None:
    """Return what is said of our clock, and by how much it is ahead of the broker's; None where that can't be told."""
    from connectors.cli.check_clock import ask_clock, judge

    found = await ask_clock(office, link, key)
    if isinstance(found, Checked):
        return found, timedelta()
    return None if found is None else (judge(found), found)


def _alive(heard: Heard, now: datetime) -> Checked:
    """Return whether HQ works; `now` is the broker's clock, as far as that is known."""
    from connectors.cli.check_standing import silent_obstacle

    since = heard.down_since(now)
    if since is not None:
        return Checked("HQ alive", False, silent_obstacle(since))
    if heard.at is None or not heard.is_log:
        return Checked("HQ alive", None, said("check.not_heard"))
    return Checked("HQ alive", True, said("check.heard", at=time_text(heard.at)))


def _told(exc: CohubError) -> Said:
    from connectors.runtime.told import told_of

    return told_of(exc)
