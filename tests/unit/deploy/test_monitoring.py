"""The alert rules and the dashboard ask for what there is, and each alert leads to what is to be done."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any, Final

import pytest
import yaml

from hub.base.metrics.declared import METRICS, Kind
from tests.support.alerts import FOLDER, Alert, alerts, headings
from tests.support.promql import NAME, Sample, evaluate, gone, names, scraped

KNOWN: Final = {name for metric in METRICS for name in metric.series} | {"up"}
LABELS: Final = {label for metric in METRICS for label in metric.labels} | {"instance", "job", "le", "value"}
DASHBOARD: Final[dict[str, Any]] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
QUERIES: Final = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
JOBS: Final = {
    job["job_name"] for job in yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
}
RULES: Final = [pytest.param(alert, id=name) for name, alert in alerts().items()]


@pytest.mark.parametrize("alert", RULES)
def test_alert_asks_for_metrics_that_exist(alert: Alert) -> None:
    """A metric that was renamed would leave an alert silent for ever."""
    assert names(alert.expression) <= KNOWN
    assert names(alert.expression)


@pytest.mark.parametrize("query", QUERIES)
def test_dashboard_asks_for_metrics_that_exist(query: str) -> None:
    """No panel is empty for good."""
    assert names(query) <= KNOWN


@pytest.mark.parametrize("alert", RULES)
def test_alert_says_what_is_so_and_leads_to_its_runbook(alert: Alert) -> None:
    """A summary, a description, and a heading of docs/operations.md, with labels that there are."""
    assert set(alert.annotations) == {"summary", "description", "runbook"}
    assert alert.annotations["runbook"] in headings("docs/operations.md")
    assert alert.severity in ("critical", "warning", "info")
    assert set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values()))) <= LABELS


def test_jobs_are_those_that_prometheus_is_told() -> None:
    """`up{job=…}` is of a job of prometheus.yml."""
    text = (FOLDER / "alerts.yaml").read_text("utf-8") + (FOLDER / "dashboard.json").read_text("utf-8")
    assert set(re.findall(r'job="([\w-]+)"', text)) <= JOBS


def test_dashboard_shows_every_metric_that_counts_work() -> None:
    """What is counted can be seen: every counter and histogram of ours is on a panel."""
    shown = {name for query in QUERIES for name in names(query)}
    counted = [metric for metric in METRICS if metric.is_ours and metric.kind is not Kind.GAUGE]
    assert [metric.name for metric in counted if not shown & set(metric.series)] == []


def test_dashboard_has_no_panel_over_another() -> None:
    """Each has its own place, number and title."""
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)
    assert len({panel["title"] for panel in DASHBOARD["panels"]}) == len(places)


@pytest.mark.long
def test_prometheus_itself_takes_the_rules() -> None:
    """`promtool` reads rules and configuration, where Prometheus is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("PROMTOOL IS NOT INSTALLED HERE: the rules were parsed, and Prometheus itself was not asked")
    for what, file in (("rules", "alerts.yaml"), ("config", "prometheus.yml")):
        done = subprocess.run(
            [promtool, "check", what, str(FOLDER / file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


SAMPLES: Final = [
    Sample({NAME: "a", "x": "1", "job": "j"}, 5.0),
    Sample({NAME: "a", "x": "2", "job": "j"}, 1.0),
    Sample({NAME: "b", "x": "1", "job": "j"}, 10.0),
]


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("a > 1", [5.0]),
        ("a{x='2'} == 1", [1.0]),
        ("a{x!='2'}", [5.0]),
        ("a{x=~'1|3'}", [5.0]),
        ("a{x!~'1|3'}", [1.0]),
        ("a{y=''}", [5.0, 1.0]),
        ("a / b", [0.5]),
        ("a / b < 0.5", []),
        ("time() - a > 96", [99.0]),
        ("a and b", [5.0]),
        ("a unless b", [1.0]),
        ("a > 4 or a < 2", [5.0, 1.0]),
        ("b or a", [10.0, 1.0]),
        ("a < b", [5.0]),
    ],
)
def test_part_of_promql_that_the_rules_keep_to(expression: str, found: list[float]) -> None:
    """As Prometheus evaluates it: comparisons filter, two vectors match by all labels but the name."""
    assert [sample.value for sample in evaluate(expression, SAMPLES, 100.0)] == found


@pytest.mark.parametrize(
    "expression",
    ["rate(a[5m]) > 1", "sum(a) > 1", "a > on(x) b", "a offset 5m", "time()", "absent(a)", "a > bool 1", "-a > 1"],
)
def test_what_is_not_evaluated_is_refused(expression: str) -> None:
    """No rule is taken for tried that was not."""
    with pytest.raises(ValueError, match=r"do not evaluate|no alert"):
        evaluate(expression, SAMPLES, 100.0)


def test_target_that_answers_is_up_and_another_is_not() -> None:
    """As Prometheus adds it."""
    (up,) = scraped("", job="j")
    (down,) = gone(job="j")
    assert (up.labels, up.value, down.value) == ({NAME: "up", "job": "j"}, 1.0, 0.0)
