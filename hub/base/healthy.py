"""Whether a process of ours is well, asked from its own container: `python -m hub.base.healthy URL` or `… FILE`.

A URL is to be answered with 200 within a few seconds; a file is one that its process touches as long as it is ready.
Exit status 0: it is well; 1: it is not, and one line says why. It is asked every few seconds, so what is well waits for
no import of ours. What a certificate says is not asked, for nothing is told to whoever answers.
"""

from __future__ import annotations

import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from typing import Final

ANSWER_S: Final = 4.0
TOUCHED_WITHIN_S: Final = 20.0
OK: Final = 200


def why_not(place: str, now: float) -> str | None:
    """Return what is wrong, None where nothing is. Units: now is in seconds, as a file's times are."""
    return _url(place) if place.startswith(("http://", "https://")) else _file(place, now)


def _file(path: str, now: float) -> str | None:
    try:
        age = now - os.stat(path).st_mtime  # noqa: PTH116 - nothing else is imported for it
    except OSError as exc:
        return f"{path}: {exc.strerror}"
    if abs(age) <= TOUCHED_WITHIN_S:  # also ahead: of a clock that was set back nobody knows how long ago it was
        return None
    return f"{path}: touched {age:.0f} s ago" if age > 0 else f"{path}: touched {-age:.0f} s ahead of the clock"


def _url(url: str) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # without this system's authorities, whose reading takes long
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(url, timeout=ANSWER_S) as answer:
            return None if answer.status == OK else f"{url}: {answer.status}"
    except urllib.error.HTTPError as exc:
        return f"{url}: {exc.code}"
    except OSError as exc:
        return f"{url}: {exc}"


def _note(text: str) -> None:
    from hub.base.output import note

    note(text)


def main(arguments: list[str]) -> int:
    """Ask what the one argument names; return the exit status."""
    if len(arguments) != 1:
        _note("expected one URL, or one file")
        return 2
    wrong = why_not(arguments[0], time.time())
    if wrong is not None:
        _note(wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
