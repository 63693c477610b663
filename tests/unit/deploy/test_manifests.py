"""The manifests for Kubernetes: valid by its own schemas, locked down, and of commands and settings that there are."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hub.hq.settings import read_settings
from tests.unit.docs.test_commands import fault

ROOT: Final = Path(__file__).parents[3]
FOLDER: Final = ROOT / "deploy/kubernetes"
KUSTOMIZED: Final = sorted(FOLDER.glob("*/kustomization.yaml"))


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every manifest that a kustomization names, with its file's name."""
    for kustomization in KUSTOMIZED:
        for name in yaml.safe_load(kustomization.read_text("utf-8"))["resources"]:
            for each in yaml.safe_load_all((kustomization.parent / name).read_text("utf-8")):
                yield f"{kustomization.parent.name}/{name}", each


MANIFESTS: Final = {f"{file}:{each['kind']}/{each['metadata']['name']}": each for file, each in documents()}
PODS: Final = {
    name: each["spec"]["template"]["spec"] for name, each in MANIFESTS.items() if "template" in each.get("spec", {})
}


def validate(manifest: dict[str, Any]) -> None:
    """Hold a manifest against Kubernetes' own schema. Errors: ValidationError."""
    # Its import builds 38 grammars, which takes seconds: all processes collect these tests, and one runs them.
    from kubernetes_validate import latest_version  # noqa: PLC0415
    from kubernetes_validate import validate as hold_against  # noqa: PLC0415

    hold_against(manifest, latest_version(), strict=True)


@pytest.mark.parametrize("name", MANIFESTS)
def test_manifest_is_valid(name: str) -> None:
    """Kubernetes' own schema has nothing against it, strictly."""
    validate(MANIFESTS[name])


def test_misspelt_field_is_found() -> None:
    """As the check is meant."""
    spoilt = copy.deepcopy(next(each for each in MANIFESTS.values() if each["kind"] == "Deployment"))
    spoilt["spec"]["template"]["spec"]["containers"][0]["redinessProbe"] = {}
    with pytest.raises(Exception, match="redinessProbe") as found:
        validate(spoilt)
    assert type(found.value).__name__ == "ValidationError"


def test_every_file_is_named_by_a_kustomization() -> None:
    """Nothing lies about that is never applied."""
    for kustomization in KUSTOMIZED:
        said = yaml.safe_load(kustomization.read_text("utf-8"))
        named = {*said["resources"], *(file for each in said.get("configMapGenerator", []) for file in each["files"])}
        there = {path.name for path in kustomization.parent.iterdir()} - {"kustomization.yaml"}
        assert named == there


@pytest.mark.parametrize("name", PODS)
def test_pod_is_locked_down(name: str) -> None:
    """It would be let in where the standard `restricted` is enforced, and writes no root."""
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*pod.get("initContainers", []), *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"requests", "limits"} == container["resources"].keys()
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted <= {volume["name"] for volume in pod["volumes"]}
        assert "env" not in container


@pytest.mark.parametrize("name", PODS)
def test_commands_exist(name: str) -> None:
    """What a container runs is a command of ours with its options."""
    for container in PODS[name]["containers"]:
        assert fault(" ".join(container["args"])) is None


def test_what_goes_on_is_asked_whether_it_lives_and_whether_it_is_ready() -> None:
    """A start may take half an hour; who lives is never asked how much it has to catch up with."""
    asked = [each["containers"][0] for name, each in PODS.items() if ":Deployment/" in name]
    assert len(asked) == 2
    for container in asked:
        start, live = container["startupProbe"], container["livenessProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] >= 1800
        assert live["httpGet"]["path"] in ("/live", "/livez")
        assert container["readinessProbe"]["httpGet"]["path"] in ("/ready", "/readyz")
        ports = {port["name"] for port in container["ports"]}
        assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe")} <= ports


def test_selectors_find_their_pods() -> None:
    """A label that was misspelt selects nobody, and nothing tells."""
    labels = {each["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"]
              for each in MANIFESTS.values() if "template" in each.get("spec", {})}  # fmt: skip
    text = "".join(path.read_text("utf-8") for path in FOLDER.glob("*/*.yaml"))
    named = set(re.findall(r"app\.kubernetes\.io/name: ([a-z-]+)", text))
    named |= {name for listed in re.findall(r"values: \[([^\]]+)\]", text) for name in listed.split(", ")}
    assert named == labels == {"worker", "web", "migrate", "office"}


def test_settings_are_read(tmp_path: Path) -> None:
    """The file that HQ is told by is one that it takes, of this release's settings."""
    (tmp_path / "hub.yaml").write_text((FOLDER / "base/hub.yaml").read_text("utf-8"), "utf-8")
    assert read_settings(tmp_path, {}).settings.database.server() is not None


def test_keys_are_put_where_they_are_their_owners_alone(tmp_path: Path) -> None:
    """The first container's own script, run as a plain process, twice: what was lent comes to be private."""
    (script,) = {each["initContainers"][0]["args"][0] for each in PODS.values() if "initContainers" in each}
    lent, data = tmp_path / "lent", tmp_path / "data"
    data.mkdir()
    for folder, name in (
        ("keys", "hub.name"),
        ("keys", "hq.key"),
        ("secrets", "kafka-worker"),
        ("settings", "hub.yaml"),
    ):
        real = lent / folder / "..data"
        real.mkdir(parents=True, exist_ok=True)
        (real / name).write_text(name, "utf-8")
        (real / name).chmod(0o440)
        (lent / folder / name).symlink_to(f"..data/{name}")  # as Kubernetes lends it
    for _ in range(2):
        here = script.replace("/lent", str(lent)).replace("/data/", f"{data}/")
        here = here.replace(f"..{data}/", "..data/")
        subprocess.run(["sh", "-euc", here], check=True)
    made = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    assert made.keys() == {"hub/keys/hub.name", "hub/keys/hq.key", "hub/hub.yaml", "secrets/kafka-worker"}
    for name, path in made.items():
        assert (path.read_text("utf-8"), path.stat().st_mode & 0o777) == (name.rpartition("/")[2], 0o600)


def test_settings_name_files_that_are_lent() -> None:
    """Each is a file of the secret that the page says how to make."""
    named = set(re.findall(r"/data/secrets/([a-z-]+)", (FOLDER / "base/hub.yaml").read_text("utf-8")))
    page = (FOLDER / "README.md").read_text("utf-8")
    assert named == set(re.findall(r"`((?:kafka|postgres)-[a-z]+)`", page))


def test_release_of_the_images_is_this_one() -> None:
    """Two releases do not share a name."""
    (release,) = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    tags = re.findall(r"newTag: (\S+)$", "".join(path.read_text("utf-8") for path in KUSTOMIZED), re.MULTILINE)
    assert tags == [release] * 2
