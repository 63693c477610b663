"""A site's folder: made once, gone on with after a crash, renewed when it is due, and nobody else's to read."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
import yaml

from hub.base.authority import Authority
from hub.base.certificates import certificate_from_pem
from hub.broker.member import read_member, read_users
from hub.hq.identity import load_identity
from hub.kafka.desired import FIRST
from hub.protocol.errors import Conflict, UsageError
from hub.protocol.scram import Credential
from hub.site.folder import SiteFolder
from hub.site.plan import certificates

NOW: Final = datetime(2026, 11, 30, tzinfo=UTC)
HUB, HOST = "hub.example", "hub.example.org"


@pytest.fixture
def site(tmp_path: Path) -> SiteFolder:
    made = SiteFolder(tmp_path / "site")
    made.make(HUB, HOST, NOW)
    return made


def content(site: SiteFolder) -> dict[str, bytes]:
    return {str(p.relative_to(site.root)): p.read_bytes() for p in site.root.rglob("*") if p.is_file()}


def test_all_of_it_is_its_owners_alone(site: SiteFolder) -> None:
    """No file and no folder is open to others, but for what everybody may know."""
    public = {"ca.pem", "trust.note", "hub.name"}
    for path in [site.root, *site.root.rglob("*")]:
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077 or path.name in public, path


def test_what_it_says_is_read_by_who_is_told_it(site: SiteFolder) -> None:
    """Three members of one cluster, the hub's identity, and users that log in by the passwords beside them."""
    plan = site.plan()
    assert plan is not None
    assert load_identity(site.hub.keys).hub == HUB
    members = [read_member(site.root / f"kafka-{number}/member.yaml") for number in plan.brokers]
    assert {member.cluster for member in members} == {plan.cluster}
    assert [member.own.offices for member in members] == [f"{HOST}:{port}" for port in (9093, 9094, 9095)]
    users = read_users(site.root / "secrets/kafka-users")
    assert next(iter(users)) == FIRST
    for user in ("admin", "worker", "web"):
        word = (site.root / f"secrets/kafka-{user}").read_text().strip()
        assert Credential.of(word, users[user].salt, users[user].iterations) == users[user]
    assert (site.root / "data/postgres").is_dir()


def test_certificates_are_by_the_hubs_own_authority(site: SiteFolder) -> None:
    """An office knows brokers, database and HTTPS by the one certificate that its bundle has."""
    plan = site.plan()
    assert plan is not None
    issuer = Authority.open(site.hub.keys, NOW).issuer
    for shown in certificates(plan):
        certificate = certificate_from_pem((site.root / shown.file).read_bytes())
        certificate.verify_directly_issued_by(issuer.certificate)


def test_made_again_it_draws_nothing(site: SiteFolder) -> None:
    """The same command, with its options or without, changes no byte."""
    before = content(site)
    for hub, address in ((None, None), (HUB, HOST)):
        _, made = site.make(hub, address, NOW + timedelta(days=1))
        assert (made.files, made.restart) == ([], [])
    assert content(site) == before


@pytest.mark.parametrize(
    "lost",
    [
        "secrets/grafana-admin", "hub/hub.yaml", "kafka-2/member.yaml", "secrets/kafka-1-node",
        "secrets/postgres-server",
    ],
)  # fmt: skip
def test_begun_again_after_a_crash_it_goes_on(site: SiteFolder, lost: str) -> None:
    """What is missing is made; all else stays as it was."""
    before = content(site)
    (site.root / lost).unlink()
    _, made = site.make(None, None, NOW)
    assert made.files == [lost]
    after = content(site)
    assert {name for name in before if before[name] != after[name]} <= {lost}


def test_crash_after_any_file_leaves_what_the_next_run_finishes(tmp_path: Path) -> None:
    """Whichever file was the last one that was written, the same command makes those behind it, and no other."""
    site = SiteFolder(tmp_path / "site")
    _, made = site.make(HUB, HOST, NOW)
    files = [name for name in made.files if name not in ("site.yaml", "hub/keys", "hub/keys/web.pem")]
    assert len(files) == 18
    for at in range(len(files)):
        before = content(site)
        for name in files[at:]:
            (site.root / name).unlink()
        _, again = site.make(None, None, NOW)
        assert again.files == files[at:]
        assert content(site).keys() == before.keys()
        assert site.make(None, None, NOW)[1].files == []


def test_certificates_that_are_due_are_made_anew_and_who_shows_them_is_told(site: SiteFolder) -> None:
    """After two thirds of their life each service is named that has to be started again."""
    _, made = site.make(None, None, NOW + timedelta(days=600))
    assert made.restart == ["kafka-1", "kafka-2", "kafka-3", "postgres", "web"]
    assert len(made.files) == 8


def test_another_address_is_taken_from_the_plan(site: SiteFolder) -> None:
    """An operator changes site.yaml; the members, and the certificates that name the host, follow."""
    path = site.root / "site.yaml"
    path.write_text(path.read_text("utf-8").replace(HOST, "other.example.org"), "utf-8")
    _, made = site.make(None, None, NOW)
    assert "kafka-1/member.yaml" in made.files
    assert "secrets/kafka-1-server" in made.files
    assert "secrets/kafka-1-node" not in made.files
    assert made.restart == ["kafka-1", "kafka-2", "kafka-3", "web"]


@pytest.mark.parametrize(
    ("hub", "address", "said"),
    [
        (None, HOST, "--hub NAME"),
        (HUB, None, "--address HOST"),
        (HUB, "two words", "address of a host"),
        (HUB, "", "host"),
    ],
)
def test_new_site_is_told_what_it_needs(tmp_path: Path, hub: str | None, address: str | None, said: str) -> None:
    """What is missing or no host is refused before anything is drawn."""
    with pytest.raises(UsageError, match=said):
        SiteFolder(tmp_path / "site").make(hub, address, NOW)
    assert not (tmp_path / "site/site.yaml").exists()


@pytest.mark.parametrize(("hub", "address"), [("other.example", None), (None, "other.example.org")])
def test_site_is_not_made_another_one(site: SiteFolder, hub: str | None, address: str | None) -> None:
    """Another hub or another address beside an existing site is refused, with the remedy."""
    with pytest.raises(Conflict):
        site.make(hub, address, NOW)


@pytest.mark.parametrize(
    ("name", "text"),
    [("site.yaml", "hub: x\n"), ("site.yaml", "a: ["), ("site.yaml", "[1]"), ("secrets/kafka-users", "{}x")],
)
def test_damaged_file_is_told_by_its_name(site: SiteFolder, name: str, text: str) -> None:
    """One line, without what the file holds."""
    (site.root / name).write_text(text, "utf-8")
    with pytest.raises(UsageError, match=name.replace(".", r"\.")) as refused:
        site.make(None, None, NOW)
    assert "\n" not in str(refused.value)


def test_hub_yaml_stays_as_its_owner_has_made_it(site: SiteFolder) -> None:
    """Settings are written once."""
    path = site.root / "hub/hub.yaml"
    path.write_text("worker: {stall_s: 90}\n", "utf-8")
    site.make(None, None, NOW)
    assert yaml.safe_load(path.read_text("utf-8")) == {"worker": {"stall_s": 90}}
