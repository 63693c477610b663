"""The benchmark's report is worked out as it says."""

from __future__ import annotations

import json

import pytest

from benchmarks.report import (
    GOALS,
    NAMES,
    backlog_report,
    engines_report,
    engines_table,
    https_report,
    lanes_report,
    lanes_table,
    peers_report,
    peers_table,
    percentile,
    ratio,
    report,
    republish_report,
    soak_report,
    spread_ms,
    stages_table,
    throughput_report,
    tls_report,
    tls_table,
    turned,
    verdicts,
    with_tables,
)


def test_percentile_of_a_hundred_values_is_the_value_of_that_rank() -> None:
    """The p99 of a hundred values is the second largest, in any order."""
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)


def test_percentile_of_one_value_is_that_value() -> None:
    """A single value is every percentile."""
    assert percentile([7.0], 1) == percentile([7.0], 99) == 7.0


def test_percentile_of_nothing_is_an_error() -> None:
    """What was never measured is not reported as zero."""
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 50)


def test_spread_is_in_milliseconds() -> None:
    """Durations come in seconds and go out in milliseconds."""
    assert spread_ms([0.001, 0.002, 0.0305]) == {"p50": 2.0, "p99": 30.5}


def test_ratio_is_the_median_of_the_rounds() -> None:
    """One disturbed round does not move a ratio."""
    assert ratio([18.0, 18.0, 90.0], [36.0, 40.0, 36.0]) == 0.5


def test_ratio_of_rounds_that_do_not_pair_is_an_error() -> None:
    """Contenders are compared within a round or not at all."""
    with pytest.raises(ValueError, match="zip"):
        ratio([1.0, 2.0], [1.0])


def test_throughput_report_compares_each_contender_with_the_worker() -> None:
    """Ours is the denominator against others; a seal on every event is a cost over our own."""
    costs = {"plain": [18.0], "faust": [78.0], "hub": [40.0], "hub-silent": [36.0]}
    assert throughput_report(costs, [48.0], [60.0]) == {
        "consolidate_vs_baseline": 0.45,
        "consolidate_vs_stock_faust": 1.95,
        "consolidate_no_publish_vs_baseline": 0.5,
        "seal_each_vs_256": 1.2,
        "mixed_vs_plain_lane": 1.5,
    }


def test_turns_begin_with_another_contender_each_round() -> None:
    """Over as many rounds as there are contenders, each has had every place once."""
    rounds = [turned(["a", "b", "c"], number) for number in range(4)]
    assert rounds == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_republish_report_is_of_the_database_over_memory() -> None:
    """The ratio is of rounds, the costs are medians."""
    assert republish_report([8.0, 10.0, 8.0], [16.0, 16.0, 20.0]) == {
        "republish_vs_memory": 2.0,
        "republish_us": {"from_memory": 8.0, "from_database": 16.0},
    }


def test_https_report_adds_up_both_ends() -> None:
    """What an event costs over HTTPS is what client and server spend; a client of Kafka's has no server of ours."""
    rounds = {"kafka": [(5.0, 0.0), (6.0, 0.0)], "batch": [(10.0, 20.0), (12.0, 21.0)], "json": [(20.0, 40.0)] * 2}
    found = https_report(rounds, {"batch": [0.01, 0.02]})
    assert found["https_vs_kafka"] == {"batch": 5.75, "json": 11.0}
    assert found["https_us"]["batch"] == {"client": 11.0, "server": 20.5}
    assert found["https_batch_ms"] == {"batch": {"p50": 10.0, "p99": 20.0}}


TLS_COSTS = {
    "producer": {"small": {"plain": [5.0, 6.0, 5.0], "tls": [6.0, 12.0, 6.0]}},
    "worker": {"small": {"plain": [80.0, 90.0, 82.0], "tls": [88.0, 90.0, 82.0]}},
}


def test_tls_report_compares_within_each_round() -> None:
    """One disturbed round moves neither the ratio nor the medians that stand beside it."""
    found = tls_report(TLS_COSTS)
    assert found["tls_vs_plain"] == {"producer": {"small": 1.2}, "worker": {"small": 1.0}}
    assert found["tls_us"]["producer"]["small"] == {"plain": 5.0, "tls": 6.0}
    assert tls_table(found).splitlines()[2:] == [
        "| producer, small records | 5.0 | 6.0 | 1.20 |",
        "| worker, small records | 82.0 | 88.0 | 1.00 |",
    ]


ENGINE_COSTS = {
    "SQLite": [(80.0, 0.0), (120.0, 0.0), (90.0, 0.0)],
    "one": [(88.0, 40.0), (120.0, 60.0), (99.0, 45.0)],
    "two": [(92.4, 41.0), (126.0, 61.0), (99.0, 44.0)],
}


def test_engines_report_compares_within_each_round() -> None:
    """The workers alone are compared; what the server spends, which may be another machine, is told beside it."""
    found = engines_report(ENGINE_COSTS)
    assert (found["postgresql_vs_sqlite"], found["two_workers_vs_one"]) == (1.1, 1.05)
    assert engines_table(found).splitlines()[2:] == [
        "| SQLite | 90.0 |  |",
        "| one | 99.0 | 45.0 |",
        "| two | 99.0 | 44.0 |",
    ]


LANE_COSTS = {30: [80.0, 90.0, 100.0], 300: [88.0, 99.0, 90.0]}, {30: [50.0], 300: [51.0], 3000: [55.0]}


def test_lanes_report_compares_within_each_round() -> None:
    """The most lanes in times of the fewest, with Kafka and without, and how long they are claimed."""
    found = lanes_report(*LANE_COSTS, claim_s=[0.5, 0.4, 3.0])
    assert (found["lanes_300_vs_30"], found["lanes_3000_vs_30"], found["claim_3000_s"]) == (1.1, 1.1, 0.5)
    assert lanes_table(found).splitlines()[2:] == [
        "| worker, 30 lanes | 90.0 |",
        "| worker, 300 lanes | 90.0 |",
        "| engine and store, 30 lanes | 50.0 |",
        "| engine and store, 300 lanes | 51.0 |",
        "| engine and store, 3000 lanes | 55.0 |",
    ]


def test_backlog_report_compares_with_the_idle_time() -> None:
    """What the healthy office waits, in times of before, and how fast the others are drained."""
    found = backlog_report([0.010] * 99 + [0.020], [0.015] * 98 + [0.030, 0.060], 500_000, 62.5)
    assert (found["healthy_p99_vs_idle"], found["drained_s"], found["drained_per_s"]) == (3.0, 62.5, 8000)
    assert found["healthy_ms"]["meanwhile"] == {"p50": 15.0, "p99": 30.0}


def test_soak_report_tells_what_grows_behind_the_warm_up() -> None:
    """A line through what is left: a process that filled its caches first has not grown, one that leaks has."""
    steady = [(at * 10.0, 90.0 if at < 10 else 120.0, 30 + at % 2) for at in range(60)]
    leaking = [(at * 10.0, 100.0 + at / 36, 30 if at < 40 else 31) for at in range(60)]
    found = soak_report({"worker": steady, "uz": leaking}, 1 / 6)
    assert found["soak"]["worker"] == {"mb": 120.0, "mb_per_h": 0.0, "descriptors": 31, "more_descriptors": 0}
    assert (found["soak_mb_per_h"], found["soak_descriptors"]) == (10.0, 1)


PEER_COSTS = {"plain": [20.0, 22.0, 21.0], "hub": [40.0, 55.0, 42.0], "quix-streams": [40.0, 110.0, 42.0]}


def test_peers_report_compares_within_each_round() -> None:
    """A peer's cost is told in times of the plain loop and of the worker, by the median of the rounds."""
    assert peers_report(PEER_COSTS, {"quix-streams": [30.0, 31.0, 90.0]}, {}) == {
        "plain": {"cpu_us": 21.0},
        "hub": {"cpu_us": 42.0},
        "quix-streams": {"cpu_us": 42.0, "second_half_us": 31.0, "times_plain": 2.0, "times_hub": 1.0},
    }


def test_peer_that_is_missing_has_a_reason_and_no_figure() -> None:
    """A peer that failed in a later round is no half-measured one."""
    found = peers_report(PEER_COSTS, {}, {"quix-streams": "no wheel"})
    assert found["quix-streams"] == {"missing": "no wheel"}
    assert "| `quix-streams` | missing: no wheel |  |  |  |" in peers_table(found).splitlines()


def test_peers_table_has_a_row_for_each_contender() -> None:
    """The page takes the table as it is printed."""
    assert peers_table(peers_report(PEER_COSTS, {}, {})).splitlines()[2:] == [
        "| `plain` | 21.0 |  |  |  |",
        "| `hub` | 42.0 |  |  |  |",
        "| `quix-streams` | 42.0 |  | 2.0 | 1.0 |",
    ]


def test_page_takes_the_tables_that_were_measured() -> None:
    """Between its marks; what was not measured stays as it is."""
    page = "# A\n<!-- stages -->\nold\n<!-- /stages -->\nB\n<!-- peers -->\nold peers\n<!-- /peers -->\nC\n"
    stages = {"cpu_us": {"take": 9.0, "rest": 1.0}, "events_per_call": {"take": 90.0}}
    written = with_tables(page, report({"worker_stages": stages}))
    assert written == page.replace("\nold\n", f"\n{stages_table(stages)}\n")
    assert with_tables(written, report({"worker_stages": stages})) == written
    with pytest.raises(ValueError, match="the page has no table between <!-- peers --> and"):
        with_tables("# A\n<!-- peers -->\n", report({"peers": {}}))
    tls = tls_report(TLS_COSTS)
    assert tls_table(tls) in with_tables("# A\n<!-- tls -->\nold\n<!-- /tls -->\n", report(tls))
    both = engines_report(ENGINE_COSTS) | lanes_report(*LANE_COSTS, claim_s=[0.5])
    empty = "".join(f"<!-- {mark} -->\nold\n<!-- /{mark} -->\n" for mark in ("engines", "lanes"))
    assert "old" not in with_tables(empty, report(both))


def test_report_names_every_figure_and_leaves_unmeasured_ones_empty() -> None:
    """The JSON line has one shape, whatever was measured."""
    found = report({"rows_per_s": 12_000})
    assert tuple(found) == NAMES
    assert [name for name in NAMES if found[name] is not None] == ["rows_per_s"]
    assert json.loads(json.dumps(found)) == found


def test_report_with_an_unknown_figure_is_an_error() -> None:
    """A misspelt figure does not get lost."""
    with pytest.raises(ValueError, match="rows_per_second"):
        report({"rows_per_second": 1})


def test_verdicts_judge_what_was_measured_and_nothing_else() -> None:
    """Goals of parts that did not run are neither met nor missed."""
    found = report(
        {
            "rows_per_s": 9_000,
            "commit_ms": {"p50": 4.0, "p99": 21.0},
            "worker_rss_mb": {"after_100k": 80.0, "after_1m": 95.5},
        }
    )
    assert {(figure, met) for figure, *_, met in verdicts(found)} == {
        ("rows_per_s", False),
        ("commit_ms.p50", True),
        ("commit_ms.p99", False),
        ("worker_rss_mb.growth", True),
    }


def test_every_goal_is_of_a_figure_in_the_report() -> None:
    """No goal waits for a figure that is never reported."""
    assert {path.partition(".")[0] for path in GOALS} <= set(NAMES)
