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
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

import hub
from hub.cli.center import checked_streams, proven
from hub.cli.code_list import PUBLISHED, term
from hub.cli.place import Place, say
from hub.protocol.control import enrolment, key_name
from hub.protocol.errors import UsageError
from hub.protocol.note import Signer
from hub.protocol.record import CENTER_REGISTERED
from hub.worker.headquarters import Said
from hub.worker.identity import write_private

FILE: Final = "network.yaml"
SEAL_KEY: Final = "keys/seal.key"
NEEDED: Final = ("id", "name", "country", "direction", "languages", "timezone", "streams")


@dataclass(frozen=True, slots=True)
class Network:
    """What `network.yaml` says: the hub's name, each center's record by its id, the code lists."""

    folder: Path
    hub: str
    centers: Mapping[str, Mapping[str, Any]]
    code_lists: Mapping[str, list[dict[str, Any]]]

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
        str(name): [term(**code) if isinstance(code, dict) else term(str(code)) for code in codes]
        for name, codes in (data.get("code_lists") or {}).items()
    }
    network = Network(folder, str(data.get("hub", "hub.example")), centers, lists)
    for center in centers:
        if not (network.template(center) / "connector.yaml").is_file():
            raise UsageError(f"{network.template(center)}: expected the office of {center}, with a connector.yaml")
    return network


def set_up_office(network: Network, center: str, office: Path, trust: bytes, bootstrap: str) -> bytes:
    """Copy an office, or go on with the one that is there; return the enrolment note of its key.

    What `connector init` does for a real office, without the questions: key, trust note, settings.
    """
    if not office.exists():
        shutil.copytree(network.template(center), office)
    settings_path = office / "connector.yaml"
    settings = yaml.safe_load(settings_path.read_text("utf-8"))
    settings |= {"hub": network.hub, "center": center, "bootstrap": [bootstrap]}
    _write_whole(settings_path, yaml.safe_dump(settings, allow_unicode=True, sort_keys=False).encode())
    _write_whole(office / "trust.note", trust)
    key_file = office / SEAL_KEY
    if not key_file.exists():
        key_file.parent.mkdir(mode=0o700, exist_ok=True)
        made = Signer(key_name(network.hub, center, "seal"), os.urandom(32))
        write_private(key_file, made.to_text() + "\n")
    return enrolment(network.hub, center, "seal", Signer.from_text(key_file.read_text("utf-8")))


async def register_network(where: Place, network: Network, enrolments: Mapping[str, bytes]) -> None:
    """Say to the hq lane what it does not know yet of the network: centers with their keys, code lists.

    Errors: UsageError when a rule forbids something (nothing is written then).
    """
    async with where.headquarters() as (store, headquarters):
        wanted: list[tuple[tuple[str, str], Said]] = []
        for name, codes in network.code_lists.items():
            wanted.append((("code_list", f"hq:{name}"), Said(PUBLISHED, name, {"name": name, "codes": codes})))
        for center, record in network.centers.items():
            _, key = proven(enrolments[center], network.hub, center, [], replaces_lost=False)
            wanted.append((("center", f"hq:{center}"), Said(CENTER_REGISTERED, center, {**record, "keys": [key]})))
        known = await store.entities([entity_key for entity_key, _ in wanted])
        for (stream, entity_id), there in known.items():
            if stream == "center":
                _check_key(entity_id.partition(":")[2], there.entity.record, enrolments)
        events = [said for entity_key, said in wanted if entity_key not in known]
        if events:
            await say(headquarters, events)


def _check_key(center: str, record: Mapping[str, Any], enrolments: Mapping[str, bytes]) -> None:
    vkey = enrolments[center].decode().split("\n")[4]
    if vkey not in {key["vkey"] for key in record["keys"]}:
        raise UsageError(
            f"HQ knows {center} by another key than its office has (was the office's folder deleted?): "
            "take an empty --data-dir"
        )


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(data)
    part.replace(path)
