"""An office that has nothing but HTTPS, by a proxy that opens TLS: rows, receipts, trust, registry, HQ's log."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hub.broker.embedded import EmbeddedKafka
from hub.hq import centers, invitations
from hub.hq.folder import HubFolder
from hub.hq.headquarters import HqEvent
from hub.hq.profile import Profile
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import HttpsWay
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.witness import COSIGNATURE_KIND
from tests.integration.web.test_web import web_process
from tests.support.center import Center
from tests.support.certificates import Authority
from tests.support.folder import run_connector, until
from tests.support.network import Office
from tests.support.proxies import forward_proxy
from tests.support.sheet import Row
from tests.support.worker import Hub, read_topic

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


def connector(office: Path, *arguments: str, **environment: str) -> tuple[int, Any]:
    """Return status and JSON of a command of this office."""
    command = [sys.executable, "-m", "connectors.cli.main", *arguments, "--json"]
    done = subprocess.run(
        command,
        env={**os.environ, "COHUB_OFFICE": str(office), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


async def test_office_with_nothing_but_https_sends_its_rows_and_witnesses_hqs_log(
    tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str
) -> None:
    """Through a link that is cut and swallows meanwhile: each row has its verdict, each receipt was seen logged."""
    (tmp_path / "proxy").mkdir()
    hub = Hub.make(tmp_path / "hub", kafka.bootstrap)
    office = Office(Center(topic_prefix), tmp_path / "office")
    await hub.say(HqEvent("net.cohub.center.registered.v1", office.id, office.record()))
    await ensure_topics(hub.cluster, standard_topics([office.id], []))
    proxys = Authority(tmp_path / "proxy")
    async with hub.running(), web_process(tmp_path, hub) as web:
        trusts = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        opening = {"certificate": proxys.leaf("127.0.0.1"), "upstream": trusts}
        async with forward_proxy(login="office:word", **opening) as proxy:
            office.set_up(
                hub,
                bootstrap=["127.0.0.1:9"],
                https={"address": web.address, "ca_file": str(proxys.file)},
            )
            environment = {"HTTPS_PROXY": proxy.url, "NO_PROXY": ""}
            status, checked = await asyncio.to_thread(connector, office.folder, "check", **environment)
            found = {each["name"]: each for each in checked}
            assert all(found[name]["ok"] for name in ("https", "may read", "key at HQ", "schemas")), checked
            assert (found["broker"]["ok"], status) == (None, 0), checked
            with pytest.MonkeyPatch.context() as patched:
                for name, value in environment.items():
                    patched.setenv(name, value)
                async with run_connector(office.folder) as running:
                    for count in (50, 400, 900):
                        for number in range(count):
                            office.sheet.put(f"K-{number}", Row(title=f"Title {number} of {count}"))
                        office.sheet.save()
                        await until(lambda: running.sender.sent > 1, PATIENCE_S)
                        proxy.is_hole = count == 400
                        await asyncio.sleep(0.5)
                        proxy.cut()
                        proxy.is_hole = False
                    office.mark()
                    await until(office.is_settled, PATIENCE_S)
                    await until(lambda: not running.outbox.status()["witness"]["receipts_waiting"], PATIENCE_S)
                    link = running.outbox.status()["link"]
            _, shown = await asyncio.to_thread(connector, office.folder, "status")
    assert (link["state"], link["way"]) == ("up", "https")
    assert shown["link"]["way"] == "https"
    assert "nobody listens there" in shown["link"]["because"]
    records = await read_topic(kafka.bootstrap, f"in.{office.id}")
    assert office.witness.faults(records, office.outbox) == []
    kinds = [dict(record.headers).get(CONTROL_HEADER) for record in records]
    assert COSIGNATURE_KIND.encode() in kinds
    assert office.center.signer.seed not in b"".join(map(bytes, proxy.seen))


@pytest.mark.long
async def test_office_joins_over_https_alone(tmp_path: Path, kafka: EmbeddedKafka, topic_prefix: str) -> None:
    """By a file that names no broker: it asks, is confirmed by its words, and HQ answers it from then on."""
    (tmp_path / "hub").mkdir()
    hub, file, office = Hub.make(tmp_path / "hub", kafka.bootstrap), tmp_path / "x.cohub", tmp_path / "office"
    place = HubFolder(hub.data_dir)
    profile = Profile(name="Ташкент", country="UZ", direction="north", languages=("ru",), streams=("offer",))
    await centers.register(place, topic_prefix, profile, [])
    await ensure_topics(hub.cluster, standard_topics([topic_prefix], []))
    joining = ["join", str(file), "--office", str(office), "--wait", "0"]
    async with web_process(tmp_path, hub) as web:
        way = HttpsWay(web.address, (tmp_path / "ca.pem").read_text())
        await invitations.invite(place, topic_prefix, file, None, way)
        status, waiting = await asyncio.to_thread(connector, office, *joining)
        assert (status, waiting["state"]) == (1, "waits")
        await invitations.confirm(place, topic_prefix, Fingerprint(tuple(waiting["own"]["numbers"])))
        status, joined = await asyncio.to_thread(connector, office, *joining)
        assert (status, joined["state"]) == (0, "joined")
        async with asyncio.timeout(PATIENCE_S):  # HQ looks at its own lane once a second
            while True:
                _, found = await asyncio.to_thread(connector, office, "check")
                if {each["name"]: each["ok"] for each in found}.get("https"):
                    break
