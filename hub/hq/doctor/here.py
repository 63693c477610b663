"""What of a hub lies on this machine: its directory, settings, keys, disk and worker."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from hub.base import files
from hub.hq.doctor.examined import Check, Examined, examined
from hub.hq.folder import HubFolder
from hub.hq.identity import KEY_KINDS, TRUST_FILE, private_keys
from hub.hq.pulse import worker_standing
from hub.hq.settings import FILE, InForce, read_settings
from hub.protocol.errors import Malformed, NotFound, UsageError
from hub.protocol.trust import open_trust

OTHERS: Final = 0o077
LOW_BYTES: Final = 2 << 30
LOW_PART: Final = 10  # a tenth of the disk
FULL_BYTES: Final = 200 << 20
NAME: Final = "hub.name"


def examine_directory(where: HubFolder) -> Examined:
    """Look whether the data directory is a hub's, and its owner's alone."""
    kind = files.kind_at(where.data_dir)
    if kind is None or (kind == "folder" and files.kind_at(where.keys / NAME) is None):
        return examined(Check.DATA_DIRECTORY, "missing", path=where.data_dir)
    if kind != "folder":
        return examined(Check.DATA_DIRECTORY, "unfit", path=where.data_dir, reason=f"it is a {kind}")
    private = (where.data_dir, where.keys, where.broker, where.database, where.worker_file, where.worker_log)
    try:
        exposed = [str(path) for path in private if is_exposed(path)]
    except OSError as exc:
        return examined(Check.DATA_DIRECTORY, "unfit", path=where.data_dir, reason=exc.strerror or type(exc).__name__)
    if exposed:
        return examined(Check.DATA_DIRECTORY, "exposed", paths=", ".join(exposed))
    return examined(Check.DATA_DIRECTORY, "whole", path=where.data_dir)


def is_exposed(path: Path) -> bool:
    """Return whether others may do something with a file or a folder of ours. Errors: OSError."""
    if sys.platform == "win32":
        return False
    try:
        facts = os.lstat(path)
    except FileNotFoundError:
        return False
    return bool(stat.S_IMODE(facts.st_mode) & OTHERS) and not stat.S_ISLNK(facts.st_mode)


def examine_settings(where: HubFolder, environment: Mapping[str, str]) -> tuple[Examined, InForce | None]:
    """Look whether hub.yaml can be read, and nobody else reads a password in it; return it, too."""
    path = where.data_dir / FILE
    try:
        found = read_settings(where.data_dir, environment)
    except UsageError as exc:
        return examined(Check.SETTINGS, "wrong", reason=str(exc)), None
    if any(name.endswith("password") and origin == FILE for name, origin in found.origins.items()) and is_exposed(path):
        return examined(Check.SETTINGS, "exposed", path=path), found
    return examined(Check.SETTINGS, "read", path=path if path.exists() else "-"), found


def examine_keys(where: HubFolder) -> Examined:
    """Look whether each key that the trust note has in use is here, whole, and its owner's alone."""
    try:
        trust = open_trust(files.read(where.keys / TRUST_FILE))
        there = private_keys(where.keys)
    except (OSError, UsageError, NotFound, Malformed, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        return examined(Check.KEYS, "unfit", path=where.keys, reason=reason)
    for purpose, algorithm, _ in KEY_KINDS.values():
        wanted = trust.in_use(purpose, algorithm)
        if wanted is not None and wanted not in there:
            reason = f"the private half of {wanted.to_text()[:120]} is not here"
            return examined(Check.KEYS, "unfit", path=where.keys, reason=reason)
    return examined(Check.KEYS, "there", hub=trust.hub, count=len(there))


def examine_disk(where: HubFolder) -> Iterator[Examined]:
    """Look how much room the disk has; nothing where there is no directory yet."""
    try:
        usage = shutil.disk_usage(where.data_dir)
    except OSError:
        return
    free = f"{usage.free / (1 << 30):.1f}"
    if usage.free < FULL_BYTES:
        yield examined(Check.DISK, "full", free=free)
    elif usage.free < min(LOW_BYTES, usage.total // LOW_PART):
        yield examined(Check.DISK, "low", free=free)
    else:
        yield examined(Check.DISK, "free", free=free)


def examine_worker(where: HubFolder, now: datetime) -> Examined:
    """Look whether the worker lives."""
    found = worker_standing(where.worker_file, now)
    seen = "-" if found.seen_at is None else f"{found.seen_at:%Y-%m-%d %H:%M:%S} UTC"
    case = {"running": "runs", "silent": "silent", "stopped": "stopped", "unknown": "never"}[found.state]
    return examined(Check.WORKER, case, seen=seen, pid=found.pid or 0, log=where.worker_log)
