"""What `connector check` says of schemas that HQ has not announced, and of streams that it does not allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.cli.check_registry import check_schemas, check_streams
from connectors.cli.office import OpenedOffice
from connectors.runtime.registry import OurCenter, Registry
from tests.support.hq_lane import LaneWriter

PARTNERS = """\
files: partners.csv
stream: partner
key: [No]
fields: {kind: {value: enterprise}, name: {column: Name}, country: {value: UZ}}
"""
PERSONS = "persons: {contact: {id: Mail, name: Who}}\n"


def registry_of(*types: str) -> Registry:
    """Return the registry of an HQ that has announced these types, and has said all."""
    return LaneWriter().open(*types).registry()


OLD = [f"net.cohub.{name}.v1" for name in (
    "lane.opened", "partner.registered", "partner.revised", "partner.signed", "partner.ended",
)]  # fmt: skip
NEW = [*OLD, "net.cohub.partner.registered.v2", "net.cohub.partner.revised.v2"]


@pytest.mark.parametrize(
    ("persons", "announced", "ok", "said"),
    [
        ("", NEW, True, "HQ reads all 7"),
        ("", OLD, True, "HQ reads all 5"),
        (PERSONS, NEW, True, "HQ reads all 7"),
        (PERSONS, OLD, None, "HQ's release can't take persons yet: what partners.yaml says of them waits"),
        (PERSONS, OLD[:-1], False, "HQ has not announced net.cohub.partner.ended.v1: these events wait"),
    ],
)
def test_check_counts_a_newer_version_as_what_it_is(
    persons: str, announced: list[str], ok: bool | None, said: str, tmp_path: Path
) -> None:
    """An HQ of the release before is no fault: what it can't take waits, and the rest is sent."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "partners.yaml").write_text(PARTNERS + persons, "utf-8")
    (tmp_path / "connector.yaml").write_text("hub: hub.example\ncenter: uz\nbootstrap: 127.0.0.1:1\n", "utf-8")
    found = check_schemas(OpenedOffice.open(tmp_path), registry_of(*announced))
    assert found.ok is ok
    assert str(found.said).startswith(said)


@pytest.mark.parametrize(
    ("streams", "ok", "said"),
    [({"offer", "partner"}, True, "offer, partner"), ({"offer"}, False, "HQ does not allow partner and rejects those")],
)
def test_check_names_streams_that_hq_does_not_allow(streams: set[str], ok: bool, said: str, tmp_path: Path) -> None:
    """It is said before HQ rejects every row of the sheet."""
    (tmp_path / "mappings").mkdir()
    (tmp_path / "mappings" / "partners.yaml").write_text(PARTNERS, "utf-8")
    (tmp_path / "connector.yaml").write_text("hub: hub.example\ncenter: uz\nbootstrap: 127.0.0.1:1\n", "utf-8")
    found = check_streams(OpenedOffice.open(tmp_path), OurCenter("active", (), frozenset(streams)))
    assert (found.ok, str(found.said).startswith(said)) == (ok, True)
