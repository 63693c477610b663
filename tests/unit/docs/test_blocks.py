"""Blocks of commands can be pasted into bash and zsh as they stand, and are not read as anything else there."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.documents import ROOT, blocks

PAGES: Final = ("README.md", "CONTRIBUTING.md", "deploy/demo/README.md", *sorted(
    f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")
))  # fmt: skip
QUOTED: Final = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\$\((?:[^()'\"]|'[^']*'|\"[^\"]*\")*\)")


def faults(block: list[str]) -> list[str]:
    """Return what an interactive zsh or bash would take otherwise than it is meant."""
    found = []
    known = {"HOME", "PWD", "PATH"}
    for command in block:
        used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", re.sub(r"'[^']*'", "", command)))
        if used - known:
            found.append(f"{command}: {', '.join(sorted(used - known))} is not set by this block")
        known |= set(re.findall(r"(?:^|\s)([A-Z_]+)=", command))
        bare = QUOTED.sub("x", command)
        if re.search(r"(^|\s)#", bare):
            found.append(f"{command}: zsh has no comments on its command line")
        if re.search(r"[?*\[\]~^!]", bare):
            found.append(f"{command}: zsh looks for files of that name")
        if re.search(r"[‘’“”…\u00a0]", bare):
            found.append(f"{command}: is not what a shell takes for a quote, a blank or a word")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_pasted_as_they_stand(page: str) -> None:
    """No comments, no patterns, nothing that was set somewhere else."""
    assert [fault for block in blocks(page) for fault in faults(block)] == []


@pytest.mark.parametrize(
    "wrong",
    [
        ["hub status   # how it is"], ["# a comment"], ["hub show offer --center ?"], ["ls *.zip"], ["cat a[1].note"],
        ['hub audit check deal.zip --root "$ROOT_KEY"'], ["hub center add uz --name “Ташкент”"], ["echo !!"],
    ],
)  # fmt: skip
def test_what_a_shell_takes_otherwise_is_found(wrong: list[str]) -> None:
    """The check sees each of these."""
    assert faults(wrong)
    assert not faults(["KEY=$(hub trust | sed -n 's/^root //p')", 'hub audit check deal.zip --root "$KEY"'])


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_blocks_are_what_the_shell_can_read(shell: str, tmp_path: Path) -> None:
    """Each is read to its end by the shell itself, which runs nothing of it."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell.upper()} IS NOT INSTALLED HERE: what it makes of the documents' blocks was not tried")
    for page in PAGES:
        for block in blocks(page):
            script = tmp_path / "block"
            script.write_text("\n".join(block) + "\n", "utf-8")
            done = subprocess.run([path, "-n", str(script)], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), (page, block)
