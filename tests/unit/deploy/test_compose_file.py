"""docker-compose.yml as a text: valid, without loose ends, and locked down; its commands are run elsewhere."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from compose_spec import PyOptions

from hub.broker.principals import USERS
from hub.site.plan import METRICS_PORT, PASSWORDS, SitePlan, certificates, hub_text, member_text
from tests.support.composed import FILE, ROOT, compose, is_ours, words
from tests.unit.docs.test_commands import fault

PLAN: Final = SitePlan.of("hub.example", "hub.example.org", lambda: "A" * 22)
SERVICES: Final = sorted(compose()["services"])


def faults(file: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a file, by Compose's own schema and beyond it."""
    try:
        PyOptions().from_yaml(yaml.safe_dump(dict(file))).validate()
    except ValueError as exc:
        return [str(exc)]
    services, found = file["services"], []
    for name, service in services.items():
        found += [f"{name}: no service {other}" for other in service.get("depends_on", {}) if other not in services]
        found += [
            f"{name}: no network {net}" for net in service.get("networks", []) if net not in file.get("networks", {})
        ]
        for volume in service.get("volumes", []):
            if not isinstance(volume, dict):
                found.append(f"{name}: {volume}: expected the long form, which makes no folder of root's")
            elif volume["type"] == "volume" and volume["source"] not in file.get("volumes", {}):
                found.append(f"{name}: no volume {volume['source']}")
    used = {secret for service in services.values() for secret in service.get("secrets", [])}
    return found + [f"secret {name} is nobody's" for name in file.get("secrets", {}) if name not in used]


def test_file_is_valid_and_has_no_loose_ends() -> None:
    """Every service, network, volume and secret that is named is there, and every secret is somebody's."""
    assert faults(compose()) == []


def _depends(file: dict[str, Any]) -> None:
    file["services"]["web"]["depends_on"]["wroker-1"] = {"condition": "service_started"}


def _secret(file: dict[str, Any]) -> None:
    file["services"]["web"]["secrets"].append("kafka-wbe")


def _key(file: dict[str, Any]) -> None:
    file["services"]["web"]["comand"] = ["hub"]


def _unused(file: dict[str, Any]) -> None:
    file["secrets"]["old"] = {"file": "./old"}


def _network(file: dict[str, Any]) -> None:
    file["services"]["web"]["networks"] = ["insde"]


def _volume(file: dict[str, Any]) -> None:
    file["services"]["web"]["volumes"].append({"type": "volume", "source": "dta", "target": "/data"})


@pytest.mark.parametrize("spoil", [_depends, _secret, _key, _unused, _network, _volume])
def test_each_mistake_is_found(spoil: Callable[[dict[str, Any]], None]) -> None:
    """A name that was misspelt is told, wherever it stands."""
    file = copy.deepcopy(compose())
    spoil(file)
    assert faults(file)


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_locked_down(name: str) -> None:
    """Nobody is root, nothing writes its own root, nothing gains rights, nothing takes all memory."""
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not str(service["user"]).startswith(("0", "root"))
    assert {"logging"} <= service.keys()
    assert ("mem_limit" in service and "pids_limit" in service) or name == "setup"
    assert not service.keys() & {"privileged", "cap_add", "devices", "pid", "ipc"}


@pytest.mark.parametrize("name", SERVICES)
def test_long_running_service_is_asked_how_it_is(name: str) -> None:
    """What goes on has a health check of its own, or none is of use: see its comment."""
    service = compose()["services"][name]
    if service["restart"] == "no" or name == "office":
        return
    assert service["healthcheck"]["test"][0] == "CMD"
    if is_ours(service):
        assert service["healthcheck"]["test"][1:4] == ["python", "-m", "hub.base.healthy"]


def test_no_secret_is_in_an_environment_or_a_command() -> None:
    """What is secret comes as a file of its owner's: an environment is told to whoever may inspect a container."""
    for name, service in compose()["services"].items():
        for key, value in service.get("environment", {}).items():
            assert "PASSWORD" not in key or str(value).startswith("/run/secrets/"), name
    assert "HUB_PASSWORD" not in FILE.read_text("utf-8")


def test_commands_of_ours_exist() -> None:
    """Each service's command is one that there is, with its options."""
    for name, service in compose()["services"].items():
        if not is_ours(service):
            continue
        assert fault(" ".join(words(service))) is None, name


def test_each_service_is_given_the_secrets_that_it_needs_and_no_other() -> None:
    """What faces the world has no login but its own."""
    given = {name: set(service.get("secrets", [])) for name, service in compose()["services"].items()}
    worker = {"kafka-worker", "kafka-admin", "postgres-hub"}
    assert {name: secrets for name, secrets in given.items() if is_ours(compose()["services"][name])} == {
        **{f"kafka-{n}": {f"kafka-{n}-node", f"kafka-{n}-server", "kafka-users"} for n in (1, 2, 3)},
        "worker-1": worker,
        "worker-2": worker,
        "web": {"kafka-web", "postgres-hub"},
        "migrate": {"postgres-hub"},
        "hub": worker | {"kafka-web"},
        "setup": set(),
        "office": set(),
    }


def test_what_a_service_is_told_of_is_mounted_there() -> None:
    """Each file that settings name inside of a container is a secret or a volume of a service that reads them all."""
    services = compose()["services"]
    for name, text in [("hub", hub_text(PLAN)), ("kafka-2", member_text(PLAN, 2))]:
        service = services[name]
        mounted = [f"/run/secrets/{secret}" for secret in service["secrets"]]
        mounted += [volume["target"] for volume in service["volumes"]]
        named = _paths(text)
        assert named
        assert [path for path in named if not any(path == at or path.startswith(at + "/") for at in mounted)] == []


def _paths(text: str) -> list[str]:
    return [line.split(": ")[1] for line in text.splitlines() if "_file: /" in line]


def test_secrets_are_those_that_a_site_has() -> None:
    """`hub site init` makes the file of each secret, and no file that nobody is given."""
    files = {secret["file"].removeprefix("./site/") for secret in compose()["secrets"].values()}
    made = {f"secrets/{name}" for name in PASSWORDS} | {"secrets/kafka-users"}
    made |= {shown.file for shown in certificates(PLAN)} - {"hub/keys/web.pem"}
    assert files == made
    assert {f"kafka-{user}" for user in USERS} <= PASSWORDS.keys()


def test_release_of_the_images_is_this_one() -> None:
    """Two releases on one host do not share a name."""
    release = [line for line in (ROOT / "pyproject.toml").read_text("utf-8").splitlines() if line.startswith("version")]
    tags = {str(s["image"]).partition(":")[2] for s in compose()["services"].values() if is_ours(s)}
    assert [f'version = "{tag}"' for tag in tags] == release


def test_files_of_the_repository_that_are_mounted_are_there() -> None:
    """Docker would make an empty folder, or refuse."""
    volumes = [volume for service in compose()["services"].values() for volume in service.get("volumes", [])]
    ours = [source for volume in volumes if (source := Path(volume["source"])).parts[0] == "deploy"]
    assert ours
    assert [source for source in ours if not (ROOT / source).exists()] == []


def test_prometheus_asks_services_that_there_are() -> None:
    """Each target is a service of ours, at the port of its metrics, in a network that both are in."""
    said = yaml.safe_load((ROOT / "deploy/compose/prometheus.yml").read_text("utf-8"))
    services = compose()["services"]
    targets = [target for job in said["scrape_configs"] for each in job["static_configs"] for target in each["targets"]]
    workers = {name for name, service in services.items() if words(service)[:2] == ["hub", "worker"]}
    assert {target.partition(":")[0] for target in targets} == workers
    assert {target.partition(":")[2] for target in targets} == {str(METRICS_PORT)}
    for name in workers:
        assert set(services[name]["networks"]) & set(services["prometheus"]["networks"])


def test_grafana_looks_where_things_are_mounted() -> None:
    """Its source is the service of that name, its dashboards lie in a folder that it is given."""
    folder = ROOT / "deploy/compose/grafana"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards/cohub.yml").read_text("utf-8"))["providers"]
    mounted = {volume["target"] for volume in compose()["services"]["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted
