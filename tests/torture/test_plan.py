"""A plan follows from its seed, stays within its time, and asks nothing impossible of anybody."""

from __future__ import annotations

from itertools import combinations

import pytest

from tests.torture.__main__ import sized
from tests.torture.defects import EVERY
from tests.torture.plan import CLUSTER, DRAWN, EVERY_S, LINKS, Fault, Kind, plan, told

SIZE = sized(30, 2)
SEEDS = range(40)


def test_the_same_seed_gives_the_same_plan_and_another_one_another() -> None:
    assert plan(7, 600, SIZE) == plan(7, 600, SIZE)
    assert plan(7, 600, SIZE) != plan(8, 600, SIZE)


def test_a_longer_plan_begins_as_a_shorter_one_but_for_what_would_outlast_that() -> None:
    short, long = plan(7, 300, SIZE), plan(7, 600, SIZE)
    assert short[:5] == long[:5]


def test_plans_have_every_kind_and_steps_with_nothing() -> None:
    faults = plan(1, 3600, SIZE)
    assert set(told(faults)) == {str(kind) for kind in DRAWN}
    begun = {fault.at_s for fault in faults}
    assert begun < {step * EVERY_S for step in range(240)}


@pytest.mark.parametrize("seed", SEEDS)
def test_all_is_healed_within_the_time_and_lasts_as_long_as_it_says(seed: int) -> None:
    for fault in plan(seed, 600, SIZE):
        assert 0 <= fault.at_s < fault.ends_s + 0.01 <= 600.02
        if fault.kind is Kind.FREEZE:
            assert 5 <= fault.lasts_s <= 60


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_befalls_a_part_that_something_befalls_already(seed: int) -> None:
    for one, other in combinations(plan(seed, 1200, SIZE), 2):
        if one.at_s < other.ends_s and other.at_s < one.ends_s and (one.kind in LINKS) == (other.kind in LINKS):
            assert one.target != other.target
            if CLUSTER in (one.target, other.target):
                assert not one.target.startswith("kafka-")
                assert not other.target.startswith("kafka-")


def test_only_the_kinds_that_were_asked_for_come() -> None:
    assert {fault.kind for fault in plan(3, 1200, SIZE, [Kind.KILL, Kind.SLOW])} == {Kind.KILL, Kind.SLOW}
    assert plan(3, 1200, SIZE, []) == []


def test_power_is_cut_only_where_a_disk_is_made_for_it() -> None:
    assert {fault.target for fault in plan(5, 3600, SIZE) if fault.kind is Kind.POWER} <= set(SIZE.weak)


def test_a_fault_is_told_in_a_line() -> None:
    assert str(Fault(0, Kind.ONE_WAY, "hq", 7.4, "up")) == "one-way link hq (up) 7 s"


def test_ten_defects_each_befall_parts_that_their_network_has() -> None:
    assert len({defect.name for defect in EVERY}) == 10
    for defect in EVERY:
        size = defect.size
        parts = {*size.offices, *size.workers, *size.brokers, "database", "cluster"}
        assert {fault.target for fault in defect.faults} <= parts
        assert {f.target for f in defect.faults if f.kind is Kind.POWER} <= set(size.weak)
