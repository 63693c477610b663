"""`python -m tests.fuzz.inside TARGET OPTIONS…`: libFuzzer in this process, with its own options."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["hub", "connectors", "schemas"]):
    from tests.fuzz.targets import TARGETS

if __name__ == "__main__":
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
    atheris.Fuzz()
