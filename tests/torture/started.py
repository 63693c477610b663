"""Starts a program of ours as it is, but for a clock that can be set wrong, or for one seeded defect.

`python -m tests.torture.started MODULE ARGUMENT...`, with the variables of `clock` and `defects`.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

from tests.torture import clock, defects


def main() -> None:
    """Put in what the environment says, and run the module."""
    module, *arguments = sys.argv[1:]
    sys.argv = [module, *arguments]
    if (folder := os.environ.get(clock.VARIABLE)) and module.startswith("hub."):
        program = Path(arguments[arguments.index("--data-dir") + 1]).name
        clock.put(clock.clock_file(Path(folder), program))
    if name := os.environ.get(defects.VARIABLE):
        defects.put(name, module)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
