"""The demo's network: read with care, registered once, its offices set up like real ones."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
import yaml

from hub.demo.network import PASSWORD, Network, find_network, office_password, read_network, set_up_office
from hub.demo.offices import Office, is_accounted, is_finished, rows_of
from hub.demo.registration import keep_logins, register_network
from hub.hq.access import opened
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.local.hub import BACK_OFF_S, BackOff
from hub.protocol.control import open_enrolment
from hub.protocol.errors import UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Verifier
from hub.protocol.scram import Credential
from hub.store.read.centers import RegisteredKey

CENTER = {
    "id": "uz",
    "name": "Tashkent",
    "country": "UZ",
    "direction": "north",
    "languages": ["en"],
    "timezone": "Asia/Tashkent",
    "streams": ["offer"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a network of one center."""
    made = tmp_path / "network"
    office = made / "centers" / "uz"
    (office / "mappings").mkdir(parents=True)
    (office / "connector.yaml").write_text("hub: x.example\ncenter: uz\nbootstrap: [127.0.0.1:1]\nlanguage: ru\n")
    (office / "offers.csv").write_text("number,title\n1,A\n")
    data = {"hub": "hub.example", "centers": [CENTER], "code_lists": {"market": ["FOOD", {"code": "WATER"}]}}
    (made / "network.yaml").write_text(yaml.safe_dump(data))
    return made


@pytest.fixture
def where(tmp_path: Path) -> HubFolder:
    """Return the folder of a hub that was just made."""
    made = HubFolder(tmp_path / "data")
    made.ensure_identity("hub.example")
    return made


def keys_of_uz(where: HubFolder) -> tuple[RegisteredKey, ...]:
    """Return the keys of the one center that there is."""
    with where.snapshot() as now:
        (center,) = now.centers()
    assert center.id == "uz"
    return center.keys


def test_the_network_of_the_repository_is_whole() -> None:
    network = read_network(find_network(None))
    assert sorted(network.centers) == ["by", "kz", "pk", "tj", "uz"]
    assert sorted(network.code_lists) == ["market", "technology"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("[]", "expected `hub`, a list of `centers`"),
        ("a: [", "expected YAML"),
        ("centers: [{id: uz}]", "centers.0: expected name, country"),
        (yaml.safe_dump({"centers": [CENTER | {"streams": ["dragons"]}]}), "expected one of"),
        (yaml.safe_dump({"centers": [CENTER | {"id": "kz"}]}), "expected the office of kz"),
    ],
)
def test_network_that_is_not_as_expected_names_the_place(folder: Path, data: str, said: str) -> None:
    (folder / "network.yaml").write_text(data)
    with pytest.raises(UsageError, match=said):
        read_network(folder)


def test_office_is_set_up_once_and_its_key_kept(folder: Path, tmp_path: Path) -> None:
    network = read_network(folder)
    office = tmp_path / "office"
    first = set_up_office(network, "uz", office, b"trust", "127.0.0.1:9")
    (office / "offers.csv").write_text("number,title\n1,B\n")
    second = set_up_office(network, "uz", office, b"trust", "127.0.0.1:10")
    assert [open_enrolment(note).key for note in first] == [open_enrolment(note).key for note in second]
    assert [open_enrolment(note).purpose for note in first] == ["seal", "witness"]
    for name in ("seal.key", "witness.key"):
        assert stat.S_IMODE((office / "keys" / name).stat().st_mode) == 0o600
    settings = yaml.safe_load((office / "connector.yaml").read_text())
    assert settings == {"hub": "hub.example", "center": "uz", "bootstrap": ["127.0.0.1:10"], "language": "ru"}
    assert (office / "offers.csv").read_text() == "number,title\n1,B\n"
    assert Office("uz", office).sheets() == {"offers.csv"}


def test_office_at_a_locked_broker_has_a_password_of_its_own_that_stays(folder: Path, tmp_path: Path) -> None:
    """Nobody else reads it, and it is no sheet; it is there again after a broker that asked for none."""
    network, office = read_network(folder), tmp_path / "office"
    first = office_password_after(network, office, b"ca")
    assert first is not None
    assert first == office_password_after(network, office, b"another ca")
    assert stat.S_IMODE((office / PASSWORD).stat().st_mode) == 0o600
    security = yaml.safe_load((office / "connector.yaml").read_text())["security"]
    assert (security["protocol"], security["username"]) == ("SASL_SSL", "uz")
    assert (office / security["ca_file"]).read_bytes() == b"another ca"
    assert first not in (office / "connector.yaml").read_text()
    assert Office("uz", office).sheets() == {"offers.csv"}
    assert office_password_after(network, tmp_path / "other", b"ca") != first
    assert office_password_after(network, office, None) is None
    assert office_password_after(network, office, b"ca") == first


def test_password_that_stood_in_the_settings_goes_into_its_file(folder: Path, tmp_path: Path) -> None:
    """Whatever made or edited the office: it logs in by the password that it had."""
    network, office = read_network(folder), tmp_path / "office"
    office_password_after(network, office, b"ca")
    path = office / "connector.yaml"
    settings = yaml.safe_load(path.read_text())
    del settings["security"]["password_file"]
    path.write_text(yaml.safe_dump(settings | {"security": settings["security"] | {"password": "as-it-was"}}))
    assert office_password_after(network, office, b"ca") == "as-it-was"
    assert "as-it-was" not in path.read_text()
    (office / "uz.password").touch(0o600)
    (office / "uz.password").write_text("rotated\n")
    settings = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(settings | {"security": settings["security"] | {"password_file": "uz.password"}}))
    assert office_password_after(network, office, b"ca") == "rotated"


def office_password_after(network: Network, office: Path, authority: bytes | None) -> str | None:
    set_up_office(network, "uz", office, b"trust", "127.0.0.1:9", authority)
    return office_password(office)


def test_office_with_long_seals_gets_its_ml_dsa_key(folder: Path, tmp_path: Path, where: HubFolder) -> None:
    """The setting in the network's office is all that it takes; HQ wants both signatures from the first seal on."""
    template = folder / "centers" / "uz" / "connector.yaml"
    template.write_text(template.read_text() + "long_seals: true\n")
    network = read_network(folder)
    notes = set_up_office(network, "uz", tmp_path / "office", b"trust", "127.0.0.1:9")
    asyncio.run(register_network(where, network, {"uz": notes}))
    keys = keys_of_uz(where)
    assert [key.purpose for key in keys] == ["seal", "witness", "seal"]
    assert [Verifier.from_text(key.vkey).algorithm for key in keys] == [
        ED25519,
        COSIGNATURE_ED25519,
        COSIGNATURE_MLDSA44,
    ]
    assert not any(key.replaced_lost for key in keys)


def test_network_is_registered_once(folder: Path, tmp_path: Path, where: HubFolder) -> None:
    network = read_network(folder)
    notes = set_up_office(network, "uz", tmp_path / "office", b"trust", "127.0.0.1:9")
    # A folder of version 0.1.0 had a seal key alone; its witness key is added to what HQ has.
    asyncio.run(register_network(where, network, {"uz": notes[:1]}))
    assert [key.purpose for key in keys_of_uz(where)] == ["seal"]
    asyncio.run(register_network(where, network, {"uz": notes}))
    assert [key.purpose for key in keys_of_uz(where)] == ["seal", "witness"]
    with where.snapshot() as now:
        before = now.totals().basis
    asyncio.run(register_network(where, network, {"uz": notes}))
    with where.snapshot() as now:
        assert now.totals().basis == before
    other = set_up_office(network, "uz", tmp_path / "other", b"trust", "127.0.0.1:9")
    with pytest.raises(UsageError, match="by another key"):
        asyncio.run(register_network(where, network, {"uz": other}))


async def test_what_an_office_logs_in_by_is_kept_as_of_one_that_joined(where: HubFolder) -> None:
    """HQ knows it again, and what it gave to a center meanwhile is not taken back."""
    async with where.headquarters():
        pass  # the database is made
    await keep_logins(where, {"uz": "one"})
    await keep_logins(where, {"uz": "another", "kz": "two"})
    async with where.store() as store:
        given = await store.access.every()
    assert {center: has.version for center, has in given.items()} == {"uz": 1, "kz": 1}
    for center, password in (("uz", "one"), ("kz", "two")):
        sealed = given[center].sealed
        assert sealed is not None
        kept = opened(AccessKey.load(where.keys), center, sealed)
        assert kept == Credential.of(password, kept.salt, kept.iterations)


def test_rows_are_accounted_for_only_when_each_has_one_answer(folder: Path) -> None:
    totals = {"rows": 3, "accepted": 2, "refused": 1, "rejected": 0, "unchanged": 0, "blank": 0, "pending": 0}
    status = {
        "totals": totals | {"events": 3, "duplicates": 0, "receipts": 1, "backlog": 0},
        "files": {"offers.csv": {}},
    }
    office = Office("uz", folder / "centers" / "uz")
    assert is_accounted(rows_of(status))
    assert is_finished(office, status)
    assert not is_finished(office, status | {"files": {}})
    assert not is_finished(office, None)
    assert not is_accounted(rows_of({"totals": totals | {"rows": 4}}))
    assert not is_accounted(rows_of({"totals": totals | {"accepted": 1, "pending": 1}}))


def test_back_off_grows_to_a_limit() -> None:
    back_off = BackOff()
    assert [back_off.next() for _ in range(len(BACK_OFF_S) + 1)] == [*BACK_OFF_S, BACK_OFF_S[-1]]
