"""Make the demo network's sheets from a folder of public data: `python deploy/demo/make.py DATA_FOLDER`.

What it writes is committed, and the same data give the same bytes. Mappings and settings are written by hand.
"""

# ruff: noqa: INP001  a script, run from its folder
from __future__ import annotations

import json
import sys
from pathlib import Path

from recipe import almaty, dushanbe, karachi, minsk, tashkent
from recipe.deals import make_confirmations, make_deals
from recipe.network import Network
from recipe.sources import read_sources

HERE = Path(__file__).resolve().parent
RECIPES = {"uz": tashkent, "kz": almaty, "tj": dushanbe, "pk": karachi, "by": minsk}


def main(arguments: list[str]) -> int:
    """Write every center's files and `expected.json`; return the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python deploy/demo/make.py DATA_FOLDER (see deploy/demo/README.md)\n")
        return 2
    deals = make_deals()
    network = Network(read_sources(Path(arguments[0])), deals, make_confirmations(deals))
    expected = {
        center: {sheet.path: sheet.expected() for sheet in recipe.make(network, HERE / "centers" / center)}
        for center, recipe in RECIPES.items()
    }
    (HERE / "expected.json").write_text(json.dumps(expected, indent=2, ensure_ascii=False) + "\n", "utf-8")
    rows = sum(sheet["rows"] for sheets in expected.values() for sheet in sheets.values())
    sys.stdout.write(f"{rows} rows in {sum(map(len, expected.values()))} files\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
