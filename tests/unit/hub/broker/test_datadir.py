"""The data directory: one owner, a port that stays, an orphan that is found."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub.broker.datadir import LOG_SIZE_MAX, LOG_SIZE_RUNNING_MAX, DataDir, new_cluster_id
from hub.broker.properties import Plain, server_properties
from hub.protocol.errors import Fatal, UsageError

SLEEPER = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that has the data directory's server.properties in its command line, as a broker has."""
    command = [sys.executable, "-c", SLEEPER, str(DataDir(tmp_path).properties)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_acquire_of_an_owned_folder_is_refused_until_it_is_released(tmp_path: Path) -> None:
    first, second = DataDir(tmp_path / "d"), DataDir(tmp_path / "d")
    first.acquire()
    with pytest.raises(UsageError, match="another process already runs the broker"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_acquire_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").write_text("")
    with pytest.raises(UsageError, match="can't use the data directory"):
        DataDir(tmp_path / "d").acquire()


def test_port_is_kept(tmp_path: Path) -> None:
    assert DataDir(tmp_path).kept_port() is None
    DataDir(tmp_path).keep_port(21_000)
    assert DataDir(tmp_path).kept_port() == 21_000
    (tmp_path / "port").write_text("none")
    with pytest.raises(UsageError, match="holds no port number"):
        DataDir(tmp_path).kept_port()


def test_cluster_id_is_read_from_the_formatted_log(tmp_path: Path) -> None:
    assert DataDir(tmp_path).cluster_id() is None
    (tmp_path / "log").mkdir()
    with pytest.raises(Fatal, match=r"has no meta\.properties"):
        DataDir(tmp_path).cluster_id()
    (tmp_path / "log" / "meta.properties").write_text("#\nversion=1\n")
    with pytest.raises(Fatal, match=r"names no cluster\.id"):
        DataDir(tmp_path).cluster_id()
    (tmp_path / "log" / "meta.properties").write_text("#\ncluster.id=abc\n")
    assert DataDir(tmp_path).cluster_id() == "abc"


def test_cluster_ids_never_begin_with_a_dash() -> None:
    ids = {new_cluster_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(name) == 22 and not name.startswith("-") for name in ids)


def test_orphan_is_ended(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    DataDir(tmp_path).keep_process(sleeper.pid)
    assert DataDir(tmp_path).end_orphan() == sleeper.pid
    assert not psutil.pid_exists(sleeper.pid)
    assert DataDir(tmp_path).end_orphan() is None


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"pid": "x", "created": 1}', '{"pid": 1, "created": 0}'])
def test_pid_file_that_names_no_broker_is_no_orphan(tmp_path: Path, text: str) -> None:
    (tmp_path / "broker.pid").write_text(text)
    assert DataDir(tmp_path).end_orphan() is None


def test_process_of_another_folder_or_birth_is_no_orphan(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    created = psutil.Process(sleeper.pid).create_time()
    (tmp_path / "broker.pid").write_text(json.dumps({"pid": sleeper.pid, "created": created - 60}))
    assert DataDir(tmp_path).end_orphan() is None
    other = DataDir(tmp_path / "other")
    other.folder.mkdir()
    other.keep_process(sleeper.pid)
    assert other.end_orphan() is None
    DataDir(tmp_path).keep_process(os.getpid())
    assert DataDir(tmp_path).end_orphan() is None
    assert sleeper.poll() is None


def test_output_is_appended_rotated_and_its_tail_read(tmp_path: Path) -> None:
    data_dir = DataDir(tmp_path)
    assert data_dir.last_lines() == ""
    with data_dir.open_output() as output:
        output.write(b"one\ntwo\n")
    with data_dir.open_output() as output:
        start = output.tell()
        output.write(b"three\nfour\n")
    assert data_dir.last_lines(3) == "two\nthree\nfour"
    assert data_dir.last_lines(since=start) == "three\nfour"
    with data_dir.output.open("ab") as output:
        output.truncate(LOG_SIZE_MAX + 1)
    data_dir.open_output().close()
    assert data_dir.output.stat().st_size == 0
    assert (tmp_path / "broker.log.1").stat().st_size > LOG_SIZE_MAX


def test_properties_escape_and_can_be_overridden(tmp_path: Path) -> None:
    text = server_properties(Path("C:\\data"), Plain(21_000), {"message.max.bytes": "5"})
    assert "log.dirs=C:\\\\data\n" in text
    assert "message.max.bytes=5\n" in text
    assert "auto.create.topics.enable=false\n" in text
    assert "listeners=CLIENT://127.0.0.1:21000," in text


def test_log_that_grows_while_the_broker_runs_is_begun_anew(tmp_path: Path) -> None:
    """Who writes at its end goes on there, and the last of what was said is kept beside it."""
    folder = DataDir(tmp_path)
    with folder.open_output() as output:
        output.write(b"first\n")
        output.flush()
        folder.trim_output()
        assert folder.last_lines() == "first"
        output.truncate(LOG_SIZE_RUNNING_MAX)  # a file with a hole is as large
        output.write(b"last\n")
        output.flush()
        folder.trim_output()
        assert folder.output.stat().st_size == 0
        output.write(b"on\n")
    assert folder.output.read_bytes() == b"on\n"
    kept = tmp_path / "broker.log.1"
    assert kept.read_bytes().endswith(b"last\n")
    assert kept.stat().st_size <= LOG_SIZE_MAX
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
