"""`python -m schemas [TAG]`: write the generated state schemas and list every new file in `released.json` under TAG.

For a release of the hub. What is listed already is never touched; `hub schema check` and CI refuse an edited release.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path

import schemas
from hub.domain.catalogue import KINDS
from hub.domain.state import state_path, state_schema
from hub.protocol.schema import Released, dump_released, parse_released, parse_schema

HERE = Path(__file__).parent


def main(tag: str) -> None:
    """Write the state schemas, then add what is not in `released.json` yet."""
    for kind in KINDS.values():
        if kind.carries_record:
            target = HERE / state_path(kind)
            target.parent.mkdir(exist_ok=True)
            target.write_bytes(state_schema(kind, schemas.read(kind.schema_path)))
    listing = HERE / "released.json"
    entries = {e.path: e for e in parse_released(listing.read_bytes() if listing.exists() else b"[]")}
    for path, exact in schemas.every().items():
        if path not in entries:
            schema = parse_schema(exact)
            entries[path] = Released(path, schema.id, schema.sha256, tag)
            sys.stdout.write(f"{schema.id:>10}  {path}\n")
    listing.write_bytes(dump_released(tuple(entries.values())))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else version("cohub"))
