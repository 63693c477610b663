"""What is asked of the system holds, for this process and for what it starts; Kafka's JVM is one of these."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, json, resource, subprocess, sys
from hub.base.crash import leave_no_memory
leave_no_memory()
leave_no_memory()
child = "import resource; print(resource.getrlimit(resource.RLIMIT_CORE)[1])"
print(json.dumps({
    "limits": resource.getrlimit(resource.RLIMIT_CORE),
    "child": int(subprocess.run([sys.executable, "-c", child], capture_output=True).stdout),
    "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0),
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of one byte is Linux's")
def test_nothing_is_dumped_of_us_and_of_what_we_start() -> None:
    """The limit is one byte, which also holds where dumps go to a program; or less, where it was less before."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["dumpable"] == 0
    assert set(found["limits"]) <= {0, 1}
    assert found["child"] <= 1
