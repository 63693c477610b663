"""A service is installed, brought up to date and taken away again, on each system, and as often as one likes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from connectors.runtime.service import Keeper, install, look, office_key, service_of, uninstall
from connectors.runtime.service_text import Service, System
from connectors.runtime.settings import make_settings
from connectors.runtime.told import OfficeError
from tests.support.services import imitate, path_with, words_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the imitated programs are shell scripts")
SYSTEMS: tuple[System, ...] = ("linux", "macos", "windows")
SETTINGS = make_settings({"hub": "hub.example", "center": "uz", "bootstrap": ["hub.example:9092"]}, "test")
PYTHON = ("/usr/bin/python3", "-IS", "/opt/connector.pyz")


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    found: System = request.param
    return found


@pytest.fixture
def keeper(system: System, tmp_path: Path) -> Keeper:
    return Keeper(system, tmp_path / "Мои службы", "OFFICE\\me", 501)


@pytest.fixture
def log(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "bin"
    monkeypatch.setenv("PATH", path_with(place))
    return imitate(keeper.system, place, keeper.folder)


def service(office: Path, keeper: Keeper, program: tuple[str, ...] = PYTHON) -> Service:
    return service_of(office, SETTINGS, keeper.system, program)


@pytest.mark.usefixtures("log")
def test_it_is_installed_once_and_again_changes_nothing(keeper: Keeper, tmp_path: Path) -> None:
    """The file stays as it is, to the byte, and the system still knows it."""
    wanted = service(tmp_path / "office", keeper)
    assert look(keeper, wanted) == "none"
    assert install(keeper, wanted)
    path = keeper.path(wanted.name)
    before = path.read_bytes(), path.stat().st_mtime_ns
    assert look(keeper, wanted) == "installed"
    assert not install(keeper, wanted)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert words_of(path.read_bytes(), keeper.system) == wanted.words
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("log")
def test_it_is_taken_away_once_and_again_is_no_error(keeper: Keeper, tmp_path: Path) -> None:
    """Nothing of it is left; a second time there is nothing to do."""
    wanted = service(tmp_path / "office", keeper)
    install(keeper, wanted)
    assert uninstall(keeper, wanted.key) == [keeper.path(wanted.name)]
    assert look(keeper, wanted) == "none"
    assert uninstall(keeper, wanted.key) == []


def test_another_copy_takes_the_place_of_the_one_before(keeper: Keeper, log: Path, tmp_path: Path) -> None:
    """There is one service of an office, and it is started again from the new copy."""
    office = tmp_path / "office"
    install(keeper, service(office, keeper))
    newer = service(office, keeper, ("/usr/bin/python3", "-IS", "/opt/newer.pyz"))
    assert look(keeper, newer) == "other"
    log.write_text("", "utf-8")
    assert install(keeper, newer)
    assert look(keeper, newer) == "installed"
    told = log.read_text("utf-8")
    assert {"linux": "restart", "macos": "bootout", "windows": "/End"}[keeper.system] in told
    assert len(keeper.names(newer.key)) == 1


@pytest.mark.usefixtures("log")
def test_each_office_has_its_own(keeper: Keeper, tmp_path: Path) -> None:
    """Two folders of one center, too: taking one away leaves the other."""
    first, second = (service(tmp_path / name, keeper) for name in ("a office", "b office"))
    for each in (first, second):
        assert look(keeper, each) == "none"
        if keeper.system != "linux":  # these imitate one service at a time
            (keeper.folder / "loaded").unlink(missing_ok=True)
        install(keeper, each)
    assert uninstall(keeper, first.key) == [keeper.path(first.name)]
    assert keeper.path(second.name).exists()


@pytest.mark.usefixtures("log")
def test_folder_that_became_another_centers_has_one_service(keeper: Keeper, tmp_path: Path) -> None:
    """That of the former center goes: two would want the same folder."""
    office = tmp_path / "office"
    former = service_of(office, SETTINGS.model_copy(update={"center": "kz"}), keeper.system, PYTHON)
    install(keeper, former)
    wanted = service(office, keeper)
    install(keeper, wanted)
    assert keeper.names(wanted.key) == [wanted.name]


def test_what_the_system_refuses_is_told_in_its_words(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command, what it said, and what to do; it is not called installed then, and can be taken away."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", path_with(place))
    program = place / keeper.program
    program.write_text("#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n", "utf-8")
    program.chmod(0o755)
    wanted = service_of(tmp_path, SETTINGS.model_copy(update={"end_s": -15.0}), keeper.system, PYTHON)
    with pytest.raises(OfficeError, match=f"refuses {keeper.program} .*No medium found"):
        install(keeper, wanted)
    assert look(keeper, wanted) != "installed" or keeper.system == "macos"
    assert uninstall(keeper, wanted.key) == [keeper.path(wanted.name)], "what was never switched on goes all the same"


def test_what_was_broken_off_is_finished_by_the_same_command(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file was written, and the system was not told: typed again, it is."""
    monkeypatch.setenv("PATH", path_with(tmp_path / "bin"))
    imitate(keeper.system, tmp_path / "bin", keeper.folder)
    wanted = service(tmp_path / "office", keeper)
    keeper.folder.mkdir()
    keeper.path(wanted.name).write_bytes(keeper.text(wanted))
    assert look(keeper, wanted) == ("installed" if keeper.system == "macos" else "off")
    install(keeper, wanted)
    assert look(keeper, wanted) == "installed"
    assert uninstall(keeper, wanted.key)


def test_computer_without_the_systems_program_is_told(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container, or a Linux without systemd: nothing is written that nobody would read."""
    monkeypatch.setenv("PATH", str(tmp_path))
    wanted = service(tmp_path / "office", keeper)
    with pytest.raises(OfficeError, match=f"has no {keeper.program}"):
        install(keeper, wanted)
    assert not keeper.folder.exists()


def test_one_folder_has_one_key_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a link, from another folder, in other letters where the system does not tell them apart."""
    office = tmp_path / "Офис"
    office.mkdir()
    (tmp_path / "link").symlink_to(office)
    monkeypatch.chdir(office)
    for system in SYSTEMS:
        assert {office_key(path, system) for path in (office, Path(), tmp_path / "link", office / ".." / "Офис")} == {
            office_key(office, system)
        }
    assert office_key(tmp_path / "ОФИС", "windows") == office_key(office, "windows")
    assert office_key(tmp_path / "ОФИС", "linux") != office_key(office, "linux")
    assert office_key(tmp_path / "Кафе\u0439", "macos") == office_key(tmp_path / "Кафе\u0438\u0306", "macos")
