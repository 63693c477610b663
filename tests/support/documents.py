"""The commands that README.md and docs/ show, taken out of the text and run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BIN: Final = Path(sys.executable).parent
DEADLINE_S: Final = 60.0
PROGRAMS: Final = ("mkdir", "hub", "connector", "make", "cp", "source", "export", "docker", "sha256sum")
SHELL: Final = ("", "sh")  # what a block of commands may be called
_SETTING: Final = re.compile(r"[A-Z][A-Z_]*=")  # `NAME=value`, alone or before a command
_FENCE: Final = re.compile(r"^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED: Final = re.compile(r"(?:^    .*\n)+", re.MULTILINE)


def blocks(document: str) -> list[list[str]]:
    """Return the commands of each block of a document that has any; `document` is a path in the repository.

    Shapes: a command goes on behind a backslash, and keeps its comment. What a block shows behind `$ ` is a command,
    and the lines between two of those are what it printed: `printed` has them.
    """
    return [found for text in _blocks(document) if (found := list(_commands(text)))]


def printed(document: str, command: str) -> str:
    """Return what a document says that `$ command` prints."""
    (found,) = [text for text in _blocks(document) if text.startswith(f"$ {command}\n")]
    return found.partition("\n")[2].strip("\n")


def _blocks(document: str) -> Iterator[str]:
    text = (ROOT / document).read_text("utf-8")
    for match in _FENCE.finditer(text):
        if match["kind"] in SHELL:
            yield match["text"]
    for match in _INDENTED.finditer(_FENCE.sub("", text) + "\n"):
        yield "\n".join(line[4:] for line in match[0].splitlines())


def _commands(text: str) -> Iterator[str]:
    prompted = any(line.startswith("$ ") for line in text.splitlines())
    for line in text.replace("\\\n", " ").splitlines():
        command = line.removeprefix("$ ").strip()
        if prompted and not line.startswith("$ "):
            continue
        if command.split(" ")[0] in PROGRAMS or _SETTING.match(command):
            yield command


class Terminal:
    """A person at a shell: a folder, an environment, what was exported and set so far."""

    def __init__(self, folder: Path, environment: Mapping[str, str], stand_ins: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.stand_ins = dict(stand_ins)
        self.ran: dict[str, str] = {}  # what each command of a document printed
        inherited = {n: v for n, v in os.environ.items() if not n.startswith(("HUB_", "COHUB_"))}
        self._environment = inherited | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"} | dict(environment)
        self._said: list[str] = []
        self._running: list[subprocess.Popen[bytes]] = []

    def run(self, command: str, typed: str = "", status: int = 0, deadline_s: float = DEADLINE_S) -> str:
        """Run a command to its end; return what it printed, or why it refused where that is to be expected.

        Errors: AssertionError for another status than `status`.
        """
        if command.startswith("export ") or re.fullmatch(r"[A-Z_]+=(\$\(.*\)|\S+)(\s+#.*)?", command):
            self._said.append(self._here(command))
        done = subprocess.run(
            ["bash", "-euc", self._script(command)],
            cwd=self.folder,
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=deadline_s,
            check=False,
        )
        assert done.returncode == status, f"{command}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr if status else done.stdout

    def start(self, command: str) -> Path:
        """Start a command that ends by a signal alone; return the file that it prints into."""
        log = self.folder / f"{len(self._running)}.log"
        with log.open("wb") as output:
            script = self._script(
                f"exec env {command}"
            )  # the shell gives way to the command, so that it has the signal
            running = subprocess.Popen(
                ["bash", "-euc", script], cwd=self.folder, env=self._environment, stdout=output, stderr=output
            )
        self._running.append(running)
        return log

    def end(self) -> list[int]:
        """End what was started, the last one first; return the statuses."""
        statuses = []
        for process in reversed(self._running):
            process.terminate()
            try:
                statuses.append(process.wait(DEADLINE_S))
            finally:
                process.kill()
                process.wait()
        self._running.clear()
        return statuses

    def _script(self, command: str) -> str:
        return "\n".join([*self._said, self._here(command)])

    def _here(self, command: str) -> str:
        for shown, here in self.stand_ins.items():
            command = command.replace(shown, here)
        return command
