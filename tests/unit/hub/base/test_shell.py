"""What is printed to be pasted goes through a shell as it stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hub.base.shell import command, quote

NAMES = ["offers.xlsx", "offers 2.xlsx", "it's.csv", 'a "b".csv', "$HOME.csv", "a`b`.csv", "a\\b.csv", "Таблица 1.xlsx",
         "报表.xlsx", "a;b&c.csv", "*.csv", "~x.csv", "a!b.csv", "%PATH%.csv", "(1).csv", ""]  # fmt: skip


def test_plain_names_stay_plain_and_others_are_in_double_quotes() -> None:
    """Which every shell here understands, Windows' too."""
    assert command("connector", "approve", "offers.xlsx", "--office", Path("office")) == (
        "connector approve offers.xlsx --office office"
    )
    assert quote("Таблица 1.xlsx") == '"Таблица 1.xlsx"'


@pytest.mark.skipif(sys.platform == "win32", reason="it has no sh")
@pytest.mark.parametrize("name", NAMES)
def test_shell_reads_the_name_that_was_quoted(name: str) -> None:
    """Whatever a file is called."""
    done = subprocess.run(["sh", "-c", f"printf %s {quote(name)}"], capture_output=True, check=True)
    assert done.stdout.decode() == name
