"""How the workers of a group share the lanes: evenly, and so that few lanes move.

Kafka has one member of the group deal out all partitions whenever somebody joins, leaves, or a center is added. Dealt
out anew each time, nearly all lanes change hands, and each that does is claimed, read from SQL and cached again. So
each member tells which lanes it had, and keeps them as far as that is even. `shared` is pure; a `Sharing` remembers
what its own member was given last.

It carries Kafka's name for dealing in a circle, `roundrobin`, for two reasons. Members of releases up to 0.2 know that
name alone, and a group deals by a name that all of its members list: led by an old member it is dealt in a circle, led
by one of these as here, and either takes what the other deals. And a member must list one name only: aiokafka joins
its group once for each that it lists, one rebalance after the other, and two such members never come to rest.
"""

from __future__ import annotations

import heapq
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

VERSION: Final = 0
HAD_MAX: Final = 20_000  # parts that a member may say that it had
DEALS_MAX: Final = 1 << 53

Part = tuple[str, int]  # a topic and a partition
Had = tuple[int, Collection[Part]]  # in which deal a member was given something last, and what
NOTHING: Final[Had] = (0, [])


def shared(
    parts: Iterable[Part], members: Mapping[str, Collection[str]], had: Mapping[str, Had]
) -> dict[str, list[Part]]:
    """Return who reads what: each part one member that subscribes to its topic.

    Of the topics that all subscribe to nobody has two more than another, and as many as that allows stay where they
    are. A topic that some do not know yet, or any more, stays where it is, or goes to who has least of those who do.
    Where two say that they had the same, it is whose deal was later.
    Shapes: `members` has the topics of each.
    """
    wanted = sorted({part for part in parts if any(part[0] in topics for topics in members.values())})
    owners = _owners(wanted, members, had)
    given: dict[str, list[Part]] = {name: [] for name in sorted(members)}
    common, kept = list[Part](), defaultdict[str, list[Part]](list)
    for part in wanted:
        readers = [name for name in given if part[0] in members[name]]
        if len(readers) == len(given):
            common.append(part)
            if part in owners:
                kept[owners[part]].append(part)
        else:
            given[owners.get(part) or min(readers, key=lambda name: len(given[name]))].append(part)
    room = _room({name: (len(found), len(kept[name])) for name, found in given.items()}, len(common))
    stays = {name: kept[name][: room[name]] for name in given}
    free = iter(sorted(set(common).difference(*stays.values())))
    for name in given:
        given[name] += stays[name]
        given[name] += [next(free) for _ in range(room[name] - len(stays[name]))]
    return {name: sorted(found) for name, found in given.items()}


def _owners(wanted: Iterable[Part], members: Mapping[str, Collection[str]], had: Mapping[str, Had]) -> dict[Part, str]:
    there, owners, deals = set(wanted), dict[Part, str](), dict[Part, int]()
    for name in sorted(members):
        deal, parts = had.get(name, NOTHING)
        for part in parts:
            if part in there and part[0] in members[name] and deal > deals.get(part, -1):
                owners[part], deals[part] = name, deal
    return owners


def _room(loads: Mapping[str, tuple[int, int]], count: int) -> dict[str, int]:
    """Return how many of `count` parts each member gets: always one to who has least, or else who had most of them.

    Shapes: `loads` has how many each has already, and how many of these it had.
    """
    room = dict.fromkeys(loads, 0)
    waiting = [(load, -had, name) for name, (load, had) in loads.items()]
    heapq.heapify(waiting)
    for _ in range(count):
        load, had, name = waiting[0]
        room[name] += 1
        heapq.heapreplace(waiting, (load + 1, had + 1, name))
    return room


class Sharing(AbstractPartitionAssignor):
    """Shares the lanes in the name of one member of the group: make one for each consumer."""

    name = RoundRobinPartitionAssignor.name

    def __init__(self) -> None:
        self._had: Had = NOTHING

    def assign(
        self, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        """See AbstractPartitionAssignor."""
        topics = {name: frozenset(metadata.subscription) for name, metadata in members.items()}
        had = {name: read_had(metadata.user_data) for name, metadata in members.items()}
        parts = [
            (topic, number)
            for topic in frozenset[str]().union(*topics.values())
            for number in cluster.partitions_for_topic(topic) or ()
        ]
        deal = write_had((1 + max(deal for deal, _ in had.values()), ()))
        return {
            name: ConsumerProtocolMemberAssignment(VERSION, _by_topic(found), deal)
            for name, found in shared(parts, topics, had).items()
        }

    def metadata(self, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
        """See AbstractPartitionAssignor."""
        return ConsumerProtocolMemberMetadata(VERSION, sorted(topics), write_had(self._had))

    def on_assignment(self, assignment: ConsumerProtocolMemberAssignment) -> None:
        """See AbstractPartitionAssignor."""
        deal, _ = read_had(assignment.user_data)
        self._had = deal, [(place.topic, place.partition) for place in assignment.partitions()]


def write_had(had: Had) -> bytes:
    """Return what a member tells of what it had."""
    deal, parts = had
    return json.dumps({"deal": deal, "had": _by_topic(parts)}, separators=(",", ":")).encode()


def read_had(told: bytes | None) -> Had:
    """Return what a member tells that it had; nothing for what is no such thing: it is dealt to like a new one."""
    try:
        found = json.loads(told or b"{}")
        deal, listed = found.get("deal", 0), found.get("had", [])
        parts = [(topic, number) for topic, numbers in listed for number in numbers]
    except (ValueError, TypeError, AttributeError, RecursionError):
        return NOTHING
    is_sound = all(isinstance(topic, str) and type(number) is int for topic, number in parts) and len(parts) <= HAD_MAX
    return (deal, parts) if type(deal) is int and 0 <= deal < DEALS_MAX and is_sound else NOTHING


def _by_topic(parts: Iterable[Part]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for topic, number in sorted(parts):
        found.setdefault(topic, []).append(number)
    return list(found.items())
