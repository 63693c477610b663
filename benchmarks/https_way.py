"""What an event costs over HTTPS, both ends together, beside what it costs a client that reaches Kafka itself.

`hub web` runs as a process of its own, over TLS; the client here signs each request and keeps its connection, as an
office does. CPU time of both is told apart. Batches of 256 sealed records, one behind the other, so that a round also
tells how long one takes to be acknowledged.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
from aiokafka import AIOKafkaProducer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.lanes import HUB, BenchLane
from benchmarks.report import https_report, turned
from benchmarks.throughput import make_hub
from hub.broker.embedded import EmbeddedKafka
from hub.kafka.cluster import Cluster
from hub.kafka.topics import ensure_topics, standard_topics
from hub.protocol.http_signature import Request
from hub.protocol.keys import Signer
from hub.protocol.limits import BATCH_EVENTS_MAX
from hub.protocol.record import SEAL_HEADER
from hub.protocol.session import SessionNote, begin_session, signed_fields

BATCH_TYPE: Final = "application/vnd.apache.kafka.records.v2"
EVENTS_TYPE: Final = "application/cloudevents-batch+json"
KINDS: Final = ("kafka", "batch", "json")
BATCH_BYTES: Final = 1_048_500
READY_S: Final = 30.0
STOP_S: Final = 12.0
TICK: Final = os.sysconf("SC_CLK_TCK")

Row = tuple[bytes, bytes, list[tuple[str, bytes]]]


async def https_way(kafka: EmbeddedKafka, events: int, rounds: int) -> dict[str, Any]:
    """Return CPU µs an event by kind, of the client and of the server, and how long a batch takes."""
    base = Path(tempfile.mkdtemp(prefix="cohub-bench-"))
    try:
        found = await _measure(kafka.bootstrap, base, max(events // BATCH_EVENTS_MAX, 2), rounds)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    report = https_report(
        {kind: [(one.client_us, one.server_us) for one in each] for kind, each in found.items()},
        {kind: [took for one in each for took in one.acknowledged_s] for kind, each in found.items()},
    )
    print(f"  {report}", file=sys.stderr)
    return report


@dataclass(slots=True)
class Round:
    """What one round cost. Units: CPU µs an event; seconds of each batch until it was acknowledged."""

    client_us: float
    server_us: float
    acknowledged_s: list[float]


async def _measure(bootstrap: str, base: Path, batches: int, rounds: int) -> dict[str, list[Round]]:
    # A center a turn: what it writes stays within what HQ takes of one center at once. The same records for all.
    tag = os.urandom(3).hex()
    lanes = [BenchLane(f"h{tag}-{number}") for number in range(rounds * len(KINDS))]
    await make_hub(base / "hub", lanes)
    await ensure_topics(Cluster.at(bootstrap), standard_topics([lane.center for lane in lanes], []))
    rows = [(key, value, [*headers]) for key, value, headers in lanes[0].records(batches * BATCH_EVENTS_MAX, 1000)]
    rows = rows[: batches * BATCH_EVENTS_MAX]
    cut = [rows[at : at + BATCH_EVENTS_MAX] for at in range(0, len(rows), BATCH_EVENTS_MAX)]
    found: dict[str, list[Round]] = {kind: [] for kind in KINDS}
    async with _web(base, bootstrap) as (server, address, context):
        for number in range(rounds):
            for kind in turned(KINDS, number):
                lane = lanes.pop()
                if kind == "kafka":
                    found[kind].append(await _to_kafka(bootstrap, lane.center, cut))
                else:
                    found[kind].append(await _to_https(server, address, context, lane, cut, kind))
    return found


async def _to_kafka(bootstrap: str, center: str, batches: Sequence[Sequence[Row]]) -> Round:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES
    )
    await producer.start()

    async def send(rows: Sequence[Row]) -> None:
        batch = producer.create_batch()
        for key, value, headers in rows:
            batch.append(timestamp=None, key=key, value=value, headers=headers)
        await (await producer.send_batch(batch, f"in.{center}", partition=0))

    try:
        return await _rounds(send, batches, lambda: 0.0)
    finally:
        await producer.stop()


async def _to_https(
    server: int, address: str, context: ssl.SSLContext, lane: BenchLane, batches: Sequence[Sequence[Row]], kind: str
) -> Round:
    key, numbers = Signer("session", os.urandom(32)), iter(range(1, 1 << 62))
    async with httpx2.AsyncClient(verify=context, base_url=address, timeout=60, trust_env=False) as client:
        session = await _begin(client, address, lane, key)
        target = f"/v1/centers/{lane.center}/records"
        media_type, write = (BATCH_TYPE, record_batch) if kind == "batch" else (EVENTS_TYPE, cloud_events)

        async def send(rows: Sequence[Row]) -> None:
            body = write(rows)
            request = Request("POST", address, target, {"content-type": media_type})
            created = int(time.time())
            fields = signed_fields(request, body, session=session, key=key, number=next(numbers), created=created)
            answer = await client.post(target, content=body, headers=dict(fields))
            if answer.status_code != 200 or answer.json()["count"] != len(rows):
                raise RuntimeError(f"{kind}: HQ answered {answer.status_code}: {answer.text[:300]}")

        return await _rounds(send, batches, lambda: _cpu_s(server))


async def _rounds(
    send: Callable[[Sequence[Row]], Any], batches: Sequence[Sequence[Row]], server_s: Callable[[], float]
) -> Round:
    await send(batches[0])  # connections, imports, producers: once
    took: list[float] = []
    client, server = time.process_time(), server_s()
    for batch in batches[1:]:
        began = time.perf_counter()
        await send(batch)
        took.append(time.perf_counter() - began)
    events = sum(map(len, batches[1:]))
    spent, served = time.process_time() - client, server_s() - server
    return Round(spent / events * 1e6, served / events * 1e6, took)


async def _begin(client: httpx2.AsyncClient, address: str, lane: BenchLane, key: Signer) -> str:
    given = (await client.post("/v1/session/nonce", json={"center": lane.center})).json()
    nonce = base64.b64decode(given["nonce"])
    said = SessionNote(HUB, lane.center, address, nonce, key.verifier.public, datetime.now(UTC))
    answer = await client.post("/v1/session", content=begin_session(said, lane.signer))
    if answer.status_code != 201:
        raise RuntimeError(f"no session: {answer.text[:300]}")
    name: str = answer.json()["session"]
    return name


def record_batch(rows: Sequence[Row]) -> bytes:
    """Return rows as the record batch that a producer makes."""
    from aiokafka.producer.message_accumulator import BatchBuilder  # noqa: PLC0415

    builder = BatchBuilder(BATCH_BYTES, 0)
    for key, value, headers in rows:
        builder.append(timestamp=None, key=key, value=value, headers=headers)
    return bytes(builder._build())  # noqa: SLF001


def cloud_events(rows: Sequence[Row]) -> bytes:
    """Return rows as CloudEvents in JSON."""
    return json.dumps([_event(value, headers) for _, value, headers in rows]).encode()


def _event(value: bytes, headers: Sequence[tuple[str, bytes]]) -> dict[str, str]:
    event = {"data_base64": base64.b64encode(value).decode()}
    for name, content in headers:
        if name == SEAL_HEADER:
            event["cohubseal"] = base64.b64encode(content).decode()
        else:
            event["datacontenttype" if name == "content-type" else name.removeprefix("ce_")] = content.decode()
    return event


@asynccontextmanager
async def _web(base: Path, bootstrap: str) -> AsyncIterator[tuple[int, str, ssl.SSLContext]]:
    """Yield the pid of `hub web`, its address and what its certificate is checked with."""
    certificate = _certificate(base / "web.pem")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"https://127.0.0.1:{port}"
    command = [
        sys.executable, "-m", "hub.cli.main", "--data-dir", str(base / "hub"), "web", "--bootstrap", bootstrap,
        "--listen", f"127.0.0.1:{port}", "--public", address, "--certificate", str(certificate),
        "--key", str(certificate),
    ]  # fmt: skip
    context = ssl.create_default_context(cafile=str(certificate))
    process = await asyncio.to_thread(_spawn, command, base / "web.log")
    try:
        async with asyncio.timeout(READY_S), httpx2.AsyncClient(verify=context, trust_env=False) as client:
            while not await _is_ready(client, address):  # noqa: ASYNC110 - another process's
                await asyncio.sleep(0.05)
        yield process.pid, address, context
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, STOP_S)


def _spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


async def _is_ready(client: httpx2.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(f"{address}/readyz")).status_code == 200
    except httpx2.TransportError:
        return False


def _certificate(path: Path) -> Path:
    """Write a key and a certificate for this machine, which is believed for itself."""
    import ipaddress  # noqa: PLC0415

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    hosts = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(hosts, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(0o600)
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


def _cpu_s(pid: int) -> float:
    """Return the CPU time of a process, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK
