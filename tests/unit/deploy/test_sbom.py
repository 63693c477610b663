"""The list of what an image is made of: whole, valid, and the same bytes wherever it is made."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy.image.lock import part
from deploy.image.sbom import PARTS, made, main

ROOT: Final = Path(__file__).parents[3]
JARS: Final = json.loads((ROOT / "hub/broker/jars.lock").read_text("utf-8"))["jars"]


@pytest.fixture(scope="module")
def lists() -> dict[str, dict[str, Any]]:
    return {name.partition("-0")[0]: json.loads(data) for name, data in made().items()}


def test_lists_are_valid() -> None:
    """CycloneDX's own schema has nothing against them."""
    for name, data in made().items():
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None, name


def test_every_library_and_jar_is_in_with_its_digest(lists: dict[str, dict[str, Any]]) -> None:
    """Nothing that an image is made of is left out, and each can be compared with its file."""
    assert lists.keys() == PARTS.keys()
    for name, wanted in PARTS.items():
        components = {one["bom-ref"]: one for one in lists[name]["components"]}
        libraries = part(wanted, ROOT)
        assert len(components) == len(libraries) + (len(JARS) if name == "cohub" else 0)
        for one in libraries:
            said = components[f"pkg:pypi/{one.name}@{one.version}"]["properties"]
            assert {each["value"] for each in said if each["name"].endswith("sha256")} == set(one.hashes) != set()
    said = {one["hashes"][0]["content"] for one in lists["cohub"]["components"] if "hashes" in one}
    assert said == {jar["sha256"] for jar in JARS}


def test_everything_is_there_for_something(lists: dict[str, dict[str, Any]]) -> None:
    """Each part is reached from the image itself: nobody is left with a library that nothing needs."""
    for said in lists.values():
        edges = {one["ref"]: one.get("dependsOn", []) for one in said["dependencies"]}
        reached, waiting = set(), [said["metadata"]["component"]["bom-ref"]]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting += edges[name]
        assert {one["bom-ref"] for one in said["components"]} <= reached


def test_list_is_the_same_bytes_again(tmp_path: Path) -> None:
    """In another process, of another hash seed and at another time."""
    assert main(tmp_path) == 0
    code = "from pathlib import Path; from deploy.image.sbom import main; main(Path('again'))"
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tashkent", "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True, capture_output=True)
    for name in made():
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
