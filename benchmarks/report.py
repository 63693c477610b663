"""What the benchmark says at its end, and how it is worked out of what was measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import linear_regression, median
from typing import Any, Final

# Each goal: the path of its figure in the report, whether the figure may be at most or must be at least the bound.
GOALS: Final[Mapping[str, tuple[str, float]]] = {
    "consolidate_vs_baseline": (">=", 0.34),
    "consolidate_vs_stock_faust": (">=", 2.3),
    "consolidate_no_publish_vs_baseline": (">=", 0.40),
    "seal_each_vs_256": ("<=", 1.3),
    "republish_vs_memory": ("<=", 2.0),
    "commit_ms.p50": ("<=", 5.0),
    "commit_ms.p99": ("<=", 20.0),
    "receipt_ms.p50": ("<=", 10.0),
    "receipt_ms.p99": ("<=", 40.0),
    "rows_per_s": (">=", 10_000.0),
    "drain_per_s": (">=", 10_000.0),
    "demo_first_event_s": ("<=", 6.0),
    "worker_rss_mb.growth": ("<=", 20.0),
    "connector_rss_mb": ("<=", 120.0),
    "verify_per_s": (">=", 50_000.0),
    "rebuild_per_s": (">=", 40_000.0),
    "rebuild_2p_per_s": (">=", 76_000.0),
    "verify_2p_speedup": (">=", 1.6),
    "rebuild_2p_speedup": (">=", 1.6),
    "asof_entity_ms": ("<=", 200.0),
    "history_entity_ms": ("<=", 50.0),
    "bundle_check_ms": ("<=", 1000.0),
    "two_workers_vs_one": ("<=", 1.1),
    "lanes_300_vs_30": ("<=", 1.2),
    "lanes_3000_vs_30": ("<=", 1.2),
    "claim_3000_s": ("<=", 2.0),
    "healthy_p99_vs_idle": ("<=", 3.0),
    "soak_mb_per_h": ("<=", 1.0),
    "soak_descriptors": ("<=", 0.0),
}
NAMES: Final = (
    "consolidate_vs_baseline",
    "consolidate_vs_stock_faust",
    "consolidate_no_publish_vs_baseline",
    "seal_each_vs_256",
    "mixed_vs_plain_lane",
    "republish_vs_memory",
    "republish_us",
    "https_vs_kafka",
    "https_us",
    "https_batch_ms",
    "tls_vs_plain",
    "tls_us",
    "postgresql_vs_sqlite",
    "two_workers_vs_one",
    "engines_us",
    "lanes_300_vs_30",
    "lanes_3000_vs_30",
    "lanes_us",
    "claim_3000_s",
    "healthy_p99_vs_idle",
    "healthy_ms",
    "drained_s",
    "drained_per_s",
    "soak_mb_per_h",
    "soak_descriptors",
    "soak",
    "peers",
    "worker_stages",
    "commit_ms",
    "receipt_ms",
    "rows_per_s",
    "drain_per_s",
    "demo_first_event_s",
    "worker_rss_mb",
    "connector_rss_mb",
    "verify_per_s",
    "rebuild_per_s",
    "rebuild_2p_per_s",
    "verify_2p_speedup",
    "rebuild_2p_speedup",
    "asof_entity_ms",
    "history_entity_ms",
    "bundle_check_ms",
)

PEER_BASES: Final = ("plain", "hub")  # what each peer is compared with, in the same round


def percentile(values: Iterable[float], percent: float) -> float:
    """Return the smallest value that at least `percent` per cent of the values do not exceed (nearest rank).

    Errors: ValueError without values.
    """
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values: nothing was measured")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50 and p99 of durations in seconds, as milliseconds."""
    return {f"p{percent}": round(percentile(seconds, percent) * 1000, 2) for percent in (50, 99)}


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Return the median of `over[n] / under[n]`: both were measured in the same round, under the same disturbances.

    Errors: ValueError if the rounds do not pair.
    """
    return round(median(a / b for a, b in zip(over, under, strict=True)), 3)


def turned(contenders: Sequence[str], number: int) -> list[str]:
    """Return who takes turns in which order in this round: whoever was first in one is last in the next."""
    first = number % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def throughput_report(
    by_256: Mapping[str, Sequence[float]], each: Sequence[float], mixed: Sequence[float]
) -> dict[str, float]:
    """Return the ratios out of CPU µs an event, by contender and round.

    Shapes: `each` is the worker's cost with a seal on every event, `mixed` its cost of lanes of many kinds;
            `consolidate_*` are the other's cost over ours (higher is better), `seal_each_vs_256` and
            `mixed_vs_plain_lane` are a cost over another (lower is better).
    """
    plain, stock, hub, silent = (by_256[kind] for kind in ("plain", "faust", "hub", "hub-silent"))
    return {
        "consolidate_vs_baseline": ratio(plain, hub),
        "consolidate_vs_stock_faust": ratio(stock, hub),
        "consolidate_no_publish_vs_baseline": ratio(plain, silent),
        "seal_each_vs_256": ratio(each, hub),
        "mixed_vs_plain_lane": ratio(mixed, hub),
    }


def republish_report(memory: Sequence[float], sql: Sequence[float]) -> dict[str, Any]:
    """Return what publishing from the database costs, in times of what it costs from memory, and both in CPU µs."""
    both = {"from_memory": round(median(memory), 1), "from_database": round(median(sql), 1)}
    return {"republish_vs_memory": ratio(sql, memory), "republish_us": both}


def https_report(
    rounds: Mapping[str, Sequence[tuple[float, float]]], acknowledged_s: Mapping[str, Sequence[float]]
) -> dict[str, Any]:
    """Return what an event costs over HTTPS, both ends together, in times of what it costs a client of Kafka's.

    Shapes: `rounds` has (client, server) in CPU µs an event, by `kafka`, `batch` and `json`.
    Units:  `acknowledged_s` has what each batch took, in seconds.
    """
    both = {kind: [client + server for client, server in found] for kind, found in rounds.items()}
    return {
        "https_vs_kafka": {kind: ratio(both[kind], both["kafka"]) for kind in ("batch", "json")},
        "https_us": {
            kind: {"client": round(median(c for c, _ in found), 1), "server": round(median(s for _, s in found), 1)}
            for kind, found in rounds.items()
        },
        "https_batch_ms": {kind: spread_ms(found) for kind, found in acknowledged_s.items()},
    }


def tls_report(costs: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]) -> dict[str, Any]:
    """Return what an event costs a client of Kafka's by TLS, in times of what it costs in plain text.

    Shapes: `costs` has CPU µs an event of each round, by side (`producer`, `worker`), size of the records, and kind
            (`plain`, `tls`).
    """
    return {
        "tls_vs_plain": {
            side: {size: ratio(found["tls"], found["plain"]) for size, found in sizes.items()}
            for side, sizes in costs.items()
        },
        "tls_us": {
            side: {
                size: {kind: round(median(values), 1) for kind, values in found.items()}
                for size, found in sizes.items()
            }
            for side, sizes in costs.items()
        },
    }


def tls_table(found: Mapping[str, Any]) -> str:
    """Return what TLS costs as a table in Markdown."""
    rows = [
        f"| {side}, {size} records | {us['plain']} | {us['tls']} | {found['tls_vs_plain'][side][size]:.2f} |"
        for side, sizes in found["tls_us"].items()
        for size, us in sizes.items()
    ]
    return "\n".join(["| client | plain, CPU µs an event | by TLS | times plain |", "|---|---|---|---|", *rows])


def engines_report(costs: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """Return what an event costs the workers of a hub at PostgreSQL in times of one with SQLite, and two beside one.

    Shapes: `costs` has (workers, server) in CPU µs an event of each round: of SQLite, of one worker at PostgreSQL, and
            of two together.
    """
    sqlite, one, two = ([workers for workers, _ in found] for found in costs.values())
    return {
        "postgresql_vs_sqlite": ratio(one, sqlite),
        "two_workers_vs_one": ratio(two, one),
        "engines_us": {
            kind: {"workers": round(median(w for w, _ in found), 1), "server": round(median(s for _, s in found), 1)}
            for kind, found in costs.items()
        },
    }


def engines_table(found: Mapping[str, Any]) -> str:
    """Return what an event costs with each engine as a table in Markdown."""
    rows = [f"| {kind} | {us['workers']} | {us['server'] or ''} |" for kind, us in found["engines_us"].items()]
    return "\n".join(["| database | workers, CPU µs an event | its server |", "|---|---|---|", *rows])


def lanes_report(
    with_kafka: Mapping[int, Sequence[float]], alone: Mapping[int, Sequence[float]], claim_s: Sequence[float]
) -> dict[str, Any]:
    """Return what an event costs by the number of lanes, in times of the fewest.

    Shapes: `with_kafka` and `alone` have CPU µs an event of each round, by the number of lanes.
    Units:  `claim_s` is how long a claim of the most lanes took in each round, in seconds.
    """
    return {
        "lanes_300_vs_30": ratio(with_kafka[300], with_kafka[30]),
        "lanes_3000_vs_30": ratio(alone[3000], alone[30]),
        "lanes_us": {
            what: {str(count): round(median(values), 1) for count, values in found.items()}
            for what, found in (("worker", with_kafka), ("engine and store", alone))
        },
        "claim_3000_s": round(median(claim_s), 2),
    }


def lanes_table(found: Mapping[str, Any]) -> str:
    """Return what an event costs by the number of lanes as a table in Markdown."""
    rows = [
        f"| {what}, {count} lanes | {us} |" for what, each in found["lanes_us"].items() for count, us in each.items()
    ]
    return "\n".join(["| what takes the events | CPU µs an event |", "|---|---|", *rows])


def backlog_report(idle: Sequence[float], meanwhile: Sequence[float], events: int, drained_s: float) -> dict[str, Any]:
    """Return how long a healthy office waits for a receipt while others drain, in times of before; and their pace.

    Units: the waits are seconds, of each event; `drained_s` is how long the others took.
    """
    before, then = spread_ms(idle), spread_ms(meanwhile)
    return {
        "healthy_p99_vs_idle": round(then["p99"] / before["p99"], 2),
        "healthy_ms": {"idle": before, "meanwhile": then},
        "drained_s": round(drained_s, 1),
        "drained_per_s": round(events / drained_s),
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return how much a value grows in each unit of the other, by a line through the points (least squares).

    Errors: statistics.StatisticsError for fewer than two points.
    """
    return linear_regression([x for x, _ in points], [y for _, y in points]).slope


def soak_report(looks: Mapping[str, Sequence[tuple[float, float, int]]], warm_up: float) -> dict[str, Any]:
    """Return how memory and descriptors of each process grew, and the most of any.

    Shapes: `looks` has (seconds, MB, descriptors) by process, in time; `warm_up` is the part that is left out, of one.
    """
    found = {}
    for name, all_of_it in looks.items():
        late = all_of_it[int(len(all_of_it) * warm_up) :]
        halves = late[: len(late) // 2], late[len(late) // 2 :]
        before, after = (max(descriptors for _, _, descriptors in half) for half in halves)
        found[name] = {
            "mb": round(late[-1][1], 1),
            "mb_per_h": round(slope([(at_s / 3600, mb) for at_s, mb, _ in late]), 2),
            "descriptors": late[-1][2],
            "more_descriptors": after - before,
        }
    return {
        "soak_mb_per_h": max(each["mb_per_h"] for each in found.values()),
        "soak_descriptors": max(each["more_descriptors"] for each in found.values()),
        "soak": found,
    }


def peers_report(
    costs: Mapping[str, Sequence[float]], second_halves: Mapping[str, Sequence[float]], missing: Mapping[str, str]
) -> dict[str, Any]:
    """Return the median CPU µs an event of each contender, and what each peer costs in times of the bases.

    Shapes: `second_halves` has the cost of the second half of the events, where a compiler is at work in the first;
            `missing` has the reason for each peer that could not be measured in every round.
    """
    found: dict[str, Any] = {}
    for kind, values in costs.items():
        if kind in missing:
            continue
        found[kind] = {"cpu_us": round(median(values), 1)}
        if kind in second_halves:
            found[kind]["second_half_us"] = round(median(second_halves[kind]), 1)
        if kind not in PEER_BASES:
            found[kind] |= {f"times_{base}": round(ratio(values, costs[base]), 2) for base in PEER_BASES}
    return found | {kind: {"missing": reason} for kind, reason in missing.items()}


def peers_table(peers: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the report of the peers as a table in Markdown."""
    rows = [
        "| contender | CPU µs an event | of the second half | times the plain loop | times HQ's worker |",
        "|---|---|---|---|---|",
    ]
    for kind, found in peers.items():
        figures = [str(found.get(name, "")) for name in ("cpu_us", "second_half_us", "times_plain", "times_hub")]
        cells = [f"missing: {found['missing']}", "", "", ""] if "missing" in found else figures
        rows.append(f"| `{kind}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def stages_report(rounds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the medians of what each round has measured of the worker's stages.

    Shapes: `cpu_us` is the µs an event of each stage; `events_per_call` tells how many events some of them get at once.
    """
    return {
        figure: {stage: round(median(found[figure][stage] for found in rounds), 1) for stage in rounds[0][figure]}
        for figure in ("cpu_us", "events_per_call")
    }


def stages_table(stages: Mapping[str, Mapping[str, float]]) -> str:
    """Return the worker's stages as a table in Markdown."""
    total = sum(stages["cpu_us"].values())
    rows = [
        f"| {stage} | {us} | {us / total:.0%} | {stages['events_per_call'].get(stage, '')} |"
        for stage, us in stages["cpu_us"].items()
    ]
    return "\n".join(["| stage | CPU µs an event | of all | events a call |", "|---|---|---|---|", *rows])


def with_tables(page: str, found: Mapping[str, Any]) -> str:
    """Return the page with the tables of what was measured between its marks; other tables stay as they are.

    Errors: ValueError for a page without the marks of a table.
    """
    tables: tuple[tuple[str, str, Callable[[], str]], ...] = (
        ("stages", "worker_stages", lambda: stages_table(found["worker_stages"])),
        ("peers", "peers", lambda: peers_table(found["peers"])),
        ("tls", "tls_us", lambda: tls_table(found)),
        ("engines", "engines_us", lambda: engines_table(found)),
        ("lanes", "lanes_us", lambda: lanes_table(found)),
    )
    for mark, name, table in tables:
        if found.get(name) is None:
            continue
        begin, end = f"<!-- {mark} -->\n", f"\n<!-- /{mark} -->"
        before, is_there, rest = page.partition(begin)
        _, ends_there, after = rest.partition(end)
        if not is_there or not ends_there:
            raise ValueError(f"the page has no table between {begin.strip()} and {end.strip()}")
        page = f"{before}{begin}{table()}{end}{after}"
    return page


def report(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return the report in its fixed order; what was not measured is None. Errors: ValueError for an unknown figure."""
    unknown = measured.keys() - set(NAMES)
    if unknown:
        raise ValueError(f"no such figure: {', '.join(sorted(unknown))}")
    return {name: measured.get(name) for name in NAMES}


def verdicts(found: Mapping[str, Any]) -> list[tuple[str, float, str, float, bool]]:
    """Return (figure, value, sign, bound, met) of each goal that was measured."""
    said = []
    for path, (sign, bound) in GOALS.items():
        value = _figure(found, path)
        if value is not None:
            said.append((path, value, sign, bound, value >= bound if sign == ">=" else value <= bound))
    return said


def _figure(found: Mapping[str, Any], path: str) -> float | None:
    name, _, part = path.partition(".")
    value = found.get(name)
    if value is None:
        return None
    if part == "growth":
        return round(float(value["after_1m"] - value["after_100k"]), 1)
    return float(value[part] if part else value)
