"""The alert rules of deploy/monitoring, as they stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import yaml

from tests.support.documents import ROOT

FOLDER: Final = ROOT / "deploy" / "monitoring"


@dataclass(frozen=True)
class Alert:
    """One rule. `stands_for` is what Prometheus has it stand for, '' for nothing."""

    name: str
    expression: str
    stands_for: str
    severity: str
    annotations: dict[str, str]


def alerts() -> dict[str, Alert]:
    """Return every alert by its name."""
    groups = yaml.safe_load((FOLDER / "alerts.yaml").read_text("utf-8"))["groups"]
    found = [
        Alert(rule["alert"], rule["expr"], rule.get("for", ""), rule["labels"]["severity"], rule["annotations"])
        for group in groups
        for rule in group["rules"]
    ]
    assert len({alert.name for alert in found}) == len(found)
    return {alert.name: alert for alert in found}


def headings(page: str) -> list[str]:
    """Return the headings of a page in the repository."""
    return re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
