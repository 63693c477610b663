"""Thirty centers at HQ's app over HTTPS, asked without a network: every request is what stands here, byte for byte."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote

from hub.kafka.cluster import Cluster
from hub.kafka.memory import MemoryBroker
from hub.protocol.http_signature import SIGNATURE, SIGNATURE_INPUT, Request, content_digest, signature_base
from hub.protocol.keys import Signer
from hub.protocol.problem import MEDIA_TYPE, PROBLEMS, TYPE, ProblemCode
from hub.protocol.session import SessionNote, begin_session, signed_fields
from hub.web.allowance import Allowance
from hub.web.app import create_app
from hub.web.desk import Desk
from hub.web.reading import Readers
from hub.web.sessions import Sessions
from hub.web.writing import Writers
from tests.support.web_hq import Standing, center_of

HUB: Final = "hub.example"
ADDRESS: Final = "https://hub.example:8443"
ACTIVE: Final = ("uz", "kz", "u", "uz2", "in", "out", "hub", "state", "events", "join", "records", "v1", "topics")
SUSPENDED: Final = ("by", "am")
CLOSED: Final = ("ge",)
CENTERS: Final = (*ACTIVE, *SUSPENDED, *CLOSED, *(f"c{number}" for number in range(14)))
NOBODY: Final = ("zz", "out.uz", "hq")  # no centers
COMMON: Final = ("hub.trust", "hub.checkpoints", "hub.lane", "hub.schemas", "state.code_list", "state.lane")
HIDDEN: Final = ("hub.clock", "events", "state.center", "state.schema", "state.offer", "state.deal", "bobs")


@dataclass(frozen=True)
class Answer:
    """What came back. `plain` is all of it but what tells the time."""

    status: int
    fields: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The code of a problem; '' of what is none."""
        return str(json.loads(self.body)["code"]) if self.fields.get("content-type") == MEDIA_TYPE else ""

    def check(self, code: ProblemCode) -> dict[str, Any]:
        """See that it is this problem, in the one form; return its document."""
        said: dict[str, Any] = json.loads(self.body)
        assert self.fields["content-type"] == MEDIA_TYPE, self
        kind = PROBLEMS[code]
        assert (self.status, said["code"], said["type"]) == (kind.status, code, TYPE + code), self
        assert said["status"] == kind.status
        assert said["remedy"]
        assert set(said) == {"type", "title", "status", "detail", "code", "remedy", *kind.names}, self
        return said


class Watched(MemoryBroker):
    """A broker in memory that counts who came to it."""

    def __init__(self, topics: Mapping[str, int]) -> None:
        super().__init__(topics)
        self.clients = 0

    def producer(self, **settings: Any) -> Any:
        self.clients += 1
        return super().producer(**settings)

    def consumer(self, **settings: Any) -> Any:
        self.clients += 1
        return super().consumer(**settings)

    def held(self) -> dict[str, list[bytes]]:
        """Return what every topic has, its first partition."""
        return {name: [record.value or b"" for record in self.records(name)] for name in self.topics()}


@dataclass
class Asker:
    """An office with a session. `sign` makes the fields of one request, of the next number."""

    center: str
    key: Signer
    session: str = ""
    number: int = 0

    def sign(self, matrix: Matrix, method: str, target: str, body: bytes = b"", **changes: Any) -> dict[str, str]:
        self.number += 1
        said: dict[str, Any] = {"session": self.session, "key": self.key, "number": self.number}
        said |= {"created": int(matrix.now.timestamp())}
        address = changes.pop("address", ADDRESS)
        fields = {"content-type": "application/vnd.apache.kafka.records.v2"} if method == "POST" else {}
        return dict(signed_fields(Request(method, address, target, fields), body, **(said | changes)))

    def sign_freely(self, matrix: Matrix, method: str, target: str, names: str, more: str = "") -> dict[str, str]:
        """Sign over these components, with parameters behind the usual ones."""
        self.number += 1
        said = f'({names});created={int(matrix.now.timestamp())};keyid="{self.session}";nonce="{self.number}"{more}'
        fields = {"content-digest": content_digest(b"")}
        request = Request(method, ADDRESS, target, fields)
        listed = names.replace('"', "").split()
        base = signature_base([(name, request.component(name)) for name in listed], said)
        signed = base64.b64encode(self.key.sign(base)).decode()
        return fields | {SIGNATURE_INPUT: f"cohub={said}", SIGNATURE: f"cohub=:{signed}:"}


@dataclass
class Matrix:
    """The app with its thirty centers, each with a session."""

    broker: Watched
    standing: Standing
    desk: Desk
    seals: dict[str, Signer]
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    askers: dict[str, Asker] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = create_app(self.desk)

    async def ask(
        self,
        method: str,
        target: str,
        fields: Mapping[str, str] | None = None,
        body: bytes = b"",
        host: str = "10.0.0.1",
    ) -> Answer:
        """Ask, as uvicorn hands over what it has read."""
        raw, _, query = target.partition("?")
        said = {"host": "hub.example:8443"} | dict(fields or {})
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": unquote(raw),
            "raw_path": raw.encode("ascii"),
            "query_string": query.encode("ascii"),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in said.items()],
            "client": (host, 5555),
            "server": ("127.0.0.1", 8443),
            "state": {},
        }
        sent: list[Any] = []
        parts = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], head, b"".join(message.get("body", b"") for message in sent[1:]))

    async def nonce(self, center: str) -> bytes:
        answer = await self.ask("POST", "/v1/session/nonce", {}, json.dumps({"center": center}).encode())
        assert answer.status == 200, answer
        return base64.b64decode(json.loads(answer.body)["nonce"])

    async def note(self, center: str, nonce: bytes, signer: Signer, **changes: Any) -> bytes:
        key = Signer("session", center.encode().ljust(32, b"s"))
        said = SessionNote(HUB, center, ADDRESS, nonce, key.verifier.public, self.now)
        return begin_session(replace(said, **changes), signer)

    async def begin(self, center: str) -> Asker:
        """Return an office of this center, with a session begun."""
        note = await self.note(center, await self.nonce(center), self.seals[center])
        answer = await self.ask("POST", "/v1/session", {}, note)
        assert answer.status == 201, answer
        key = Signer("session", center.encode().ljust(32, b"s"))
        return Asker(center, key, json.loads(answer.body)["session"])

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """See that meanwhile nothing came to the broker: no record, and no client."""
        held, clients = self.broker.held(), self.broker.clients
        yield
        assert self.broker.clients == clients
        assert self.broker.held() == held


def granted(center: str) -> set[str]:
    """Return what a center reads, written out apart from the product's own rules."""
    return {f"out.{center}", *COMMON}


def existing() -> list[str]:
    """Return every topic that there is."""
    lanes = [f"{kind}.{center}" for center in CENTERS for kind in ("in", "out")]
    return [*lanes, "join.uz", "join.by", *COMMON, *HIDDEN]


def made_up(center: str) -> list[str]:
    """Return names that are no topics, the spellings of such as are among them."""
    spelt = [
        spelling
        for name in (f"out.{center}", "out.kz", f"in.{center}", "hub.trust", "events")
        for spelling in (
            name.upper(), name.capitalize(), f"%{ord(name[0]):02x}{name[1:]}", f"%{ord(name[0]):02X}{name[1:]}",
            name.replace(".", "%2e"), f"{name}%00", f"{name}%0a", f"{name}%0D%0A", f"{name}%20", f"{name}%2f",
            f"{name}/", f"{name}//", f"{name}/.", f"{name}/..", f"./{name}", f"../topics/{name}", f"x/../{name}",
            f"%2e%2e%2f{name}", f"{name};x=1", f"{name}.", f".{name}", name.replace(".", ".."), f"{name}*", "*",
            f"{name},out.kz", f"{name}:0", f"{name}-0", f"'{name}'", f"%22{name}%22", f"{name}%EF%BB%BF",
            f"{name}%E2%80%8B", name.replace("o", "%D0%BE").replace("e", "%D0%B5"), name.replace(".", "%E3%80%82"),
            f"{name}%ff", f"~{name}", f"%25{ord(name[0]):02x}{name[1:]}", f"{name}+", f"{name}&x", f"{name}=",
            f"{name}@hub", f"({name})", f"!{name}",
        )
    ]  # fmt: skip
    lanes = [f"{kind}.{who}" for who in (*NOBODY, "") for kind in ("in", "out", "join", "state", "hub")]
    others = ["nothing", "__consumer_offsets", "__cluster_metadata", "join.zz", "out", "in", "hub", "state", "x" * 3000]
    found = dict.fromkeys([*spelt, *lanes, *others])
    return [name for name in found if name not in {*existing(), *granted(center)}]


async def make_matrix() -> Matrix:
    """Return the app; every center has a session, those that HQ has closed since, too."""
    topics = dict.fromkeys(existing(), 1) | {name: 8 for name in existing() if name.startswith(("state.", "events"))}
    broker = Watched(topics)
    producer = broker.producer()
    await producer.start()
    for name in topics:
        await producer.send_and_wait(name, name.encode(), key=b"k", partition=0)
    await producer.stop()
    seals = {name: Signer(f"{HUB}/{name}", name.encode().ljust(32, b"k")) for name in CENTERS}
    standing = Standing(*(center_of(name, seal) for name, seal in seals.items()))
    cluster, stopping = Cluster(("127.0.0.1:1",), clients=broker), asyncio.Event()
    made: list[Matrix] = []
    sessions = Sessions(lambda: made[0].now if made else datetime.now(UTC))
    much: dict[str, Any] = {
        name: Allowance(name, 1e9) for name in ("begins", "strangers", "requests", "written", "read")
    }
    desk = Desk(
        HUB, (ADDRESS,), standing, sessions, Writers(cluster), Readers(cluster, stopping), stopping, held_s=0.0, **much
    )
    made.append(Matrix(broker, standing, desk, seals))
    for name in CENTERS:
        made[0].askers[name] = await made[0].begin(name)
    for status, names in (("suspended", SUSPENDED), ("closed", CLOSED)):
        for name in names:
            standing.change(name, status=status)
    return made[0]


async def close(matrix: Matrix) -> None:
    """End it."""
    matrix.desk.stopping.set()
    await asyncio.gather(matrix.desk.writers.close(), matrix.desk.readers.close())


async def asked(matrix: Matrix, asker: Asker, method: str, target: str, body: bytes = b"") -> Answer:
    """Ask as a center does, under its session's next number."""
    return await matrix.ask(method, target, asker.sign(matrix, method, target, body), body)
