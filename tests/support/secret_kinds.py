"""Every kind of secret that the software makes or is given: where it is made, where alone it may be, and how it is had.

A part of the code that draws, reads or is told a secret stands in MAKERS, with the kinds that it has to do with; a new
one that does not stand there fails a test, and so does a kind that is not looked for.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from connectors.runtime.persons.cipher import KEY_BYTES
from hub.hq.access import opened
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.reception import request_of, secrets_of
from hub.protocol.invitation import Invitation, join_credential, join_password
from hub.protocol.keys import Signer
from hub.protocol.scram import Credential
from tests.support.secret_forms import Secret, pem_values

ROOT: Final = Path(__file__).parents[2]
LOG: Final = ("hub/broker/log/__cluster_metadata-0/*", "hub/broker/log/bootstrap.checkpoint")
_SCRAM_SHA_512: Final = b"\x02"


@dataclass
class Place:
    """Where a hub and its offices live: `hub`, `offices/<center>` and `files` are folders in `root`.

    Shapes: `given` are secrets that people hand over by the environment or the settings, by kind.
    """

    root: Path
    given: dict[str, tuple[bytes, ...]] = field(default_factory=dict)
    given_homes: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def hub(self) -> HubFolder:
        return HubFolder(self.root / "hub")


Reads = Callable[[Place], Iterator[Secret]]


def _signers(pattern: str, kind: str) -> Reads:
    def read(place: Place) -> Iterator[Secret]:
        for path in sorted(place.root.glob(pattern)):
            if (text := path.read_bytes()).startswith(b"PRIVATE+KEY+"):
                yield Secret(kind, (Signer.from_text(text.decode()).seed,), (str(path.relative_to(place.root)),))

    return read


def _pems(pattern: str, kind: str) -> Reads:
    def read(place: Place) -> Iterator[Secret]:
        for path in sorted(place.root.glob(pattern)):
            if b"PRIVATE KEY" in (pem := path.read_bytes()):
                yield Secret(kind, pem_values(pem), (str(path.relative_to(place.root)),))

    return read


def _words(pattern: str, kind: str) -> Reads:
    def read(place: Place) -> Iterator[Secret]:
        for path in sorted(place.root.glob(pattern)):
            word = path.read_bytes().strip()
            shapes = (word, bytes.fromhex(word.decode())) if re.fullmatch(rb"[0-9a-f]{64}", word) else (word,)
            yield Secret(kind, shapes, (str(path.relative_to(place.root)),))

    return read


def _access_key(place: Place) -> Iterator[Secret]:
    path = place.hub.keys / "access.key"
    if path.exists():
        yield Secret("access key", (base64.b64decode(path.read_text().split()[1]),), ("hub/keys/access.key",))


def _invitations(place: Place) -> Iterator[Secret]:
    for path in sorted(place.root.glob("files/*.cohub")):
        bundle = Invitation.from_bytes(path.read_bytes())
        yield Secret("invitation", (bundle.secret,), (f"files/{path.name}",))
        yield Secret("join password", (join_password(bundle.secret).encode(),))
        yield from _scram(join_credential(bundle.secret))


async def kept_secrets(place: Place) -> list[Secret]:
    """Return what HQ keeps sealed: the private halves of invitations, and what stands for offices' passwords."""
    found, key = [], AccessKey.load(place.hub.keys)
    async with place.hub.store() as store:
        for issued in await store.invitations.every():
            stored = await store.invitations.find(issued.id)
            assert stored is not None
            secret, private = secrets_of(key, stored)
            found += [
                Secret("invitation", (secret,), ("files/*.cohub",)),
                Secret("invitation's private key", (private,)),
            ]
            request = request_of(key, stored)
            if request is not None:
                found += [*_scram(request.credential)]
        for center, access in (await store.access.every()).items():
            if access.sealed is not None:
                found += [*_scram(opened(key, center, access.sealed))]
    return found


def _scram(credential: Credential) -> Iterator[Secret]:
    """Yield what stands for a password: what logs in nowhere but at the broker, and what a broker keeps to compare."""
    salted = credential.salted_password
    client = hmac.digest(salted, b"Client Key", "sha512")
    yield Secret(SALTED, (salted, client), ("offices/*/keys/join.request",))
    stored = hashlib.sha512(client).digest()
    yield Secret(AT_BROKER, (stored, hmac.digest(salted, b"Server Key", "sha512")), LOG)


def _broker_logins(place: Place) -> Iterator[Secret]:
    """Yield what the broker keeps of HQ's own logins, out of its own log: salts are drawn by Kafka's tool."""
    for path in sorted((place.hub.broker / "log" / "__cluster_metadata-0").glob("*.log")):
        data = path.read_bytes()
        for user in (b"admin", b"worker", b"web"):
            for at in re.finditer(re.escape(bytes([len(user) + 1]) + user + _SCRAM_SHA_512), data):
                salt, rest = _compact(data[at.end() :])
                stored, rest = _compact(rest)
                server, _ = _compact(rest)
                if len(stored) == len(server) == 64:
                    word = (place.hub.broker / f"{user.decode()}.password").read_bytes().strip()
                    iterations = int.from_bytes(_[:4], "big")
                    yield from _scram(
                        Credential(salt, iterations, hashlib.pbkdf2_hmac("sha512", word, salt, iterations))
                    )
                    yield Secret(AT_BROKER, (stored, server), LOG)


def _compact(data: bytes) -> tuple[bytes, bytes]:
    """Return bytes with their length plus one before them, and what is behind (Kafka's COMPACT_BYTES)."""
    return data[1 : data[0]], data[data[0] :]


def _persons(place: Place) -> Iterator[Secret]:
    for path in sorted(place.root.glob("offices/*/keys/persons.keys")):
        data = path.read_bytes()
        slots = (data[at : at + KEY_BYTES] for at in range(0, len(data), KEY_BYTES))
        for slot in slots:
            if any(slot):
                yield Secret("key of a person", (slot,), (str(path.relative_to(place.root)),))


def _given(kind: str) -> Reads:
    def read(place: Place) -> Iterator[Secret]:
        if kind in place.given:
            yield Secret(kind, place.given[kind], place.given_homes.get(kind, ()))

    return read


HQ_KEY, AUTHORITY, TLS = "signing key of HQ's", "authority's key", "key of a certificate"
HQ_LOGIN, OFFICE_LOGIN = "login of HQ's at the broker", "login of an office at the broker"
SEAL = "signing key of an office"
PROXY, OWN_CLUSTER, SESSION = "proxy's password", "password in a setting or variable", "session key over HTTPS"
ARCHIVE, SALTED = "key of an archive's depot", "salted password"
AT_BROKER = "what a broker keeps of a password"
PASSPHRASE = "passphrase of a backup"

# Kind → how it is had from a hub that has lived. A kind of None is in memory alone; a test of its own looks for it.
KINDS: Final[dict[str, Reads | None]] = {
    HQ_KEY: _signers("hub/keys/*.key", HQ_KEY),
    "access key": _access_key,
    AUTHORITY: _pems("hub/keys/ca.key", AUTHORITY),
    TLS: _pems("hub/*/*.pem", TLS),
    HQ_LOGIN: _words("hub/broker/*.password", HQ_LOGIN),
    AT_BROKER: _broker_logins,
    SALTED: None,  # `kept_secrets`
    "invitation": _invitations,
    "invitation's private key": None,  # `kept_secrets`
    "join password": _invitations,
    OFFICE_LOGIN: _words("offices/*/keys/kafka.password", OFFICE_LOGIN),
    SEAL: _signers("offices/*/keys/*.*", SEAL),
    "key of a person": _persons,
    PROXY: _given(PROXY),
    OWN_CLUSTER: _given(OWN_CLUSTER),
    SESSION: None,
    ARCHIVE: _given(ARCHIVE),
    PASSPHRASE: _given(PASSPHRASE),
}

NO_SECRET: Final = "no secret"  # numbers and names that nobody is to guess twice, or that everybody may see
# Module → the kinds of secret that it draws, reads from a file of its owner's alone, or is told.
MAKERS: Final[dict[str, tuple[str, ...]]] = {
    "connectors/cli/check_broker.py": (PROXY,),
    "connectors/cli/init.py": (SEAL,),
    "connectors/cli/key.py": (SEAL,),
    "connectors/cli/office.py": (SEAL,),
    "connectors/runtime/epoch.py": (NO_SECRET,),
    "connectors/runtime/https/consumer.py": (NO_SECRET,),  # how long to wait
    "connectors/runtime/https/proxy.py": (PROXY,),
    "connectors/runtime/https/session.py": (SESSION,),
    "connectors/runtime/ids.py": (NO_SECRET,),
    "connectors/runtime/joining.py": (OFFICE_LOGIN, SALTED, "invitation"),
    "connectors/runtime/link.py": (NO_SECRET,),  # how long to wait
    "connectors/runtime/office.py": (SEAL,),
    "connectors/runtime/persons/files.py": ("key of a person",),
    "connectors/runtime/persons/register.py": ("key of a person",),
    "connectors/runtime/pin.py": (NO_SECRET,),  # a public key, in a file that others may not change
    "connectors/runtime/settings.py": (PROXY, OWN_CLUSTER),
    "connectors/runtime/way.py": (NO_SECRET,),  # how long to wait
    "hub/base/access.py": (OWN_CLUSTER, OFFICE_LOGIN),
    "hub/base/authority.py": (AUTHORITY, TLS),
    "hub/base/certificates.py": (AUTHORITY, TLS),
    "hub/base/durable.py": (NO_SECRET,),
    "hub/broker/embedded.py": (HQ_LOGIN,),
    "hub/broker/guard.py": (HQ_LOGIN, AT_BROKER),
    "hub/broker/member.py": (SALTED,),
    "hub/broker/ports.py": (NO_SECRET,),
    "hub/broker/principals.py": (HQ_LOGIN,),
    "hub/cli/access.py": (OFFICE_LOGIN,),
    "hub/cli/ledger.py": (ARCHIVE,),
    "hub/cli/mirrored.py": (NO_SECRET,),  # the name of a file
    "hub/demo/network.py": (OFFICE_LOGIN, SEAL),
    "hub/demo/registration.py": (OFFICE_LOGIN,),
    "hub/hq/access.py": (OFFICE_LOGIN, SALTED),
    "hub/hq/access_key.py": ("access key",),
    "hub/hq/backup.py": (NO_SECRET,),  # the name of a part
    "hub/hq/headquarters.py": (NO_SECRET,),
    "hub/hq/identity.py": (HQ_KEY,),
    "hub/hq/invitations.py": ("invitation", "invitation's private key", "join password"),
    "hub/hq/other_security.py": (OWN_CLUSTER,),
    "hub/hq/sealed_keys.py": (PASSPHRASE, HQ_KEY),
    "hub/hq/settings.py": (OWN_CLUSTER,),
    "hub/kafka/administration.py": (SALTED,),
    "hub/protocol/invitation.py": (NO_SECRET,),  # it tries a public key with a private one that everybody knows
    "hub/protocol/joining.py": ("invitation's private key",),
    "hub/protocol/keys.py": (HQ_KEY, SEAL),
    "hub/site/folder.py": (HQ_LOGIN, SALTED, TLS, OWN_CLUSTER),
    "hub/store/depot.py": (ARCHIVE,),
    "hub/store/log_tree.py": (NO_SECRET,),
    "hub/store/postgres_server.py": (OWN_CLUSTER,),
    "hub/worker/access.py": (NO_SECRET,),  # of nobody: no one has it, and it opens nothing
    "hub/worker/service.py": (NO_SECRET,),  # a name that no other process has
    "hub/web/sessions.py": (NO_SECRET,),  # nonces and numbers of sessions: both ends and every proxy see them
}
_CALLS: Final = frozenset(
    {
        "create_private", "read_private", "generate", "generate_private_key", "from_private_bytes", "from_seed_bytes",
        "private_bytes", "private_bytes_raw", "load_pem_private_key", "get_secret_value", "write_private",
    }
)  # fmt: skip
_DRAWS: Final = re.compile(r"\b(secrets\.\w+|os\.urandom|random\.\w+)$")
_VARIABLE: Final = re.compile(r"[A-Z_]*(PASSWORD|SECRET|TOKEN|CREDENTIAL)[A-Z_]*")  # of an environment
_PERHAPS: Final = re.compile("|".join((*_CALLS, r"secrets\.", "urandom", r"random\.", "SecretStr", _VARIABLE.pattern)))


def makers() -> set[str]:
    """Return the modules that draw what nobody is to guess, or read or write what nobody else is to see."""
    return {
        str(path.relative_to(ROOT))
        for room in ("hub", "connectors")
        for path in (ROOT / room).rglob("*.py")
        if _PERHAPS.search(text := path.read_text("utf-8"))
        and any(_has_to_do_with_secrets(node) for node in ast.walk(ast.parse(text)))
    }


def _has_to_do_with_secrets(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id="secrets" | "os" | "random" as owner), attr=name):
            return _DRAWS.search(f"{owner}.{name}") is not None
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in _CALLS
        case ast.Constant(value=str(text)):
            return _VARIABLE.search(text) is not None
    return isinstance(node, ast.Name) and node.id == "SecretStr"


def secrets_of_place(place: Place) -> list[Secret]:
    """Return every secret that lies in a place, each once, but for those that HQ keeps sealed."""
    reads = [read for read in dict.fromkeys(KINDS.values()) if read is not None]
    return list(dict.fromkeys(secret for read in reads for secret in read(place)))
