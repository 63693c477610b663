"""Whether a process is well, as its container asks: by an answer, or by a file that it touches."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hub.base.healthy import TOUCHED_WITHIN_S, main, why_not


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_who_answers_with_200_is_well(address: str) -> None:
    """Any other answer is none."""
    assert why_not(f"{address}/ready", 0) is None
    assert why_not(f"{address}/live", 0) == f"{address}/live: 503"


def test_nobody_is_not_well() -> None:
    """A port that nobody listens on is told in one line, a proxy of the environment is not asked."""
    assert "http://127.0.0.1:1/ready" in str(why_not("http://127.0.0.1:1/ready", 0))


def test_file_that_was_touched_lately_is_well(tmp_path: Path) -> None:
    """One that is not there, or rests, is not."""
    path = tmp_path / "ready"
    assert "No such file" in str(why_not(str(path), 0))
    path.touch()
    touched = path.stat().st_mtime
    assert why_not(str(path), touched + TOUCHED_WITHIN_S - 1) is None
    assert "touched 30 s ago" in str(why_not(str(path), touched + 30))
    # The clock was set back by an hour: whoever hangs now would be well for an hour.
    assert "touched 3600 s ahead of the clock" in str(why_not(str(path), touched - 3600))


def test_program_ends_with_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0, 1 with a line, and 2 for wrong use."""
    (tmp_path / "ready").touch()
    assert main([str(tmp_path / "ready")]) == 0
    assert main([str(tmp_path / "none")]) == 1
    assert main([]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_it_imports_nothing_of_ours() -> None:
    """It runs every few seconds in every container."""
    code = (
        "import sys, hub.base.healthy; print([m for m in sys.modules if m.split('.')[0] in ('pydantic', 'aiokafka')])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
