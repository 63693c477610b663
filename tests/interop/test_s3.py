"""The archive on an object store: a real S3 gateway (versitygw) as its own process, reached through the S3 protocol."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from hub.ledger.segment import SUFFIX
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.replay.source import Ledger
from hub.store.depot import open_depot
from tests.support.archived import archive, make_hub, rows
from tests.support.interop import GO_BUILD, GO_ENVIRONMENT, needs_go
from tests.support.ports import free_port

PROGRAM = Path(__file__).parent / "s3"

pytestmark = [needs_go, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Yield the address of a running gateway, and the folder whose subfolders are its buckets."""
    base = tmp_path_factory.mktemp("s3")
    built = subprocess.run(
        [*GO_BUILD, "-o", base / "versitygw", "github.com/versity/versitygw/cmd/versitygw"],
        cwd=PROGRAM, env={**os.environ, **GO_ENVIRONMENT}, check=False, timeout=400, capture_output=True, text=True,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-2000:]
    (base / "data" / "archive").mkdir(parents=True)
    address = f"127.0.0.1:{free_port()}"
    with (base / "log").open("wb") as log:
        process = subprocess.Popen(
            [base / "versitygw", "--port", address, "posix", base / "data"],
            env={**os.environ, "ROOT_ACCESS_KEY": "cohub", "ROOT_SECRET_KEY": "not-a-secret"}, stdout=log, stderr=log,
        )  # fmt: skip
        try:
            _wait_for(address, process)
            yield f"http://{address}", base / "data"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    ends = time.monotonic() + 30
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the gateway did not start")


@pytest.fixture
def bucket(gateway: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the environment to the gateway; return the bucket's folder."""
    for name, value in {
        "AWS_ENDPOINT_URL": gateway[0],
        "AWS_ACCESS_KEY_ID": "cohub",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    return gateway[1] / "archive"


async def test_archive_on_an_object_store_reads_as_before(bucket: Path, tmp_path: Path) -> None:
    """Segments are objects named by their digest; rows read the same; a damaged object is told by its name."""
    hub = await make_hub(tmp_path)
    before = rows(hub)
    found = archive(hub, open_depot("s3://archive/hq"))
    assert sorted(path.name for path in (bucket / "hq").iterdir()) == sorted(each.digest + SUFFIX for each in found)
    assert rows(hub) == before
    victim = bucket / "hq" / (found[0].digest + SUFFIX)
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with Ledger.open(hub) as ledger, pytest.raises(Fatal, match=r"is damaged|no such object"):
        ledger.events(next(lane.id for lane in ledger.lanes if lane.origin == found[0].origin), 1, 2)


@pytest.mark.usefixtures("bucket")
def test_store_that_refuses_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket that is not there, a wrong secret, an address where nobody answers."""
    with pytest.raises(Fatal, match="no such bucket"):
        open_depot("s3://nowhere/hq").put("a", b"x")
    with pytest.raises(Fatal, match="no such object"):
        open_depot("s3://archive/hq").get("nothing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UsageError, match="AWS_SECRET_ACCESS_KEY"):
        open_depot("s3://archive/hq").get("nothing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr("hub.store.depot.RETRY_MAX", timedelta(seconds=1))
    with pytest.raises(Retriable, match="s3://archive/hq"):
        open_depot("s3://archive/hq").get("nothing")
