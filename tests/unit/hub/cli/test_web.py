"""`hub web`: what it hands in to the HTTPS way in, which has no private keys of its own."""

from __future__ import annotations

import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from pydantic import SecretStr

from hub.broker.principals import Principals
from hub.cli.web import _cluster, _join, _web_settings
from hub.hq import invitations
from hub.hq.access import limit
from hub.hq.access_key import FILE
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.identity import load_identity
from hub.hq.other_security import OtherSecurity
from hub.hq.settings import HubSettings, WebSection
from hub.kafka.desired import RATE_DEFAULT
from hub.kafka.security import ClusterSecurity
from hub.protocol.errors import Fatal, Malformed, NotFound, UsageError
from hub.protocol.invitation import HttpsWay, Invitation
from hub.protocol.joining import State, open_answer
from hub.protocol.trust import open_trust
from hub.web.service import Certificate, Ledger
from tests.support.center import HUB, Center
from tests.support.hq import center_record
from tests.support.joining import asking

PUBLIC = ("https://127.0.0.1:8443", "https://hub.example", "https://[::1]:8443", "https://hub.example:9443")


def test_certificate_is_made_for_every_public_address(tmp_path: Path) -> None:
    """By the hub's own authority, private, and the same until it is due; other addresses need another one."""
    where = HubFolder(tmp_path / "hub")
    settings = _web_settings(where, WebSection(public=PUBLIC, listen="127.0.0.1:8443"))
    settings.renew()
    first = settings.certificate.read_bytes()
    settings.renew()
    assert settings.certificate.read_bytes() == first
    assert settings.certificate == settings.key
    assert stat.S_IMODE(settings.certificate.stat().st_mode) == 0o600
    made = x509.load_pem_x509_certificate(first)
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["127.0.0.1", "hub.example", "::1"]
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(where.authority.read_bytes()))
    assert Certificate(settings.certificate, settings.key).context
    _web_settings(where, WebSection(public=("https://other.example",))).renew()
    assert settings.certificate.read_bytes() != first


def test_given_certificate_is_left_to_who_gave_it(tmp_path: Path) -> None:
    """Its key may stand in the same file; a key alone is nobody's."""
    where, given = HubFolder(tmp_path / "hub"), tmp_path / "web.pem"
    settings = _web_settings(where, WebSection(public=PUBLIC, certificate=given))
    settings.renew()
    assert (settings.certificate, settings.key) == (given, given)
    assert not where.authority.exists()
    with pytest.raises(UsageError, match="name its certificate"):
        _web_settings(where, WebSection(public=PUBLIC, key=given))


async def test_join_request_is_answered_by_hq(tmp_path: Path) -> None:
    """Of an invitation that is there; what can't be read is its sender's fault, and a lost key is HQ's."""
    where = HubFolder(tmp_path / "hub")
    where.ensure_identity(HUB)
    async with where.headquarters() as (_, headquarters):
        await headquarters.say([HqEvent("net.cohub.center.registered.v1", "uz", center_record(Center("uz")))])
    file = tmp_path / "uz.cohub"
    await invitations.invite(where, "uz", file, None, HttpsWay("https://hub.example:8443", ""))
    bundle = Invitation.from_bytes(file.read_bytes())
    trust = open_trust(load_identity(where.keys).note)
    answer = open_answer(await _join(where, bundle.id, asking(bundle)), trust)
    assert (answer.state, answer.invitation) == (State.WAITS, bundle.id)
    with pytest.raises(NotFound):
        await _join(where, "00000000", asking(bundle))
    with pytest.raises(Malformed):
        await _join(where, bundle.id, b"nothing of the kind")
    (where.keys / FILE).unlink()
    with pytest.raises(Fatal) as told:
        await _join(where, bundle.id, asking(bundle))
    assert not isinstance(told.value, UsageError)


def test_web_has_its_own_way_into_the_cluster(tmp_path: Path) -> None:
    """At the embedded broker the user `web`, at another what its settings say."""
    where = HubFolder(tmp_path)
    assert where.web_cluster(HubSettings()) is None
    where.broker.mkdir()
    Principals(where.broker).make()
    (where.broker / "port").write_text("9092\n")
    embedded = where.web_cluster(HubSettings(), "127.0.0.1:9092")
    assert embedded is not None
    assert (embedded.security.username, embedded.admins) == ("web", None)
    worker = ClusterSecurity(protocol="SASL_SSL", username="hq", password=SecretStr("a"))
    web = WebSection(security=OtherSecurity(username="web", password=SecretStr("b")))
    own = where.web_cluster(HubSettings(bootstrap=("k:1",), security=worker, web=web))
    assert own is not None
    assert own.security.login() == ("web", "b")
    assert own.security.protocol == "SASL_SSL"


async def test_center_may_write_what_its_quota_says(tmp_path: Path) -> None:
    """As on Kafka; one that was set is in force with the next look."""
    where = HubFolder(tmp_path / "hub")
    where.ensure_identity(HUB)
    async with where.headquarters() as (_, headquarters):
        await headquarters.say([HqEvent("net.cohub.center.registered.v1", "uz", center_record(Center("uz")))])
    with closing(Ledger(where)) as ledger:
        assert ledger.look().registry().centers["uz"].status == "active"
        assert ledger.rate("uz") == RATE_DEFAULT
        await limit(where, "uz", 2 << 20)
        ledger.look()
        assert ledger.rate("uz") == 2 << 20


def test_first_hub_up_beside_it_is_waited_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever types both at once, as the page says, need not type this one again; nobody waits for what never comes."""
    where, settings = HubFolder(tmp_path), HubSettings()
    with pytest.raises(UsageError, match="start `hub up` in another terminal"):
        _cluster(where, settings, None, 0.0)
    assert capsys.readouterr().err == ""
    up = threading.Timer(0.1, lambda: where.worker_file.write_text('{"bootstrap": "127.0.0.1:9"}', "utf-8"))
    up.start()
    assert _cluster(where, settings, None, 60.0).bootstrap == "127.0.0.1:9"
    up.join()
    assert capsys.readouterr().err.count("waits for `hub up`") == 1
