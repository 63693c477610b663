"""What an error of a Kafka client says to people: in one line, and nothing that a broker sent.

A broker's text may be a dump of its objects, and aiokafka puts whole answers into some of its errors: neither tells
anybody what to do, and both may hold what is not for a log. The error's name is what can be looked up.
"""

from __future__ import annotations

from typing import Final

from aiokafka.errors import BrokerResponseError

CHARS_MAX: Final = 200


def reason_of(exc: BaseException) -> str:
    """Return why something failed: of a broker's answer its name and number, of anything else its first line."""
    if isinstance(exc, BrokerResponseError):
        return f"[Error {exc.errno}] {type(exc).__name__}"
    text = str(exc).strip().partition("\n")[0][:CHARS_MAX]
    return text or type(exc).__name__
