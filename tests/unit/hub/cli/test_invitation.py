"""`hub center invite`, `confirm`, `withdraw`, and what others say of invitations."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.identity import load_identity
from hub.hq.reception import Reception
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import HttpsWay, Invitation, KafkaWay
from tests.support.joining import asking, request_of
from tests.unit.hub.cli.test_center import ADD

WAY = ("--bootstrap", "kafka.example:9093", "--protocol", "SASL_SSL", "--ca", "system")


def bundle_of(path: Path) -> Invitation:
    return Invitation.from_bytes(path.read_bytes())


def ask(data_dir: Path, bundle: Invitation, seed: str = "office") -> None:
    """Bring a request to HQ."""

    async def take() -> None:
        where = HubFolder(data_dir)
        async with where.store() as store:
            key = partial(AccessKey.load, where.keys)
            await Reception(store.invitations, load_identity(where.keys), key).take(bundle.id, asking(bundle, seed))

    asyncio.run(take())


def test_office_is_invited_and_confirmed_by_what_it_reads_out(made: Any, tmp_path: Path) -> None:
    """Words, four letters or numbers; without them nothing is confirmed, and a script says so by status 2."""
    file = tmp_path / "uz.cohub"
    assert made(*ADD).status == 0
    done = made("center", "invite", "uz", str(file), *WAY)
    assert done.status == 0, done.err
    bundle = bundle_of(file)
    assert bundle.kafka == KafkaWay(("kafka.example:9093",), "SASL_SSL")
    assert "hub center confirm uz" in done.out
    assert "nobody has asked yet" in made("center", "show", "uz").out
    refused = made("center", "confirm", "uz", "--words", "zoo zoo zoo zoo zoo zoo")
    assert (refused.status, "nobody has asked" in refused.err) == (2, True)
    ask(tmp_path / "data", bundle)
    status = made("status", "--json")
    assert "invitations" in json.loads(status.out)["needs"]
    assert "its office has asked to join" in made("status").out
    words = request_of(bundle).fingerprint
    assert made("center", "confirm", "uz").status == 2
    wrong = made("center", "confirm", "uz", "--words", "zoo zoo zoo zoo zoo zoo")
    assert (wrong.status, "differs" in wrong.err) == (2, True)
    short = made("center", "confirm", "uz", "--words", "zoo zoo")
    assert (short.status, "expected 6 words" in short.err) == (2, True)
    done = made("center", "confirm", "uz", "--words", " ".join(word[:4] for word in words.words), "--json")
    assert done.status == 0, done.err
    said = json.loads(done.out)
    assert (len(said["added"]), said["credential"]) == (2, 1)
    shown = json.loads(made("center", "show", "uz", "--json").out)
    assert (shown["invitation"]["stage"], len(shown["registered"]["keys"])) == ("confirmed", 2)
    assert json.loads(made("status", "--json").out)["invitations"] == []


def test_center_is_added_with_its_file(made: Any, tmp_path: Path) -> None:
    """One command; where the file can't be, nothing is registered."""
    file = tmp_path / "uz.cohub"
    file.write_text("mine")
    done = made(*ADD, "--invite", str(file))
    assert (done.status, file.read_text()) == (2, "mine")
    assert "not known yet where the brokers are" in made(*ADD, "--invite", str(tmp_path / "other")).err
    for settings in (
        "security: {protocol: SSL, cert_file: w.pem, key_file: w.key}\n",
        "web: {public: ['https://a.example'], certificate: w.pem}\n",
    ):
        (tmp_path / "data" / "hub.yaml").write_text("bootstrap: [kafka.example:9093]\n" + settings)
        refused = made(*ADD, "--invite", str(tmp_path / "other"))
        named = "`hub center invite uz" in refused.err and "without --invite" in refused.err
        assert (refused.status, named) == (2, True), refused.err
    settings = "bootstrap: [kafka.example:9093]\nsecurity: {protocol: SASL_SSL, username: hq, password: x}\n"
    (tmp_path / "data" / "hub.yaml").write_text(settings)
    file.unlink()
    done = made(*ADD, "--invite", str(file), "--json")
    assert done.status == 0, done.err
    said = json.loads(done.out)
    assert (said["registered"]["id"], said["invitation"]["invitation"]) == ("uz", bundle_of(file).id)
    assert bundle_of(file).kafka == KafkaWay(("kafka.example:9093",), "SASL_SSL")


def test_file_used_twice_is_an_alarm_until_it_is_withdrawn(made: Any, tmp_path: Path) -> None:
    """Neither can be confirmed; `status` and `show` say so, and another file is made afterwards."""
    file = tmp_path / "uz.cohub"
    made(*ADD)
    made("center", "invite", "uz", str(file), *WAY)
    bundle = bundle_of(file)
    ask(tmp_path / "data", bundle)
    ask(tmp_path / "data", bundle, "thief")
    status = made("status")
    assert (status.status, "ALARM two different requests" in status.out) == (1, True)
    assert "ALARM two different requests" in made("center", "show", "uz").out
    words = " ".join(request_of(bundle).fingerprint.words)
    refused = made("center", "confirm", "uz", "--words", words)
    assert (refused.status, "neither can be confirmed" in refused.err) == (2, True)
    assert made("center", "invite", "uz", str(tmp_path / "second"), *WAY).status == 2
    assert json.loads(made("center", "withdraw", "uz", "--json").out)["stage"] == "withdrawn"
    assert made("center", "withdraw", "uz").status == 2
    done = made("center", "invite", "uz", str(tmp_path / "second"), *WAY, "--json")
    said = json.loads(done.out)
    assert (said["center"], len(said["root"]["words"]), len(said["root"]["numbers"])) == ("uz", 6, 6)


def test_ways_in_are_named_as_they_are_given(made: Any, tmp_path: Path) -> None:
    """By HTTPS too, or by HTTPS alone; what is open is asked for."""
    made(*ADD)
    both, alone = tmp_path / "both", tmp_path / "alone"
    web = ("--https", "https://hub.example.org", "--https-ca", "system")
    assert made("center", "invite", "uz", str(both), *WAY, *web).status == 0
    assert bundle_of(both).https == HttpsWay("https://hub.example.org")
    made("center", "withdraw", "uz")
    assert made("center", "invite", "uz", str(alone), "--https-alone", *web).status == 0
    assert (bundle_of(alone).kafka, bundle_of(alone).https) == (None, HttpsWay("https://hub.example.org"))
    made("center", "withdraw", "uz")
    for options in (
        (),
        ("--https-alone",),
        ("--bootstrap", "nowhere", "--protocol", "SASL_SSL"),
        ("--bootstrap", "h:1", "--protocol", "TLS"),
        (*WAY, "--https", "http://hub.example.org"),
        ("--bootstrap", "h:1", "--protocol", "SASL_SSL", "--ca", str(both)),
    ):
        done = made("center", "invite", "uz", str(tmp_path / "none"), *options)
        assert done.status == 2, options
        assert not (tmp_path / "none").exists()


def test_https_address_is_one_that_hq_answers_to(made: Any, tmp_path: Path) -> None:
    """In its one form; where web.public says how offices call HQ, no other is named."""
    made(*ADD)
    file, web = tmp_path / "uz.cohub", ("--https-alone", "--https-ca", "system", "--https")
    for address in ("https://hub_1.example", "https://hub.example/v1", "hub.example"):
        done = made("center", "invite", "uz", str(file), *web, address)
        assert (done.status, "--https: address: expected https://host" in done.err) == (2, True), done.err
    (tmp_path / "data" / "hub.yaml").write_text("web: {public: ['https://a.example', 'https://b.example:8443']}\n")
    done = made("center", "invite", "uz", str(file), *web, "https://b.example")
    assert (done.status, "https://a.example, https://b.example:8443" in done.err) == (2, True), done.err
    assert not file.exists()
    done = made("center", "invite", "uz", str(file), *web, "https://B.example:8443/")
    assert done.status == 0, done.err
    assert bundle_of(file).https == HttpsWay("https://b.example:8443")


def test_address_of_this_machine_is_noted(made: Any, tmp_path: Path) -> None:
    """Offices elsewhere could not reach it: it is said, and made all the same, for one on this machine."""
    made(*ADD)
    done = made(
        "center", "invite", "uz", str(tmp_path / "f"), "--bootstrap", "127.0.0.1:9092", "--protocol", "PLAINTEXT"
    )
    assert (done.status, "can't reach" in done.err) == (0, True)


class Terminal(StringIO):
    """What a person types at a terminal."""

    def isatty(self) -> bool:
        return True


def test_person_types_what_the_office_reads(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """HQ's words are shown to be read out; those of the office are asked for, and shown nowhere."""
    file = tmp_path / "uz.cohub"
    made(*ADD)
    made("center", "invite", "uz", str(file), *WAY)
    bundle = bundle_of(file)
    ask(tmp_path / "data", bundle)
    words = request_of(bundle).fingerprint
    monkeypatch.setattr(sys, "stdin", Terminal(" ".join(map(str, words.numbers)) + "\n"))
    done = made("center", "confirm", "uz")
    assert done.status == 0, done.err
    assert all(word in done.out for word in Fingerprint.of_root(bundle.root).words)
    assert "is confirmed" in done.out
