"""Whether the broker lets HQ in, as admin and as worker, with which rights, and with the topics that it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from hub.base import files
from hub.base.access import host_and_port
from hub.base.diagnosis import TIMEOUT_S, knock
from hub.base.obstacle import time_text
from hub.base.probe import shown_by
from hub.base.shown_certificate import ShownCertificate, read_file
from hub.base.topic_access import READ, WRITE, Door, TopicAccess
from hub.domain.catalogue import STREAMS
from hub.hq.doctor.examined import Check, Examined, examined
from hub.kafka.clock import brokers_time
from hub.kafka.cluster import Cluster
from hub.kafka.security import user_of
from hub.kafka.topics import TopicSpec, describe_topics, standard_topics
from hub.protocol.errors import CohubError, UsageError
from hub.protocol.limits import BROKER_CLOCK_NOTICED, BROKER_CLOCK_OFF_MAX
from hub.protocol.topics import CLOCK
from schemas.words.said import Said

SHOWN_MAX: Final = 8
DUE: Final = 3  # one over this part of a certificate's life is left: another one should be there already
SOON: Final = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Entered:
    """How one of HQ's principals fares at the broker; door is None where it is not let in."""

    examined: Examined
    door: Door | None


async def enter(check: Check, cluster: Cluster | None, topics: Sequence[str]) -> Entered:
    """Look whether a broker lets this principal in."""
    if cluster is None:
        return Entered(examined(check, "not_known"), None)
    try:
        user = user_of(cluster.security) or "-"
        found = await knock(cluster.servers, cluster.security, topics, TIMEOUT_S)
    except UsageError as exc:
        said = getattr(exc, "said", None)
        return Entered(examined(check, "misset", reason=said if isinstance(said, Said) else str(exc)), None)
    if isinstance(found, Door):
        return Entered(examined(check, "answers", servers=cluster.bootstrap, user=user), found)
    return Entered(examined(check, "away", obstacles=found, user=user), None)


def wanted_topics(centers: Collection[str]) -> list[TopicSpec]:
    """Return the topics that a hub with these centers needs."""
    return standard_topics(sorted(centers), list(STREAMS))


def examine_rights(door: Door, wanted: Sequence[TopicSpec]) -> Examined:
    """Look whether the worker may read and write what it has to, as the broker says it."""
    lacking = []
    for spec in wanted:
        access = door.topics.get(spec.name, TopicAccess(spec.name))
        lacking += [f"{word} {spec.name}" for word, operation in _needed(spec.name) if _is_refused(access, operation)]
    if lacking:
        return examined(Check.RIGHTS, "lacking", rights=_some(lacking), count=len(lacking))
    if any(access.operations is None and not access.error_code for access in door.topics.values()):
        return examined(Check.RIGHTS, "untold")
    return examined(Check.RIGHTS, "enough", count=len(wanted))


def _needed(topic: str) -> Iterator[tuple[str, int]]:
    """Yield what a worker does with a topic: it reads what centers write, writes all else, and reads its own again."""
    if topic.startswith("in."):
        yield "READ", READ
        return
    yield "WRITE", WRITE
    if topic.startswith("hub.") and topic != CLOCK:
        yield "READ", READ


def _is_refused(access: TopicAccess, operation: int) -> bool:
    """Return whether a right is missing; that a topic is, is told elsewhere."""
    obstacle = access.obstacle(operation)
    return obstacle is not None and not obstacle.name.endswith("no_topic")


async def examine_topics(cluster: Cluster, wanted: Sequence[TopicSpec]) -> Examined:
    """Look whether the topics are there, as they should be."""
    try:
        there = await describe_topics(cluster, [spec.name for spec in wanted])
    except CohubError as exc:
        return examined(Check.TOPICS, "untold", reason=str(exc))
    missing = [spec.name for spec in wanted if spec.name not in there]
    if missing:
        return examined(Check.TOPICS, "missing", topics=_some(missing), count=len(missing))
    other = [spec.name for spec in wanted if there[spec.name].partitions != spec.partitions]
    if other:
        return examined(Check.TOPICS, "partitions", topics=_some(other), count=len(other))
    otherwise = [
        f"{spec.name} {name}={there[spec.name].configs.get(name, '-')} (not {value})"
        for spec in wanted
        for name, value in spec.configs.items()
        if there[spec.name].configs.get(name) != value
    ]
    if otherwise:
        return examined(Check.TOPICS, "otherwise", topics=_some(otherwise), count=len(otherwise))
    return examined(Check.TOPICS, "as_wanted", count=len(wanted))


async def examine_clock(cluster: Cluster, door: Door) -> Examined:
    """Compare HQ's clock with the broker's, by a record on the topic that is for it; nothing is made for it."""
    if door.topics.get(CLOCK, TopicAccess(CLOCK, 3)).error_code:
        return examined(Check.CLOCK, "untold", reason=f"{CLOCK} is not there")
    try:
        gap = (await brokers_time(cluster)).gap
    except CohubError as exc:
        return examined(Check.CLOCK, "untold", reason=str(exc))
    seconds = f"{gap.total_seconds():.3f}"
    if abs(gap) <= BROKER_CLOCK_NOTICED:
        return examined(Check.CLOCK, "agrees", seconds=seconds.lstrip("-"))
    limit = int(BROKER_CLOCK_OFF_MAX.total_seconds())
    return examined(Check.CLOCK, "apart", seconds=seconds, limit=limit)


async def examine_certificates(clusters: Sequence[Cluster], now: datetime | None = None) -> Examined:
    """Look how long the certificates last that the brokers show, and those that we know them by."""
    now = now or datetime.now(UTC)
    found: dict[str, ShownCertificate] = {}
    unseen = []
    secured = [cluster for cluster in clusters if cluster.security.has_tls]
    if not secured:
        return examined(Check.CERTIFICATES, "none")
    for cluster in secured:
        for address in cluster.servers:
            if address not in found and address not in unseen:
                shown = await shown_by(*host_and_port(address), TIMEOUT_S)
                if shown is None:
                    unseen.append(address)
                else:
                    found[address] = shown
        for file in (cluster.security.ca_file, cluster.security.cert_file):
            if file is not None:
                try:
                    found |= {str(file): one for one in read_file(files.read_named(file))}
                except (OSError, ValueError):
                    unseen.append(str(file))
    return _judge(found, unseen, now)


def _judge(found: dict[str, ShownCertificate], unseen: Sequence[str], now: datetime) -> Examined:
    """Return what is worst of these: an end that has come, one that comes soon, one that can't be seen."""
    by_end = sorted(found.items(), key=lambda one: one[1].ends)
    values = {"where": by_end[0][0], "ends": time_text(by_end[0][1].ends)} if by_end else {}
    if by_end and not by_end[0][1].holds_at(now):
        return examined(Check.CERTIFICATES, "ended", **values)
    if unseen:
        return examined(Check.CERTIFICATES, "unseen", where=_some(unseen))
    first = by_end[0][1]
    days = (first.ends - now).days
    if first.ends - now < min(SOON, (first.ends - first.begins) / DUE):
        return examined(Check.CERTIFICATES, "ends_soon", days=days, **values)
    return examined(Check.CERTIFICATES, "lasts", days=days, **values)


def _some(names: Sequence[str]) -> str:
    more = f", … (+{len(names) - SHOWN_MAX})" if len(names) > SHOWN_MAX else ""
    return ", ".join(names[:SHOWN_MAX]) + more
