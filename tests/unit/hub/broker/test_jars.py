"""Jars are what the lock pins, or they are not there."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import ClassVar

import pytest

from hub.broker.jars import Jar, fetch_jars, jar_set_digest, locked_jars, progress_lines
from hub.broker.settings import BrokerSettings
from hub.protocol.errors import Fatal, Retriable, UsageError

CONTENT = {f"org/example/{name}/1/{name}-1.jar": name.encode() * 5000 for name in ("alpha", "beta", "gamma")}
JARS = tuple(Jar(path, hashlib.sha256(body).hexdigest(), len(body)) for path, body in CONTENT.items())
ALPHA = JARS[0]


class Repository(http.server.BaseHTTPRequestHandler):
    """A Maven repository whose answer to one path can be spoilt."""

    asked: ClassVar[list[str]] = []
    spoilt: ClassVar[dict[str, list[Callable[[Repository, bytes], None]]]] = {}

    def do_GET(self) -> None:
        path = self.path.removeprefix("/maven/")
        self.asked.append(path)
        body = CONTENT[path]
        spoils = self.spoilt.get(path)
        if spoils:
            spoils[0](self, body)
            if len(spoils) > 1:
                spoils.pop(0)
        else:
            self.answer(200, body)

    def answer(self, status: int, body: bytes, length: int | None = None) -> None:
        self.send_response(status)
        if length != 0:
            self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def whole(handler: Repository, body: bytes) -> None:
    handler.answer(200, body)


def other_bytes(handler: Repository, body: bytes) -> None:
    handler.answer(200, b"x" * len(body))


def too_long(handler: Repository, body: bytes) -> None:
    handler.answer(200, body + b"!")


def cut(handler: Repository, body: bytes) -> None:
    handler.answer(200, body[: len(body) // 2], length=len(body))


def cut_without_length(handler: Repository, body: bytes) -> None:
    handler.answer(200, body[: len(body) // 2], length=0)


def absent(handler: Repository, _: bytes) -> None:
    handler.answer(404, b"not here")


def busy(handler: Repository, _: bytes) -> None:
    handler.answer(503, b"later")


@pytest.fixture
def repository() -> Iterator[str]:
    Repository.asked.clear()
    Repository.spoilt.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/maven"
    server.shutdown()
    server.server_close()
    thread.join()


def files(folder: Path) -> set[str]:
    return {file.relative_to(folder / "jars").as_posix() for file in folder.rglob("*") if file.is_file()}


async def test_fetch_brings_every_jar_in_order_with_progress(repository: str, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    settings = BrokerSettings(cache_dir=tmp_path, maven_url=repository)
    got = await fetch_jars(settings, jars=JARS, progress=lambda done, total: steps.append((done, total)))
    assert [file.read_bytes() for file in got] == list(CONTENT.values())
    assert files(tmp_path) == set(CONTENT)
    size = sum(map(len, CONTENT.values()))
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == ((0, size), (size, size))


async def test_fetch_from_a_full_cache_needs_no_network(repository: str, tmp_path: Path) -> None:
    await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url=repository), jars=JARS)
    Repository.asked.clear()
    nowhere = BrokerSettings(cache_dir=tmp_path, maven_url="http://127.0.0.1:1/")
    assert len(await fetch_jars(nowhere, jars=JARS)) == 3
    assert Repository.asked == []


@pytest.mark.parametrize("spoil", [other_bytes, too_long])
async def test_fetch_of_other_bytes_fails_closed(
    repository: str, tmp_path: Path, spoil: Callable[[Repository, bytes], None]
) -> None:
    Repository.spoilt[ALPHA.path] = [spoil]
    with pytest.raises(Fatal, match="is not the pinned file: expected sha256"):
        await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url=repository), jars=JARS)
    assert ALPHA.path not in files(tmp_path)
    assert not [name for name in files(tmp_path) if name.endswith(".part")]


async def test_fetch_of_an_absent_jar_is_fatal_and_names_the_setting(repository: str, tmp_path: Path) -> None:
    Repository.spoilt[ALPHA.path] = [absent]
    with pytest.raises(Fatal, match=r"answered 404.*COHUB_MAVEN_URL"):
        await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url=repository), jars=JARS)
    assert ALPHA.path not in files(tmp_path)


@pytest.mark.parametrize("spoil", [cut, cut_without_length])
async def test_fetch_that_is_cut_keeps_nothing_of_it_and_goes_on_next_time(
    repository: str, tmp_path: Path, spoil: Callable[[Repository, bytes], None]
) -> None:
    settings = BrokerSettings(cache_dir=tmp_path, maven_url=repository)
    Repository.spoilt[ALPHA.path] = [spoil]
    with pytest.raises(Retriable, match=r"could not fetch .*alpha.* in 3 tries"):
        await fetch_jars(settings, jars=JARS)
    kept = files(tmp_path)
    assert kept == set(CONTENT) - {ALPHA.path}
    Repository.spoilt.clear()
    Repository.asked.clear()
    await fetch_jars(settings, jars=JARS)
    assert Repository.asked == [ALPHA.path]
    assert files(tmp_path) == set(CONTENT)


async def test_fetch_after_a_busy_answer_tries_again(repository: str, tmp_path: Path) -> None:
    Repository.spoilt[ALPHA.path] = [busy, cut, whole]
    await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url=repository), jars=JARS)
    assert Repository.asked.count(ALPHA.path) == 3
    assert files(tmp_path) == set(CONTENT)


async def test_fetch_finds_a_damaged_jar_in_the_cache_and_mends_it(repository: str, tmp_path: Path) -> None:
    settings = BrokerSettings(cache_dir=tmp_path, maven_url=repository)
    file = (await fetch_jars(settings, jars=JARS))[0]
    file.write_bytes(b"x" * ALPHA.size)
    Repository.asked.clear()
    await fetch_jars(settings, jars=JARS)
    assert Repository.asked == [ALPHA.path]
    assert file.read_bytes() == CONTENT[ALPHA.path]


async def test_fetch_with_nobody_there_is_retriable(tmp_path: Path) -> None:
    with pytest.raises(Retriable, match="check the network, or set COHUB_MAVEN_URL"):
        await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url="http://127.0.0.1:1/"), jars=JARS)


async def test_fetch_into_a_cache_that_is_no_folder_says_so(repository: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    with pytest.raises(UsageError, match="COHUB_CACHE_DIR"):
        await fetch_jars(BrokerSettings(cache_dir=tmp_path / "cache", maven_url=repository), jars=JARS)


async def test_fetch_with_an_absent_ca_bundle_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    with pytest.raises(Fatal, match="SSL_CERT_FILE names"):
        await fetch_jars(BrokerSettings(cache_dir=tmp_path, maven_url="https://127.0.0.1:1/"), jars=JARS)


def test_lock_pins_every_jar_once_and_names_no_address() -> None:
    jars = locked_jars()
    assert len({jar.path for jar in jars}) == len(jars) == 46
    assert any(jar.path.endswith("/kafka_2.13-4.3.1.jar") for jar in jars)
    assert "://" not in resources.files("hub.broker").joinpath("jars.lock").read_text("utf-8")


@pytest.mark.parametrize("path", ["/etc/a.jar", "org/../../a.jar", "org/a.txt"])
def test_lock_with_a_path_outside_the_repository_is_refused(path: str) -> None:
    with pytest.raises(Fatal, match="the jar lock is damaged"):
        Jar(path, "0" * 64, 1)


def test_jar_set_digest_depends_on_order() -> None:
    assert jar_set_digest(JARS) != jar_set_digest(JARS[::-1])


def test_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("COHUB_MAVEN_URL", "http://mirror.example/maven2")
    settings = BrokerSettings()
    assert (settings.cache_dir, settings.maven_url) == (tmp_path, "http://mirror.example/maven2")


async def test_fetching_is_told_by_tenths_and_a_full_cache_says_nothing(repository: str, tmp_path: Path) -> None:
    """`make setup` and `hub up` say what they wait for; the second time there is nothing to be said."""
    told: list[str] = []
    settings = BrokerSettings(cache_dir=tmp_path, maven_url=repository)
    await fetch_jars(settings, jars=JARS, progress=progress_lines(told.append))
    assert told[0].startswith("fetching Kafka, once: 0 of")
    assert 2 <= len(told) <= 11
    told.clear()
    await fetch_jars(settings, jars=JARS, progress=progress_lines(told.append))
    assert told == []
