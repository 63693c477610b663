"""What is logged to stderr by a process without a log of its own: nothing in it moves a cursor or hides."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from connectors.cli.log import log_beside
from hub.base.lines import log_lines
from hub.broker import __main__ as broker
from hub.broker import warm
from hub.protocol.errors import UsageError

STRANGE = "a\x1b[2J\x9b1m\u202eb\nc"
SHOWN = ("\\x1b", "\\x9b", "\\u202e")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(None)


def is_shown(told: str) -> bool:
    return not any(sign in told for sign in STRANGE if not sign.isprintable() and sign != "\n") and all(
        number in told for number in SHOWN
    )


@pytest.mark.parametrize("configure", [log_beside, log_lines])
def test_controls_in_what_is_logged_stand_as_numbers(
    configure: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """In a value, in what is no text, in the event and in an error's own words."""
    configure()
    log = structlog.get_logger("test")
    for values in (
        {"value": STRANGE},
        {"value": [STRANGE]},
        {"value": ValueError(STRANGE)},
        {"value": STRANGE.encode()},
    ):
        log.error("said", **values)
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert not any(sign in err for sign in "\x1b\x9b\u202e")
    log.error("said", value=STRANGE)
    assert is_shown(capsys.readouterr().err)
    log.error(STRANGE)
    assert is_shown(capsys.readouterr().err)
    try:
        raise ValueError(STRANGE)
    except ValueError:
        log.exception("failed")
    err = capsys.readouterr().err
    assert is_shown(err)
    assert "Traceback" in err


def test_warnings_of_libraries_pass_the_same_door() -> None:
    log_beside()
    assert logging.lastResort is not None
    record = logging.LogRecord("aiokafka", logging.WARNING, "", 1, "a broker says %s", (STRANGE,), None)
    assert is_shown(logging.lastResort.format(record))


def test_level_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    log_beside()
    structlog.get_logger("test").warning("said")
    assert capsys.readouterr().err == ""
    log_lines()
    structlog.get_logger("test").info("said", port=7)
    assert "port=7" in capsys.readouterr().err


@pytest.mark.parametrize("main", [broker.main, warm.main])
def test_process_of_the_broker_logs_through_it(
    main: Callable[[], int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(coroutine: object) -> int:
        coroutine.close()  # type: ignore[attr-defined]
        structlog.get_logger("test").warning("said", value=STRANGE)
        raise UsageError(STRANGE)

    monkeypatch.setattr("asyncio.run", run)
    monkeypatch.setattr("sys.argv", ["broker", "--data-dir", str(tmp_path)])
    assert main() in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert is_shown(err)
    logged, _, told = err.partition("\n")
    assert is_shown(logged)
    assert is_shown(told)
