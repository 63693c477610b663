"""What an enrolment bundle names as the way to the brokers, by what hub.yaml says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hub.base.authority import Authority
from hub.hq.folder import HubFolder
from hub.hq.settings import HubSettings
from hub.hq.ways import kafka_way
from hub.protocol.errors import UsageError
from tests.unit.hub.site.test_folder import NOW


def settings(**more: Any) -> HubSettings:
    said = {"bootstrap": ["kafka-1:9092", "kafka-2:9092"], "security": {"protocol": "PLAINTEXT"}}
    return HubSettings.model_validate(said | more)


def test_offices_are_told_the_addresses_that_are_theirs(tmp_path: Path) -> None:
    """HQ's own listener is in a network that offices can't reach."""
    told = settings(offices=["hub.example.org:9093", "hub.example.org:9094"])
    assert kafka_way(HubFolder(tmp_path), told).bootstrap == ("hub.example.org:9093", "hub.example.org:9094")


def test_where_none_are_said_they_are_told_hqs(tmp_path: Path) -> None:
    """One listener for all is a Kafka, too."""
    assert kafka_way(HubFolder(tmp_path), settings()).bootstrap == ("kafka-1:9092", "kafka-2:9092")


def test_what_is_said_for_one_invitation_counts_before_the_settings(tmp_path: Path) -> None:
    """An operator may know a better address for one office."""
    told = settings(offices=["hub.example.org:9093"])
    assert kafka_way(HubFolder(tmp_path), told, "other.example.org:9093").bootstrap == ("other.example.org:9093",)


def test_authority_goes_with_the_addresses(tmp_path: Path) -> None:
    """An office knows the brokers by the certificate that HQ knows them by."""
    authority = Authority.open(tmp_path / "keys", NOW)
    security = {"protocol": "SASL_SSL", "username": "worker", "password": "w", "ca_file": authority.file}
    way = kafka_way(HubFolder(tmp_path), settings(security=security, offices=["hub.example.org:9093"]))
    assert way.ca == authority.file.read_text("ascii")


def test_address_that_an_office_could_not_use_is_refused(tmp_path: Path) -> None:
    """Before a bundle is made that leads nowhere."""
    with pytest.raises((UsageError, ValueError)):
        kafka_way(HubFolder(tmp_path), settings(offices=["hub.example.org"]))
