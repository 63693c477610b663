"""docker-compose.yml says commands that work: those of its comment and each service's are run as plain processes."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.cli.main import run_command
from tests.support.terminal import here

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent


def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands_once() -> list[tuple[str, list[str]]]:
    """Return service and words of each command that the comment says to run before `docker compose up`."""
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    comment = re.sub(r"^# ?", "", text[: text.index("services:")], flags=re.MULTILINE).replace("\\\n", " ")
    found = re.findall(r"^ *docker compose run --rm --no-deps (\w+) (.*)$", comment, re.MULTILINE)
    return [(service, shlex.split(command)) for service, command in found]


def test_every_volume_and_path_of_a_command_is_mounted() -> None:
    """What a command reads under /data is in a volume of its service."""
    for name, service in compose()["services"].items():
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        said = [service["command"], *(command for of, command in commands_once() if of == name)]
        used = {place for command in said for place in re.findall(r"/data/\w+", " ".join(command))}
        assert used <= mounted, name


def test_services_run_as_plain_processes_and_stop_on_sigterm(tmp_path: Path) -> None:
    """By compose's own commands a sheet's rows are accepted, and SIGTERM ends each service with 0."""
    port = str(free_port())
    hub_data, office = str(tmp_path / "hub"), str(tmp_path / "office")

    def placed(command: list[str]) -> list[str]:
        replaced = [
            part.replace("9092", port).replace("/data/hub", hub_data).replace("/data/office", office)
            for part in command
        ]
        return replaced if replaced[0] == "sh" else [str(BIN / replaced[0]), *replaced[1:]]

    Path(office).mkdir()  # a volume that Docker made
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    once = commands_once()
    assert len(once) == 4
    for _, command in once:
        done = subprocess.run(placed(command), capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
    (Path(office) / "sample" / "offers.xlsx").rename(Path(office) / "offers.xlsx")
    settings = Path(office) / "connector.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("settle_s: 60", "settle_s: 0"), encoding="utf-8")

    services = compose()["services"]
    running: list[subprocess.Popen[bytes]] = []
    try:
        for name in ("kafka", "worker", "connector"):
            with (tmp_path / f"{name}.log").open("wb") as log:
                running.append(subprocess.Popen(placed(services[name]["command"]), stdout=log, stderr=log))
        deadline = time.monotonic() + 90
        counts: dict[str, Any] = {}
        while counts.get("accepted") != 2:
            logs = "\n".join(p.read_text(encoding="utf-8")[-2000:] for p in tmp_path.glob("*.log"))
            assert time.monotonic() < deadline, logs
            assert all(p.poll() is None for p in running), logs
            if (Path(office) / "outbox.sqlite3").exists():
                said = here(run_command, ["status", "--json", "--office", office])
                assert said.stdout, said.stderr
                counts = json.loads(said.stdout)["totals"]
            time.sleep(0.3)
        for process in reversed(running):
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0, process.args
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
