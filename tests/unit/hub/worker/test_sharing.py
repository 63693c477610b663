"""Lanes are shared evenly, few of them move, and a group of mixed releases agrees on how it shares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from aiokafka.cluster import ClusterMetadata
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.protocol.topics import topic_in
from hub.worker.sharing import HAD_MAX, NOTHING, Had, Part, Sharing, read_had, shared, write_had

PARTS = [(topic_in(f"c{number:02}"), 0) for number in range(30)]
names = st.sampled_from([f"w{number}" for number in range(6)])
some_parts = st.sets(st.sampled_from(PARTS))
hads = st.dictionaries(names, st.tuples(st.integers(0, 3), some_parts))


class Cluster(ClusterMetadata):
    """A cluster of these topics, of one partition each."""

    def __init__(self, topics: Iterable[str]) -> None:
        super().__init__()
        self._topics = set(topics)

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0} if topic in self._topics else None


class Group:
    """Members of a group as its coordinator sees them, all of which list one way of dealing, by its name."""

    def __init__(self, topics: Iterable[str]) -> None:
        self.topics = list(topics)
        self.members: dict[str, Any] = {}  # its first is the leader
        self.has: dict[str, set[str]] = {}

    def deal(self) -> None:
        """Rebalance."""
        assert {one.name for one in self.members.values()} == {"roundrobin"}
        told = {name: one.metadata(self.topics) for name, one in self.members.items()}
        read = {name: type(metadata).decode(metadata.encode()) for name, metadata in told.items()}
        leader = next(iter(self.members.values()))
        before, self.has = self.has, {}
        for name, dealt in leader.assign(Cluster(self.topics), read).items():
            assignment = type(dealt).decode(dealt.encode())
            self.members[name].on_assignment(assignment)
            self.has[name] = {place.topic for place in assignment.partitions()}
        self.moved = sum(len(has - before.get(name, set())) for name, has in self.has.items())


new, old = Sharing, RoundRobinPartitionAssignor  # what a member of releases up to 0.2 is: a class of aiokafka's


@given(some_parts, st.sets(names, min_size=1), hads)
@settings(max_examples=500, deadline=None)
def test_all_lanes_are_shared_within_one_and_no_more_move_than_must(
    parts: set[Part], members: set[str], had: Mapping[str, Had]
) -> None:
    """Whatever members say that they had, even the same lanes: all is dealt once, and as much stays as can."""
    subscribed = frozenset(topic for topic, _ in parts)
    found = shared(parts, dict.fromkeys(members, subscribed), had)
    assert sorted(part for own in found.values() for part in own) == sorted(parts)
    assert max(map(len, found.values())) - min(map(len, found.values())) <= 1
    said = {part: [(had[name][0], name) for name in members & had.keys() if part in had[name][1]] for part in parts}
    if all(len(claims) <= 1 or max(claims)[0] > sorted(claims)[-2][0] for claims in said.values()):  # nobody disputes
        owners = {part: max(claims)[1] for part, claims in said.items() if claims}
        owned = Counter(owners.values())
        least, more = divmod(len(parts), len(members))
        could_stay = sum(min(owned[name], least) for name in members)
        could_stay += min(more, sum(owned[name] > least for name in members))
        assert sum(owners.get(part) == name for name, own in found.items() for part in own) == could_stay


@given(some_parts, st.dictionaries(names, st.sets(st.sampled_from([topic for topic, _ in PARTS])), min_size=1), hads)
@settings(max_examples=300, deadline=None)
def test_member_is_given_only_topics_that_it_subscribes_to(
    parts: set[Part], members: dict[str, set[str]], had: Mapping[str, Had]
) -> None:
    """For a moment, when a center is new, not all workers know it: it is read by one who does."""
    found = shared(parts, members, had)
    dealt = [part for own in found.values() for part in own]
    assert len(dealt) == len(set(dealt))
    assert set(dealt) == {part for part in parts if any(part[0] in topics for topics in members.values())}
    assert all(part[0] in members[name] for name, own in found.items() for part in own)


@given(st.permutations(sorted(PARTS)), hads)
def test_sharing_depends_on_no_order(parts: list[Part], had: Mapping[str, Had]) -> None:
    """Whoever leads the group comes to the same."""
    topics = dict.fromkeys(["w0", "w1", "w2"], frozenset(topic for topic, _ in PARTS))
    assert shared(parts, topics, had) == shared(PARTS, dict(reversed(topics.items())), had)


def test_few_lanes_move_when_a_worker_joins_leaves_or_a_center_is_added() -> None:
    """Of 30 lanes as many as the newcomer gets, those of who has left, and none; dealt out in a circle it was 25."""
    group = Group(topic for topic, _ in PARTS)
    group.members = {"w0": new(), "w1": new()}
    group.deal()
    assert sorted(map(len, group.has.values())) == [15, 15]
    group.members["w2"] = new()
    group.deal()
    assert (sorted(map(len, group.has.values())), group.moved) == ([10, 10, 10], 10)
    del group.members["w1"]
    group.deal()
    assert (sorted(map(len, group.has.values())), group.moved) == ([15, 15], 10)
    group.topics.append(topic_in("new"))
    group.deal()
    assert group.moved == 1
    group.deal()
    assert group.moved == 0


@pytest.mark.parametrize("newest_leads", [True, False])
def test_group_of_mixed_releases_is_dealt_whoever_leads_it(newest_leads: bool) -> None:
    """A rolling upgrade: one of three is put in the place of another, three times; then lanes stay where they are."""
    group = Group(topic for topic, _ in PARTS)
    group.members = {f"w{number}": old for number in range(3)}
    group.deal()
    for number in range(3):
        del group.members[f"w{number}"]
        group.deal()
        added = {f"v{number}": new()}
        group.members = {**added, **group.members} if newest_leads else {**group.members, **added}
        group.deal()
        assert sorted(map(len, group.has.values())) == [10, 10, 10]
        assert {topic for has in group.has.values() for topic in has} == set(group.topics)
    group.deal()
    assert group.moved == 0
    group.members["v3"] = new()
    group.deal()
    assert group.moved == 7


def test_three_thousand_lanes_are_dealt_out_within_a_moment() -> None:
    """Each of eight workers joins: no more than its share moves."""
    group = Group(topic_in(f"c{number}") for number in range(3_000))
    for number in range(1, 9):
        group.members[f"w{number}"] = new()
        group.deal()
        assert group.moved == 3_000 // number


@pytest.mark.parametrize(
    "told",
    [None, b"", b"{", b"[]", b"7", b'{"had": 1}', b'{"deal": "x"}', b'{"deal": -1}',
     b'{"deal": 1, "had": [["a", [true]]]}',
     b'{"deal": 1, "had": [[1, [0]]]}', b"[" * 100_000, b"\xff",
     write_had((1, [("in.x", number) for number in range(HAD_MAX + 1)]))],
)  # fmt: skip
def test_member_that_tells_nonsense_is_dealt_to_like_a_new_one(told: bytes | None) -> None:
    """Whoever may join the group is a worker, of some release."""
    assert read_had(told) == NOTHING


@given(st.tuples(st.integers(0, 1 << 40), st.lists(st.sampled_from(PARTS), unique=True).map(sorted)))
def test_what_a_member_had_is_read_back(had: Had) -> None:
    """As it was written."""
    assert read_had(write_had(had)) == had
