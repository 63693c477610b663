"""The broker's data directory: who owns it, which port it has, and whether an earlier broker still runs on it.

broker.lock        held by the process that runs the broker; the kernel frees it however that process dies
broker.pid         the broker's own process, so that one that outlived its owner is found
port               the port that clients were told; kept, so that their configuration stays true
server.properties  written at every start
log/               Kafka's log, formatted once
broker.log         what the broker printed; the other files are those of `principals` and `guard`
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sys
import uuid
from pathlib import Path
from typing import IO

import psutil

from hub.base import files
from hub.base.durable import remove_parts, write
from hub.broker.ports import checked
from hub.protocol.errors import Fatal, UsageError

ORPHAN_GRACE_S = 10.0
TAIL_BYTES = 8192
LOG_SIZE_MAX = 8 << 20
LOG_SIZE_RUNNING_MAX = 4 * LOG_SIZE_MAX


class DataDir:
    """Files of one embedded broker under one folder, and the lock on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.properties = self.folder / "server.properties"
        self.log = self.folder / "log"
        self.output = self.folder / "broker.log"
        self._pid = self.folder / "broker.pid"
        self._port = self.folder / "port"
        self._lock: IO[str] | None = None

    def acquire(self) -> None:
        """Make the folder ours until `release`. Errors: UsageError if a living process has it."""
        try:
            files.make_folder(self.folder, files.PRIVATE_FOLDER)
            lock = os.fdopen(files.updating(self.folder / "broker.lock"), "r+", encoding="utf-8")
        except OSError as exc:
            raise UsageError(f"the broker can't use the data directory {self.folder}: {exc.strerror}") from exc
        try:
            _lock_file(lock)
        except OSError as exc:
            lock.close()
            raise UsageError(
                f"another process already runs the broker of {self.folder}; stop it, or give another data directory"
            ) from exc
        self._lock = lock
        files.make_tree_private(self.folder)  # a release before this one left it open to others
        remove_parts(self.folder)

    def release(self) -> None:
        """Give the folder up; does nothing if it isn't ours."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def cluster_id(self) -> str | None:
        """Return the id that the log was formatted with, or None before that."""
        try:
            text = files.read_text(self.log / "meta.properties")
        except FileNotFoundError:
            if self.log.exists():
                raise Fatal(
                    f"{self.log} exists but has no meta.properties: this is no whole Kafka log; restore it, "
                    "or move it away and start with an empty one"
                ) from None
            return None
        for line in text.splitlines():
            key, _, value = line.partition("=")
            if key.strip() == "cluster.id":
                return value.strip()
        raise Fatal(f"{self.log / 'meta.properties'} names no cluster.id; restore it from a backup")

    def kept_port(self) -> int | None:
        """Return the port of the earlier starts, or None before the first."""
        try:
            return checked(int(files.read_text(self._port)))
        except FileNotFoundError:
            return None
        except ValueError as exc:
            raise UsageError(f"{self._port} holds no port number; delete it, or give a port") from exc

    def keep_port(self, port: int) -> None:
        """Remember the port for the next start."""
        write(self._port, f"{port}\n".encode(), mode=files.PRIVATE)

    def keep_process(self, pid: int) -> None:
        """Remember the broker's process. If we crash before this, the launcher's tie to us still ends the broker."""
        with contextlib.suppress(psutil.NoSuchProcess):
            write(
                self._pid,
                json.dumps({"pid": pid, "created": psutil.Process(pid).create_time()}).encode(),
                mode=files.PRIVATE,
            )

    def forget_process(self) -> None:
        """The broker is gone."""
        files.remove(self._pid)

    def end_orphan(self) -> int | None:
        """End a broker that outlived its owner and return its pid, or None if there is none.

        We hold the lock, so nobody supervises that process; it is ended, not adopted, because the exit status and the
        output of a process that isn't our child can't be watched.
        """
        orphan = self._orphan()
        if orphan is None:
            return None
        with contextlib.suppress(psutil.NoSuchProcess):
            orphan.terminate()
            try:
                orphan.wait(ORPHAN_GRACE_S)
            except psutil.TimeoutExpired:
                orphan.kill()
                orphan.wait(ORPHAN_GRACE_S)
        self.forget_process()
        return int(orphan.pid)

    def _orphan(self) -> psutil.Process | None:
        try:
            kept = json.loads(files.read_text(self._pid))
            process = psutil.Process(int(kept["pid"]))
            # A pid is used again some day: the same pid, time of birth and command line are the same process.
            same = abs(process.create_time() - float(kept["created"])) < 1.0
            return process if same and str(self.properties) in process.cmdline() else None
        except (OSError, ValueError, KeyError, TypeError, psutil.Error):
            return None

    def open_output(self) -> IO[bytes]:
        """Open broker.log for a new start, keeping one older file when it has grown large."""
        with contextlib.suppress(FileNotFoundError):
            if files.look(self.output).st_size > LOG_SIZE_MAX:
                files.rename(self.output, "broker.log.1")
        return files.appending(self.output)

    def trim_output(self) -> None:
        """Begin broker.log anew where it has grown too large while the broker runs: what strangers do is logged, too.

        The broker goes on at the end of the file, wherever that is; what it says in this very moment may be lost.
        """
        with contextlib.suppress(FileNotFoundError):
            if files.look(self.output).st_size <= LOG_SIZE_RUNNING_MAX:
                return
            with os.fdopen(files.updating(self.output, make=False), "r+b") as file:
                file.seek(-LOG_SIZE_MAX, os.SEEK_END)
                write(self.output.with_name("broker.log.1"), file.read(LOG_SIZE_MAX), mode=files.PRIVATE)
                file.truncate(0)

    def last_lines(self, count: int = 12, since: int = 0) -> str:
        """Return the last lines of broker.log, at most `count`, from the byte offset `since` on."""
        try:
            with files.opened(self.output) as file:
                file.seek(max(since, file.seek(0, os.SEEK_END) - TAIL_BYTES))
                return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-count:])
        except FileNotFoundError:
            return ""


def new_cluster_id() -> str:
    """Return a fresh cluster id: 22 characters that do not begin with '-', which Kafka's tools refuse."""
    while True:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not name.startswith("-"):
            return name


if sys.platform == "win32":
    import msvcrt

    def _lock_file(file: IO[str]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock_file(file: IO[str]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
