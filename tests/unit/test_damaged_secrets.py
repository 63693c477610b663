"""A key, a password or an invitation that is damaged is refused without a word of it, in a traceback neither."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.runtime.joining import make_request, read_bundle
from connectors.runtime.office import read_key
from hub.base.access import Security
from hub.base.authority import Authority
from hub.base.certificates import Leaf
from hub.broker.principals import Principals
from hub.hq.access_key import AccessKey
from hub.hq.identity import load_identity, make_identity, read_root
from hub.protocol.errors import Malformed, NotFound, UsageError
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import Invitation, KafkaWay
from hub.protocol.joining import JoinRequest
from hub.protocol.keys import Signer
from hub.protocol.scram import Credential
from hub.web.service import Certificate
from tests.support.folder import HUB
from tests.support.joining import request_of

WORD = "correcthorsebatterystaple0123456789"
NOW = datetime(2026, 3, 1, tzinfo=UTC)
# What may be left of a file: another text, a half of one, bytes that are no text, two words where one is expected.
DAMAGED = (
    WORD.encode(),
    f"{WORD} {WORD}".encode(),
    f"PRIVATE+KEY+hub.example/receipts+00000000+{WORD}".encode(),
    f"PRIVATE+KEY+{WORD}".encode(),
    f"cohub-access-key/v1 {WORD}".encode(),
    f"-----BEGIN PRIVATE KEY-----\n{WORD}\n-----END PRIVATE KEY-----\n".encode(),
    f"-----BEGIN EC PRIVATE KEY-----\n{WORD}".encode(),
    json.dumps({"format": "cohub-invitation/v1", "secret": WORD}).encode(),
    json.dumps({"format": "cohub-join/v1", "scram": {"salt": WORD}}).encode(),
    WORD.encode() + b"\xff\xfe",
    WORD.encode("utf-16"),
)


def hub_key(path: Path) -> Callable[[], object]:
    folder = path.parent / "made"
    make_identity(folder, HUB)
    (folder / "receipts.key").write_bytes(path.read_bytes())
    return lambda: load_identity(folder)


def authority(path: Path) -> Callable[[], object]:
    Authority.open(path.parent / "made", NOW)
    (path.parent / "made" / "ca.key").write_bytes(path.read_bytes())
    return lambda: Authority.open(path.parent / "made", NOW)


def certificate(path: Path) -> Callable[[], object]:
    def read() -> None:
        Authority.open(path.parent / "made", NOW).keep(path, Leaf("web", ("localhost",)), NOW)
        Certificate(path, path)

    return read


def kept_request(path: Path) -> Callable[[], object]:
    office = path.parent / "office"
    (office / "keys").mkdir(parents=True, mode=0o700)
    (office / "keys" / "join.request").write_bytes(path.read_bytes())
    (office / "keys" / "join.request").chmod(0o600)
    return lambda: make_request(office, bundle(path.parent), [b"note"])


def bundle(folder: Path) -> Invitation:
    identity = make_identity(folder / "of-the-bundle", HUB)
    key = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    way = KafkaWay(("kafka.example:9093",), "SASL_PLAINTEXT")
    return Invitation(HUB, "uz", "Tashkent", "0123abcd", key, WORD[:32].encode(), NOW, identity.note, way)


READERS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "key of the hub's": hub_key,
    "root key": lambda path: lambda: read_root(path, Signer(f"{HUB}/root", b"o" * 32).verifier),
    "access key": lambda path: lambda: AccessKey.load(path.rename(path.with_name("access.key")).parent),
    "authority": authority,
    "certificate": certificate,
    "password of the broker's": lambda path: lambda: Principals(path.rename(path.with_name("worker.password")).parent)
    .security("worker", path.with_name("no.pem")).client_options(),
    "password file": lambda path: lambda: Security(protocol="SASL_SSL", username="uz", password_file=path).login(),
    "key of an office's": lambda path: lambda: read_key(path),
    "invitation": lambda path: lambda: read_bundle(path),
    "join request": lambda path: lambda: JoinRequest.from_bytes(path.read_bytes()),
    "kept join request": kept_request,
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_damaged_secret_is_not_quoted(reader: str, tmp_path: Path) -> None:
    for number, damaged in enumerate(DAMAGED):
        path = tmp_path / str(number) / "secret"
        path.parent.mkdir()
        path.write_bytes(damaged)
        path.chmod(0o600)
        read = READERS[reader](path)
        said = ""
        try:
            read()  # some of it is a password that nobody can know to be damaged
        except (UsageError, Malformed, NotFound, OSError) as exc:
            told = "".join(traceback.format_exception(exc)).splitlines()
            said = "\n".join(line for line in told if not line.startswith("    ")) + repr(exc)
        assert WORD[:16] not in said


def test_what_holds_a_secret_does_not_show_it(tmp_path: Path) -> None:
    """Whoever logs a value, or looks at it in a traceback, sees its other fields alone."""
    made = bundle(tmp_path)
    shown = [
        made,
        request_of(made, WORD),
        Credential.of(WORD, WORD[:32].encode()),
        Signer("name", WORD[:32].encode()),
        AccessKey(WORD[:32].encode()),
        Security(protocol="SASL_SSL", username="uz", password=SecretStr(WORD)),
        Fingerprint.of_root(made.root),
    ]
    assert [value for value in shown if WORD[:16] in repr(value) + str(value)] == []
