"""docker-compose.yml as plain processes: what each service is given is put in its place on this machine.

A container's paths become folders of the test's own, its names and ports those of loopback; the services' own commands
and health checks are run as they stand there. What an image of other people's has to do (PostgreSQL, Prometheus) is
not run here.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from tests.support.ports import free_port

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
FILE: Final = ROOT / "docker-compose.yml"
DEADLINE_S: Final = 120.0  # for whatever other tests keep this machine busy
_ADDRESS: Final = re.compile(r"(?:kafka-\d|127\.0\.0\.1|0\.0\.0\.0|postgres):\d{4,5}")


def compose() -> dict[str, Any]:
    """Return the file as Compose reads it: merged, with the defaults of its variables."""
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", FILE.read_text("utf-8"))
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def is_ours(service: Mapping[str, Any]) -> bool:
    """Return whether a service runs our image."""
    return str(service["image"]).startswith("cohub")


def words(service: Mapping[str, Any], *more: str) -> list[str]:
    """Return what a container runs: its entry point, then its command or what was given in its place."""
    return [*service.get("entrypoint", []), *(more or service.get("command", []))]


@cache
def can_mount() -> bool:
    """Return whether a process of ours may have a view of the files of its own."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return False
    tried = ["unshare", "--mount", "sh", "-c", "mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp"]
    return subprocess.run(tried, capture_output=True, check=False).returncode == 0


class Composed:
    """The services of the file in a folder: each has a place there for what Docker would mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.site = folder / "site"
        self.services: dict[str, Any] = compose()["services"]
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._ports: dict[str, str] = {}
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("HUB_", "COHUB_CONNECTOR"))}
        self.environment = inherited | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}

    def here(self, service: str, text: str) -> str:
        """Return a text with the container's paths and addresses as they are on this machine."""
        places = self.places(service)
        longest_first = "|".join(map(re.escape, sorted(places, key=len, reverse=True)))
        text = re.sub(rf"(?<![\w/])(?:{longest_first})(?![\w-])", lambda found: str(places[found[0]]), text)
        return _ADDRESS.sub(lambda found: self._address(service, found[0]), text)

    def places(self, service: str) -> dict[str, Path]:
        """Return where each path of a container lies: files that name others are copies, made by `prepare`."""
        own = self.folder / "containers" / service
        found = {"/data": own / "data"} | {
            f"/run/secrets/{name}": self.site / "secrets" / name for name in self.services[service].get("secrets", [])
        }
        for volume in self.services[service].get("volumes", []):
            source = self.folder / volume["source"]
            if Path(volume["source"]).suffix == ".yaml":
                found[volume["target"]] = own / volume["target"].lstrip("/")
            else:
                found[volume["target"]] = source
        return found

    def _address(self, service: str, address: str) -> str:
        _host, _, port = address.partition(":")
        # What a container listens on for itself alone is its own; what another one calls it by is everybody's.
        name = f"{service}:{port}" if port == "9464" else f"web:{port}" if port == "8443" else address
        return self._ports.setdefault(name, f"127.0.0.1:{free_port()}")

    def prepare(self, database: str) -> None:
        """Put the settings of every service in their places, as they are to be on this machine.

        Shapes: `database` is the address of the one that stands for `postgres`, which knows no TLS.
        """
        settings = self.site / "hub/hub.yaml"
        said = yaml.safe_load(settings.read_text("utf-8"))
        assert said["database"].keys() == {"url", "password_file", "ca_file"}
        said["database"] = {"url": "its address"}
        shown = yaml.safe_dump(said)
        for name in self._ours():
            for inside, outside in self.places(name).items():
                if inside.endswith("member.yaml"):
                    self._put_member(name, outside)
                elif inside == "/data/hub/keys":
                    target = self.folder / "containers" / name / "data/hub/keys"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.symlink_to(outside)
                elif inside in ("/data/hub/hub.yaml", "/data/hub"):
                    target = outside / "hub.yaml" if outside.is_dir() else outside
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(self.here(name, shown).replace("its address", database), "utf-8")

    def _put_member(self, name: str, target: Path) -> None:
        said = yaml.safe_load(self.here(name, (self.site / name / "member.yaml").read_text("utf-8")))
        own = next(each for each in said["members"] if each["number"] == said["number"])
        said |= {"listen": "127.0.0.1", "offices_port": int(own["offices"].rpartition(":")[2])}
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(yaml.safe_dump(said), "utf-8")

    def _ours(self) -> list[str]:
        return [name for name, service in self.services.items() if is_ours(service)]

    def run(self, service: str, *more: str) -> subprocess.CompletedProcess[str]:
        """Run a service to its end, as `docker compose run --rm SERVICE …` does."""
        return subprocess.run(
            self._words(service, *more),
            cwd=self._folder(service),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )

    def start(self, service: str, *more: str) -> None:
        """Start a service, which goes on, with what is given in place of its command."""
        with self.log(service).open("ab") as log:
            self.running[service] = subprocess.Popen(
                self._words(service, *more), cwd=self._folder(service), env=self.environment, stdout=log, stderr=log
            )

    def _words(self, service: str, *more: str) -> list[str]:
        """Return what is run; where this machine lets us, what is mounted to be read can't be written then."""
        said = [self.here(service, word) for word in words(self.services[service], *more)]
        volumes = self.services[service].get("volumes", [])
        kept = [str(self.folder / volume["source"]) for volume in volumes if volume.get("read_only")]
        if not kept or not can_mount():
            return said
        mounts = " && ".join(
            f"mount --bind {path} {path} && mount -o remount,ro,bind {path}" for path in map(shlex.quote, kept)
        )
        return ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$0" "$@"', *said]

    def _folder(self, service: str) -> Path:
        """Return where a service runs; what Docker would make there is there."""
        (self.folder / "containers" / service / "data").mkdir(parents=True, exist_ok=True)
        return Path(self.here(service, self.services[service].get("working_dir", str(self.folder))))

    def log(self, service: str) -> Path:
        """Return the file that a service prints into."""
        return self.folder / f"{service}.log"

    def is_healthy(self, service: str) -> bool:
        """Return what the service's own health check says."""
        kind, *command = self.services[service]["healthcheck"]["test"]
        assert kind == "CMD"
        asked = [self.here(service, word) for word in command]
        return subprocess.run(asked, env=self.environment, capture_output=True, check=False).returncode == 0

    def until_healthy(self, services: Sequence[str]) -> None:
        """Return once all of these are. Errors: AssertionError with a service's last lines."""
        ends = time.monotonic() + DEADLINE_S
        waiting = list(services)
        while waiting:
            for name in waiting:
                ended = self.running[name].poll()
                assert ended is None, f"{name} ended with {ended}: {self.log(name).read_text('utf-8')[-2000:]}"
                assert time.monotonic() < ends, f"{name}: {self.log(name).read_text('utf-8')[-2000:]}"
            waiting = [name for name in waiting if not self.is_healthy(name)]
            time.sleep(0.3)

    def stop(self, service: str, number: int = signal.SIGTERM) -> int:
        """Send a service a signal; return its status."""
        process = self.running.pop(service)
        process.send_signal(number)
        try:
            return process.wait(60)
        finally:
            process.kill()
            process.wait()

    def end(self) -> None:
        """End what runs, and leave nothing."""
        for service in list(self.running):
            self.stop(service)
        shutil.rmtree(self.folder / "containers", ignore_errors=True)
