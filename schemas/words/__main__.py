"""`python -m schemas.words`: tell what the catalogue of words lacks. Exit status 1 if it lacks anything."""

from __future__ import annotations

import sys

from schemas.words.check import faults

if __name__ == "__main__":
    found = faults()
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    sys.exit(bool(found))
