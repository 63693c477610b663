"""A network to try: `network.yaml` with its centers and code lists, and one office folder for each center.

hub: demo.cohub
centers:
  - {id: uz, name: …, country: UZ, direction: north, languages: [en], timezone: Asia/Tashkent, streams: [offer]}
code_lists:
  technology: [{code: AERO, zh: 航空, en: aviation, ru: авиация}]

The offices are `centers/<id>/`: connector.yaml, mappings, sheets.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

import hub
from hub.base import files
from hub.base.access import Security
from hub.base.durable import create_private, write
from hub.hq.code_lists import Term
from hub.hq.profile import checked_streams
from hub.protocol.control import enrolment, key_name
from hub.protocol.errors import UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Signer

FILE: Final = "network.yaml"
AUTHORITY: Final = "keys/hub-ca.pem"
PASSWORD: Final = "keys/kafka.password"  # noqa: S105 - a path
SEAL: Final = ("seal", "keys/seal.key", ED25519)
WITNESS: Final = ("witness", "keys/witness.key", COSIGNATURE_ED25519)
LONG: Final = ("seal", "keys/seal-mldsa44.key", COSIGNATURE_MLDSA44)  # with the setting `long_seals`
NEEDED: Final = ("id", "name", "country", "direction", "languages", "timezone", "streams")


@dataclass(frozen=True, slots=True)
class Network:
    """What `network.yaml` says: the hub's name, each center's record by its id, the code lists."""

    folder: Path
    hub: str
    centers: Mapping[str, Mapping[str, Any]]
    code_lists: Mapping[str, list[Term]]

    def template(self, center: str) -> Path:
        """Return the folder that a center's office is copied from."""
        return self.folder / "centers" / center


def find_network(named: Path | None) -> Path:
    """Return the folder of the network to run. Errors: UsageError."""
    candidates = [named] if named else [Path(hub.__file__).parents[1] / "deploy" / "demo", Path("deploy/demo")]
    for folder in candidates:
        if (folder / FILE).is_file():
            return folder.absolute()
    raise UsageError(f"{candidates[0]}: expected a folder with {FILE}; name one with --network")


def read_network(folder: Path) -> Network:
    """Return the network in a folder. Errors: UsageError with the place that is not as expected."""
    path = folder / FILE
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: expected YAML: {' '.join(str(exc).split())[:200]}") from exc
    if not isinstance(data, dict) or not isinstance(data.get("centers"), list) or not data["centers"]:
        raise UsageError(f"{path}: expected `hub`, a list of `centers`, and `code_lists`")
    centers: dict[str, Mapping[str, Any]] = {}
    for number, center in enumerate(data["centers"]):
        missing = [name for name in NEEDED if not isinstance(center, dict) or name not in center]
        if missing:
            raise UsageError(f"{path}: centers.{number}: expected {', '.join(missing)}")
        record = {name: center[name] for name in NEEDED if name != "id"}
        checked_streams(list(record["streams"]))
        centers[str(center["id"])] = {**record, "zone": center.get("zone"), "keys": []}
    lists = {
        str(name): [Term(**code) if isinstance(code, dict) else Term(str(code)) for code in codes]
        for name, codes in (data.get("code_lists") or {}).items()
    }
    network = Network(folder, str(data.get("hub", "hub.example")), centers, lists)
    for center in centers:
        if not (network.template(center) / "connector.yaml").is_file():
            raise UsageError(f"{network.template(center)}: expected the office of {center}, with a connector.yaml")
    return network


def set_up_office(
    network: Network, center: str, office: Path, trust: bytes, bootstrap: str, authority: bytes | None = None
) -> list[bytes]:
    """Copy an office, or go on with the one that is there; return the enrolment notes of its keys.

    What `connector init` does for a real office, without the questions: keys, trust note, settings. `authority` is the
    certificate by which it knows a broker that asks for a password; None for one that lets in everybody here.
    """
    if not office.exists():
        shutil.copytree(network.template(center), office)
    settings_path = office / "connector.yaml"
    settings = yaml.safe_load(settings_path.read_text("utf-8"))
    settings |= {"hub": network.hub, "center": center, "bootstrap": [bootstrap]}
    before = settings.pop("security", None)
    if authority is not None:
        settings["security"] = _security(office, center, before, authority)
    said = yaml.safe_dump(settings, allow_unicode=True, sort_keys=False).encode()
    write(settings_path, said, mode=files.PRIVATE)
    write(office / "trust.note", trust)
    kinds = [SEAL, WITNESS, *([LONG] if settings.get("long_seals") else [])]
    keys = {kind: _key(office, network.hub, center, kind) for kind in kinds}
    vouching = {LONG: keys[SEAL]}
    return [enrolment(network.hub, center, kind[0], key, vouching.get(kind)) for kind, key in keys.items()]


def office_password(office: Path) -> str | None:
    """Return the password by which an office that was set up logs in; None where the broker asks for none.

    Errors: UsageError where it can't be read.
    """
    settings = yaml.safe_load((office / "connector.yaml").read_text("utf-8"))
    security = Security.model_validate(settings.get("security") or {})
    return security.beneath(office).login()[1] if security.has_login else None


def _security(office: Path, center: str, before: Any, authority: bytes) -> dict[str, str]:
    """Return how an office logs in; a password that it had stays, and is moved into the file for it."""
    (office / AUTHORITY).parent.mkdir(mode=0o700, exist_ok=True)
    write(office / AUTHORITY, authority)
    known = before if isinstance(before, dict) else {}
    if known.get("password"):
        write(office / PASSWORD, f"{known['password']}\n".encode(), mode=files.PRIVATE)
    elif not known.get("password_file"):
        with suppress(FileExistsError):
            create_private(office / PASSWORD, secrets.token_hex(32) + "\n")
    named = PASSWORD if known.get("password") else known.get("password_file") or PASSWORD
    return {"protocol": "SASL_SSL", "username": center, "password_file": str(named), "ca_file": AUTHORITY}


def _key(office: Path, hub: str, center: str, kind: tuple[str, str, int]) -> Signer:
    """Return an office's key of a kind, made if there is none."""
    purpose, path, algorithm = kind
    key_file = office / path
    if not key_file.exists():
        key_file.parent.mkdir(mode=0o700, exist_ok=True)
        create_private(key_file, Signer(key_name(hub, center, purpose), os.urandom(32), algorithm).to_text() + "\n")
    return Signer.from_text(key_file.read_text("utf-8"))
