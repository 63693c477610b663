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

from hub.hq.other_security import FILES
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


def lent(pod: dict[str, Any]) -> dict[str, set[str]]:
    """Return what a pod is lent: by the name of each secret the keys in it that come, `*` where all do."""
    secrets = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    return {each["secretName"]: {item["key"] for item in each.get("items", [{"key": "*"}])} for each in secrets}


def used(command: str, folder: Path) -> set[str]:
    """Return the names of the files with logins and certificates that a command reads, as its settings name them."""
    (folder / "hub.yaml").write_text((FOLDER / "base/hub.yaml").read_text("utf-8"), "utf-8")
    settings = read_settings(folder, {}).settings
    security = settings.security
    at_kafka = {
        "worker": [security, settings.admin.over(security)],  # it gives rights as the admin
        "web": [settings.web.security.over(security)],
        "migrate": [],
    }[command]
    database = settings.database
    files = [getattr(each, name) for each in at_kafka for name in FILES]
    return {file.name for file in [*files, database.password_file, database.ca_file] if file is not None}


@pytest.mark.parametrize("name", PODS)
def test_pod_is_lent_what_it_uses_and_nothing_else(name: str, tmp_path: Path) -> None:
    """Who gets into the way in for strangers has no login of the admin's; what signs nothing has no key."""
    pod = PODS[name]
    command = pod["containers"][0]["args"][1]
    if "secret" not in "".join(key for volume in pod["volumes"] for key in volume):
        assert command == "run"  # an office's keys are in its own folder
        return
    keys = {"hub-keys": {"*"}} if command != "migrate" else {}
    assert lent(pod) == {"hub-logins": used(command, tmp_path), **keys}
    items = [item for volume in pod["volumes"] for item in volume.get("secret", {}).get("items", [])]
    assert all(item["key"] == item["path"] for item in items)


def test_nobody_else_is_lent_the_login_of_the_admin() -> None:
    """It may make topics and give rights: a worker needs it, and no other pod."""
    assert [name for name, pod in PODS.items() if "kafka-admin" in lent(pod).get("hub-logins", ())] == [
        "base/workers.yaml:Deployment/worker"
    ]


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


@pytest.mark.parametrize("name", [name for name, pod in PODS.items() if "initContainers" in pod])
def test_what_is_lent_is_put_where_it_is_its_owners_alone(name: str, tmp_path: Path) -> None:
    """The first container's own script, run as a plain process, twice: what was lent comes to be private."""
    (first,) = PODS[name]["initContainers"]
    lent_at, data = tmp_path / "lent", tmp_path / "data"
    data.mkdir()
    files = {"keys": ["hub.name", "hq.key"], "secrets": ["kafka-worker"], "settings": ["hub.yaml"]}
    mounted = {mount["name"] for mount in first["volumeMounts"]} - {"data"}
    for folder in mounted:
        real = lent_at / folder / "..data"
        real.mkdir(parents=True)
        for file in files[folder]:
            (real / file).write_text(file, "utf-8")
            (real / file).chmod(0o440)
            (lent_at / folder / file).symlink_to(f"..data/{file}")  # as Kubernetes lends it
    for _ in range(2):
        here = first["args"][0].replace("/lent", str(lent_at)).replace("/data/", f"{data}/")
        here = here.replace(f"..{data}/", "..data/")
        subprocess.run(["sh", "-euc", here], check=True)
    made = {str(path.relative_to(data)): path for path in data.rglob("*") if path.is_file()}
    keys = {f"hub/keys/{file}" for file in files["keys"]} if "keys" in mounted else set()
    assert made.keys() == {"hub/hub.yaml", "secrets/kafka-worker", *keys}
    for file, path in made.items():
        assert (path.read_text("utf-8"), path.stat().st_mode & 0o777) == (file.rpartition("/")[2], 0o600)


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
