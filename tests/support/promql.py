"""The part of PromQL that our alert rules keep to, evaluated on what was scraped once.

Rules are parsed by the parser that follows Prometheus's own grammar; what this part does not have (`rate`, aggregation,
`on`) is refused, so that no rule is taken for tried that was not. A rule needs no more: what must be known over time, a
process tells as a gauge ("since when"), and `for` is Prometheus's own.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import promql_parser as promql
from prometheus_client.parser import text_string_to_metric_families

NAME: Final = "__name__"
Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
COMPUTED: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": lambda a, b: a / b if b else float("nan"),
}  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """One value, with the labels that it came with and the name of its metric."""

    labels: Mapping[str, str]
    value: float


def scraped(text: str, **target: str) -> list[Sample]:
    """Return the samples of one answer, with the labels that Prometheus adds, and `up`."""
    found = [
        Sample({NAME: sample.name, **sample.labels, **target}, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]
    return [*found, Sample({NAME: "up", **target}, 1.0)]


def gone(**target: str) -> list[Sample]:
    """Return what Prometheus has of a target that does not answer."""
    return [Sample({NAME: "up", **target}, 0.0)]


def names(expression: str) -> set[str]:
    """Return the names of all metrics that an expression asks for, whatever else it does. Errors: ValueError."""
    found: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector):
            found.add(str(node.name))
        if isinstance(node, promql.MatrixSelector):
            found.add(str(node.vector_selector.name))
        return True

    promql.walk(promql.parse(expression), visit)
    return found


def evaluate(expression: str, samples: Iterable[Sample], now_s: float) -> list[Sample]:
    """Return what an expression comes to at a moment. Errors: ValueError where it is more than this, or no PromQL."""
    found = _value(promql.parse(expression), list(samples), now_s)
    if not isinstance(found, dict):
        raise ValueError(f"{expression}: a number is no alert")  # noqa: TRY004 - as all that is refused here
    return [Sample(dict(labels), value) for labels, value in found.items()]


def _value(node: Any, samples: list[Sample], now_s: float) -> Vector | float:
    match node:
        case promql.NumberLiteral():
            return float(node.val)
        case promql.ParenExpr():
            return _value(node.expr, samples, now_s)
        case promql.Call() if node.func.name == "time":
            return now_s
        case promql.VectorSelector() if node.offset is None and node.at is None:
            return _selected(node, samples)
        case promql.BinaryExpr() if not str(node.modifier or ""):
            return _joined(str(node.op), _value(node.lhs, samples, now_s), _value(node.rhs, samples, now_s))
    raise ValueError(f"{node}: the tests of alerts do not evaluate this")


def _selected(node: Any, samples: list[Sample]) -> Vector:
    if node.matchers.or_matchers:
        raise ValueError(f"{node}: the tests of alerts do not evaluate this")
    return {
        frozenset(sample.labels.items()): sample.value
        for sample in samples
        if sample.labels[NAME] == node.name and all(_fits(m, sample.labels) for m in node.matchers.matchers)
    }


def _fits(matcher: Any, labels: Mapping[str, str]) -> bool:
    came = labels.get(matcher.name, "")
    match str(matcher.op):
        case "MatchOp.Equal":
            return bool(came == matcher.value)
        case "MatchOp.NotEqual":
            return bool(came != matcher.value)
        case "MatchOp.Re":
            return re.fullmatch(matcher.value, came) is not None
        case "MatchOp.NotRe":
            return re.fullmatch(matcher.value, came) is None
    raise ValueError(f"{matcher.op}: is not known")


def _joined(op: str, left: Vector | float, right: Vector | float) -> Vector | float:
    if op in ("and", "or", "unless"):
        return _of_sets(op, left, right)
    if op in COMPUTED:
        compute = COMPUTED[op]
        if isinstance(left, float) and isinstance(right, float):
            return compute(left, right)
        return {_bare(labels): compute(a, b) for labels, a, b in _pairs(left, right)}
    if op in COMPARED and not (isinstance(left, float) and isinstance(right, float)):
        return {labels: a for labels, a, b in _pairs(left, right) if COMPARED[op](a, b)}
    raise ValueError(f"{op}: the tests of alerts do not evaluate this")


def _of_sets(op: str, left: Vector | float, right: Vector | float) -> Vector:
    assert isinstance(left, dict)  # the parser sees to it
    assert isinstance(right, dict)
    there = {_bare(labels) for labels in right}
    if op == "or":
        ours = {_bare(labels) for labels in left}
        return left | {labels: value for labels, value in right.items() if _bare(labels) not in ours}
    return {labels: value for labels, value in left.items() if (_bare(labels) in there) == (op == "and")}


def _pairs(left: Vector | float, right: Vector | float) -> list[tuple[Labels, float, float]]:
    """Return what stands on both sides, one to one, as Prometheus matches by all labels but the name."""
    if isinstance(left, float):
        assert not isinstance(right, float)
        return [(labels, left, value) for labels, value in right.items()]
    if isinstance(right, float):
        return [(labels, value, right) for labels, value in left.items()]
    there = {_bare(labels): value for labels, value in right.items()}
    return [(labels, value, there[_bare(labels)]) for labels, value in left.items() if _bare(labels) in there]


def _bare(labels: Labels) -> Labels:
    return frozenset((name, value) for name, value in labels if name != NAME)
