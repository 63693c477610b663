"""List what the images are made of: `python -m deploy.image.sbom`, for `make sbom`.

    dist/cohub-<version>.cdx.json              the hub's image: libraries, the Java runtime among them, and Kafka's jars
    dist/cohub-connector-<version>.cdx.json    the connector's

CycloneDX 1.6, made of requirements.lock and jars.lock alone: the same bytes wherever and whenever it is made. A library
of the lock has a digest for each of its files, of which a machine installs one; they stand as properties.
"""

# ruff: noqa: INP001  a script of the repository
from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from deploy.image.lock import Pinned, part
from deploy.pyz.pack import ROOT, release

PARTS: Final[Mapping[str, str]] = {
    "cohub": "cohub[hq,web,postgres,embedded,archive,traces]",
    "cohub-connector": "cohub[traces]",
}
DIGEST: Final = "cohub:requirements.lock:sha256"
CONDITION: Final = "cohub:requirements.lock:condition"
LIBRARY: Final = ComponentType("library")


def sbom(name: str, libraries: Sequence[Pinned], jars: Iterable[Mapping[str, Any]], version: str) -> bytes:
    """Return the list of one image. Shapes: `jars` as jars.lock has them: path in a Maven repository, sha256."""
    bom = Bom()
    bom.metadata.component = root = Component(
        name=name, version=version, type=ComponentType.CONTAINER, bom_ref=f"{name}@{version}"
    )
    made = {one.name: _library(one) for one in libraries}
    archives = [_jar(jar) for jar in jars]
    bom.components.update([*made.values(), *archives])
    direct = [made[one.name] for one in libraries if not one.needed_by & made.keys()]
    bom.register_dependency(root, [*direct, *archives])
    for one in made.values():
        bom.register_dependency(one, [made[other.name] for other in libraries if one.name in other.needed_by])
    said = json.loads(JsonV1Dot6(bom).output_as_string())
    del said["metadata"]["timestamp"]  # it would be another one each time
    said.pop("serialNumber", None)
    digest = sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    said["serialNumber"] = uuid5(NAMESPACE_URL, digest).urn
    return json.dumps(said, indent=1, sort_keys=True).encode() + b"\n"


def _library(one: Pinned) -> Component:
    url = PackageURL("pypi", name=one.name, version=one.version)
    said = [Property(name=DIGEST, value=digest) for digest in one.hashes]
    said += [Property(name=CONDITION, value=one.when)] if one.when else []
    return Component(name=one.name, version=one.version, type=LIBRARY, purl=url, bom_ref=str(url), properties=said)


def _jar(jar: Mapping[str, Any]) -> Component:
    *group, artifact, version, _ = str(jar["path"]).split("/")
    url = PackageURL("maven", namespace=".".join(group), name=artifact, version=version)
    return Component(
        name=artifact,
        group=".".join(group),
        version=version,
        type=LIBRARY,
        purl=url,
        bom_ref=str(url),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=str(jar["sha256"]))],
    )


def made() -> dict[str, bytes]:
    """Return each list by the name of its file."""
    jars = json.loads((ROOT / "hub/broker/jars.lock").read_text("utf-8"))["jars"]
    version = release()
    return {
        f"{name}-{version}.cdx.json": sbom(name, part(wanted, ROOT), jars if "embedded" in wanted else (), version)
        for name, wanted in PARTS.items()
    }


def main(dist: Path = ROOT / "dist") -> int:
    """Write both, tell what was written, and return the exit status."""
    dist.mkdir(parents=True, exist_ok=True)
    for name, data in made().items():
        (dist / name).write_bytes(data)
        sys.stdout.write(f"{sha256(data).hexdigest()}  {dist / name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
