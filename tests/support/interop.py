"""The Go program of tests/interop/go: other people's packages read what we wrote. Built once a run, where Go is there.

@needs_go
def test_exported_log_...(tmp_path):
    said = verify_log(tmp_path, [log.verifier.to_text(), log_long.verifier.to_text()])
    assert (said["error"], said["size"]) == ("", 17)
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

GO = shutil.which("go")
# What a bare machine builds first is every package that a program needs, Go's own library too: without optimising and
# without debug information that takes two thirds of the time. All our builds say the same, and share what they built.
GO_BUILD = ("go", "build", "-gcflags=all=-N -l", "-ldflags=-s -w")
# go.mod and go.sum pin what is fetched; nothing may change them here.
GO_ENVIRONMENT = {"GOFLAGS": "-mod=readonly -buildvcs=false", "GOWORK": "off", "CGO_ENABLED": "0"}
PROGRAM = Path(__file__).parent.parent / "interop" / "go"
needs_go = pytest.mark.skipif(GO is None, reason="go is not installed")


@cache
def go_program(package: str = ".") -> Path:
    """Return the path of a program of tests/interop/go, built.

    Skips the test where this Go is too old, or its packages cannot be fetched by hand.
    """
    directory = Path(tempfile.mkdtemp(prefix="cohub-interop-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    environment = {**os.environ, **GO_ENVIRONMENT}
    command = [*GO_BUILD, "-o", str(directory / "interop"), package]
    done = subprocess.run(
        command, cwd=PROGRAM, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode and "requires go >=" in done.stderr:
        pytest.skip(done.stderr.strip()[-200:])
    if done.returncode and "dial tcp" in done.stderr and not os.environ.get("CI"):
        pytest.skip("the Go packages are not here and cannot be fetched")
    assert done.returncode == 0, done.stderr
    return directory / "interop"


def ask_go(request: dict[str, Any]) -> dict[str, Any]:
    """Return what the program says of cases, one answer each (tests/interop/go/main.go has their shapes)."""
    done = subprocess.run(
        [go_program()], input=json.dumps(request).encode(), stdout=subprocess.PIPE, check=True, timeout=120
    )
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def verify_log(directory: Path, vkeys: Sequence[str]) -> dict[str, Any]:
    """Return what Go says of a log that is served from `directory` (C2SP tlog-tiles); `error` is empty if it is good.

    Every key has to have signed the checkpoint; every tile is proved against its root, every entry against its tile.
    """
    done = subprocess.run([go_program(), "log", directory, *vkeys], stdout=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode in (0, 1)
    said: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode == 0) == (said["error"] == "")
    return said
