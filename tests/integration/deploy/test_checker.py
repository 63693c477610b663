"""The checker is one file, the same wherever it is made, which needs Python alone and believes no copy of itself.

Its libraries are fetched by pip, as `make setup` does, once, and for the Python that runs the tests.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

from deploy.checker import make
from deploy.pyz import pack
from deploy.pyz.start import UNUSABLE, platform_name
from hub.base.release import release
from hub.evidence.checkers import Checkers
from hub.evidence.container import read_zip, write_zip
from hub.evidence.readme import readmes
from hub.evidence.report import Report
from hub.evidence.subject import Subject
from tests.support.evidence import ROOT as ROOT_KEY
from tests.support.evidence import remade
from tests.support.pyz import (
    ROOT,
    VERSION,
    link_folder,
    made_elsewhere,
    others_on_path,
    start,
    start_at_once,
    state,
    take,
)  # fmt: skip
from tests.support.pyz import unpacked as unpacked_of

GOLDEN: Final = ROOT / "tests/data/evidence/deal-v1.zip"
KEY: Final = ("--root", ROOT_KEY.verifier.to_text())

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def program() -> pack.Program:
    return make.CHECKER


@pytest.fixture(scope="module")
def example() -> tuple[object, ...]:
    return (GOLDEN, *KEY)


@pytest.fixture(scope="module")
def checker(file: Path) -> Path:
    return file


def unpacked(home: Path) -> Path:
    """Return the one folder that was unpacked."""
    return unpacked_of(home, make.CHECKER)


@pytest.mark.long
def test_made_of_a_copy_elsewhere_it_has_the_same_bytes(checker: Path, wheels: list[Path], tmp_path: Path) -> None:
    """No path, time, mode or order of the machine that makes it is in it."""
    again = tmp_path / "again.pyz"
    made_elsewhere(
        tmp_path / "elsewhere",
        ["hub", "connectors", "schemas", "deploy/checker", "deploy/pyz"],
        ["pyproject.toml"],
        "from deploy.checker.make import CHECKER\n"
        "wheels = [Path(name) for name in sys.argv[3:]]\n"
        f"Path(sys.argv[1]).write_bytes(pack(CHECKER, sys.argv[2], {{{VERSION!r}: wheels}}))",
        again, platform_name(), *reversed(wheels),
    )  # fmt: skip
    assert again.read_bytes() == checker.read_bytes()
    assert str(ROOT).encode() not in checker.read_bytes()


def test_it_checks_with_python_alone(checker: Path, tmp_path: Path) -> None:
    """With an empty home and environment: what is true is proved, what was damaged is not, and both are told."""
    good = start(checker, GOLDEN, *KEY, home=tmp_path)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith(f"{GOLDEN}: proved\n")
    data = bytearray(GOLDEN.read_bytes())
    data[60_000] ^= 1
    (tmp_path / "bad.zip").write_bytes(data)
    bad = start(checker, "bad.zip", *KEY, "--json", home=tmp_path)
    assert (bad.returncode, json.loads(bad.stdout)["status"], bad.stderr) == (1, "failed", "")
    wrong = start(checker, GOLDEN, home=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "cohub-check: expected HQ's root key: --root VKEY" in wrong.stderr
    page = start(checker, GOLDEN, *KEY, "--html", "page.html", home=tmp_path)
    assert page.returncode == 0
    assert f"cohub {release()}" in (tmp_path / "page.html").read_text("utf-8")
    named = start(checker, "--version", home=tmp_path)
    assert named.stdout == f"{checker.name}  SHA-256 {sha256(checker.read_bytes()).hexdigest()}\n"


@pytest.mark.long
def test_readme_that_gives_it_another_digest_is_found(checker: Path, home: Path) -> None:
    """It can't hold its own SHA-256, and knows it when it runs: a README that names another file's is told."""
    files, own = read_zip(GOLDEN.read_bytes(), Report()), sha256(checker.read_bytes()).hexdigest()
    for digest, status in ((own, 0), ("c" * 64, 1)):
        made = remade(files, Subject("deal", "uz:D-1"), readmes(Checkers({checker.name: digest})))
        (home / "bundle.zip").write_bytes(write_zip(made))
        done = start(checker, "bundle.zip", *KEY, home=home)
        assert done.returncode == status, done.stdout
        assert (f"{checker.name} has the SHA-256 {digest}: it has {own}" in done.stdout) == bool(status)


def test_nothing_else_on_the_machine_takes_part(checker: Path, home: Path) -> None:
    """Not what PYTHONPATH or the user's own packages would put before the checker's, or before Python's own."""
    others = others_on_path(home / "others", "pydantic", "typer", "hub", "json", "hashlib")
    (home / "others/sitecustomize.py").write_text("import sys; sys.modules['hub'] = None\n")
    done = start(checker, GOLDEN, *KEY, home=home, PYTHONPATH=others)
    assert done.returncode == 0, done.stderr


def test_second_start_writes_nothing(checker: Path, home: Path) -> None:
    """What was unpacked once is used, and no bytecode appears that nobody could compare.

    Its folder says when it was started last.
    """
    folder = str(unpacked(home).relative_to(home))
    before = state(home)
    assert start(checker, GOLDEN, *KEY, home=home).returncode == 0
    after = state(home)
    assert after.pop(folder) >= before.pop(folder)
    assert after == before


def change(folder: Path) -> Path:
    path = folder / "hub/evidence/check.py"
    path.write_bytes(path.read_bytes().replace(b"report.error", b"report.passed"))
    return path


def add(folder: Path) -> Path:
    path = folder / "hub/evidence/check.cpython.so"
    path.write_bytes(b"\x7fELF")
    return path


def link(folder: Path) -> Path:
    path = folder / "pydantic/main.py"
    path.rename(folder.parent.parent / "main.py")
    path.symlink_to(folder.parent.parent / "main.py")
    return path


def cache_bytecode(folder: Path) -> Path:
    path = folder / "hub/__pycache__" / f"__init__.{sys.implementation.cache_tag}.pyc"
    path.parent.mkdir()
    path.write_bytes(b"code")
    return path


@pytest.mark.parametrize("how", [change, add, take, link, link_folder, cache_bytecode])
def test_unpacked_copy_that_was_changed_is_told_and_not_run(
    checker: Path, home: Path, how: Callable[[Path], Path]
) -> None:
    """The file, and which folder to delete."""
    folder = unpacked(home)
    path = how(folder)
    done = start(checker, GOLDEN, *KEY, home=home)
    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert str(path) in done.stderr
    assert f"Delete the folder {folder}" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="Windows has other rights")
def test_unpacked_copy_that_others_may_write_to_is_not_run(checker: Path, home: Path) -> None:
    """They could change it after it was compared."""
    unpacked(home).chmod(0o777)
    done = start(checker, GOLDEN, *KEY, home=home)
    assert done.returncode == UNUSABLE
    assert "others may write to it" in done.stderr


@pytest.mark.long
def test_several_first_starts_at_once_leave_one_whole_copy(checker: Path, tmp_path: Path) -> None:
    """Each ends well, and nothing half made is left."""
    start_at_once(4, checker, GOLDEN, *KEY, home=tmp_path)
    assert unpacked(tmp_path).name.startswith(release())
    assert start(checker, GOLDEN, *KEY, home=tmp_path).returncode == 0


def test_without_a_home_it_is_unpacked_for_one_time_and_says_so(checker: Path, tmp_path: Path) -> None:
    """A read-only machine can check too, and keeps nothing."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").touch()
    done = start(checker, GOLDEN, *KEY, home=tmp_path / "file", TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0
    assert "unpacked for this time only" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


def places(data: bytes) -> list[int]:
    """Return places in each kind of content: the lines before the zip, our start, code, wheels, the directory."""
    marks = (b"fetch-it", b"\n# ", b"def is_whole", b"def _run(", b"def examine(", b'"pythons"', b"PK\x01\x02")
    return [4, *(data.rindex(mark) + 3 for mark in marks), len(data) // 2, len(data) - 3]


def test_damaged_file_says_so(checker: Path, home: Path, tmp_path: Path) -> None:
    """A flipped bit anywhere never gives the result of a check; a sentence says so wherever Python finds the start."""
    whole = checker.read_bytes()
    first = (ROOT / "deploy/pyz/first.py").read_bytes()
    ours = range(whole.index(first), whole.index(first) + len(first))
    directory = whole.index(b"PK\x01\x02", whole.rindex(b"__main__.py") - 46)
    for at in places(whole):
        data = bytearray(whole)
        data[at] ^= 1
        damaged = tmp_path / "damaged.pyz"
        damaged.write_bytes(data)
        done = start(damaged, GOLDEN, *KEY, home=home)
        assert done.returncode in (1, UNUSABLE), at
        assert done.stdout == "", at
        assert done.stderr, at
        if not ours.start <= at < ours.stop and at < directory:
            assert (done.returncode, "is damaged" in done.stderr) == (UNUSABLE, True), at


@pytest.mark.parametrize("left", [200, 0.5, 0.999_999])
def test_file_of_which_a_part_is_missing_says_so(checker: Path, home: Path, tmp_path: Path, left: float) -> None:
    """Python takes it for a script then, and says of it what its second line says."""
    whole = checker.read_bytes()
    part = tmp_path / "part.pyz"
    part.write_bytes(whole[: int(left if left > 1 else left * len(whole))])
    done = start(part, GOLDEN, *KEY, home=home)
    assert (done.returncode, done.stdout) == (1, "")
    assert "this-file-is-damaged-or-not-whole--fetch-it-again" in done.stderr


def test_file_for_another_kind_of_computer_says_so(wheels: list[Path], home: Path, tmp_path: Path) -> None:
    """Before it unpacks anything."""
    other = next(name for name in pack.PLATFORMS if name != platform_name())
    file = tmp_path / "other.pyz"
    file.write_bytes(pack.pack(make.CHECKER, other, {VERSION: wheels}))
    done = start(file, GOLDEN, *KEY, home=home)
    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert f"is for {other}, and this is {platform_name()}" in done.stderr


def test_file_without_this_python_says_which_it_wants(wheels: list[Path], home: Path, tmp_path: Path) -> None:
    """A newer Python than those it has libraries for is named."""
    file = tmp_path / "other.pyz"
    file.write_bytes(pack.pack(make.CHECKER, platform_name(), {"3.10": wheels}))
    done = start(file, GOLDEN, *KEY, home=home)
    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert f"expected Python 3.10, this is cpython {VERSION}" in done.stderr


IMPORTED = """
import sys
from hub.cli.checker import run
assert run(sys.argv[1:], {}) == 0
print(*sorted({name.partition(".")[0] for name, module in sys.modules.items()
               if "site-packages" in (getattr(module, "__file__", None) or "")}))
print(*(name for name in sys.modules if name.partition(".")[0] in ("hub", "schemas")))
"""


def test_it_carries_the_libraries_that_a_check_imports_and_no_other() -> None:
    """A library too few would be found by running it; one too many would be there for nothing."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, str(GOLDEN), *KEY], cwd=ROOT, capture_output=True, text=True, check=True
    )
    *_, libraries, ours = done.stdout.splitlines()
    known = packages_distributions()
    found = {name.lower().replace("_", "-") for top in libraries.split() for name in known.get(top, ())}
    assert found - {"setuptools", "pip", "coverage"} == set(make.LIBRARIES)
    code = pack.our_code(make.CHECKER.entry)
    carried = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in code}
    assert set(ours.split()) <= carried


def test_lock_pins_every_library_with_digests() -> None:
    """Pip refuses what has another digest; a library that the lock does not have is said."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    lines = pack.locked(lock, (*make.LIBRARIES, *make.WINDOWS_LIBRARIES)).splitlines()
    assert len(lines) == len(make.LIBRARIES) + len(make.WINDOWS_LIBRARIES)
    assert all("==" in line.split()[0] and ";" not in line and "--hash=sha256:" in line for line in lines)
    with pytest.raises(SystemExit, match="does not pin no-such-library"):
        pack.locked(lock, ["no-such-library"])


def test_record_keeps_what_the_same_code_gave_and_nothing_else(tmp_path: Path) -> None:
    """Checkers of several platforms are made one after the other; those of other code are not of this release."""
    file = tmp_path / "checkers.json"
    make.record(file, {"a.pyz": "1"})
    make.record(file, {"b.pyz": "2"})
    assert json.loads(file.read_bytes())["files"] == {"a.pyz": "1", "b.pyz": "2"}
    file.write_text(file.read_text("utf-8").replace(make.code_digest(), "0" * 64), "utf-8")
    make.record(file, {"c.pyz": "3"})
    assert json.loads(file.read_bytes())["files"] == {"c.pyz": "3"}


def test_recorded_checkers_are_of_this_code() -> None:
    """Where this release has a list, READMEs name what this source gives: `make checker` writes it anew."""
    file = ROOT / "hub/evidence/checkers.json"
    said = json.loads(file.read_bytes()) if file.exists() else {}
    assert said.get("release") != release() or said["code"] == make.code_digest()
