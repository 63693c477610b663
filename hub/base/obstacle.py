"""What keeps somebody from HQ: a closed list, each with a code, an exit status of commands, and words.

A text of an obstacle is `said("obstacles.<code>", …)` (schemas/words/office.toml): what is so, and what to do about it.
The way in over HTTPS has words of its own under `way`, for the same obstacles and for what only a proxy can be.
Its values are the facts. So whatever was said, kept, or put into a longer sentence can be asked which obstacles it
names, and with which values. docs/obstacles.md is the list for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from schemas.words.said import FILE, Said, said

GROUP: Final = "obstacles."
WAY: Final = "way."
AT: Final = ("obstacles.at", "way.at")  # at which address there is one
FAILED: Final = 1  # the exit status of a command that found something else to be wrong
_DAYS_FROM: Final = timedelta(days=2)


class Obstacle(StrEnum):
    """What is in the way. The value is the code, and the name of its text."""

    NO_HOST = "no_host"
    NOBODY_LISTENS = "nobody_listens"
    NO_ANSWER = "no_answer"
    NO_ROUTE = "no_route"
    NO_KAFKA = "no_kafka"  # something else listens there
    HANGS_UP = "hangs_up"  # and nobody can tell why
    NO_PROOF = "no_proof"  # it does not know what it would have to check our password by
    PROXY = "proxy"  # it is not there, or makes no connection
    PROXY_LOGIN = "proxy_login"
    PROXY_FORBIDS = "proxy_forbids"

    NO_TLS = "no_tls"  # our TLS, their plain port
    WANTS_TLS = "wants_tls"  # the other way round
    WANTS_LOGIN = "wants_login"
    NO_LOGIN_ASKED = "no_login_asked"
    OTHER_MECHANISM = "other_mechanism"
    WANTS_CERTIFICATE = "wants_certificate"
    REFUSES_CERTIFICATE = "refuses_certificate"
    NOT_HQ = "not_hq"  # a web server, or a proxy that answers in HQ's place
    OTHER_ADDRESS = "other_address"  # HQ goes by another one
    OTHER_HUB = "other_hub"

    UNKNOWN_AUTHORITY = "unknown_authority"
    UNKNOWN_TO_SYSTEM = "unknown_to_system"
    CERTIFICATE_OTHER_NAME = "certificate_other_name"
    CERTIFICATE_NO_SERVER = "certificate_no_server"
    CERTIFICATE_EXPIRED = "certificate_expired"  # another clock says so, too
    CERTIFICATE_EARLY = "certificate_early"
    EXPIRED_OR_AHEAD = "expired_or_ahead"  # there is no other clock to ask
    EARLY_OR_BEHIND = "early_or_behind"
    CERTIFICATE_BAD = "certificate_bad"
    CHANGED = "changed"  # what was signed is not what came: by a proxy that rewrites it

    CLOCK_AHEAD = "clock_ahead"
    CLOCK_BEHIND = "clock_behind"

    LOGIN_REFUSED = "login_refused"
    NO_TOPIC = "no_topic"
    NO_RIGHT = "no_right"  # or no such topic: a broker does not tell the two apart to whom it lets in
    NO_RIGHT_TO_READ = "no_right_to_read"
    NO_RIGHT_TO_WRITE = "no_right_to_write"
    QUOTA = "quota"

    HQ_DOWN = "hq_down"  # the broker answers, HQ does not
    SUSPENDED = "suspended"
    CLOSED = "closed"
    UNCONFIRMED = "unconfirmed"  # the office has joined, and HQ has not confirmed it
    UNREGISTERED = "unregistered"
    KEY_UNKNOWN = "key_unknown"  # HQ knows the center, and not this key

    OTHER = "other"


# One for each, and none is ever given to another: scripts ask for them. 1, 2, 3, 4, 70 and 130 mean other things.
STATUSES: Final[Mapping[Obstacle, int]] = {
    Obstacle.NO_HOST: 10,
    Obstacle.NOBODY_LISTENS: 11,
    Obstacle.NO_ANSWER: 12,
    Obstacle.NO_ROUTE: 13,
    Obstacle.NO_KAFKA: 14,
    Obstacle.HANGS_UP: 15,
    Obstacle.NO_PROOF: 16,
    Obstacle.PROXY: 17,
    Obstacle.PROXY_LOGIN: 18,
    Obstacle.PROXY_FORBIDS: 19,
    Obstacle.NO_TLS: 20,
    Obstacle.WANTS_TLS: 21,
    Obstacle.WANTS_LOGIN: 22,
    Obstacle.NO_LOGIN_ASKED: 23,
    Obstacle.OTHER_MECHANISM: 24,
    Obstacle.WANTS_CERTIFICATE: 25,
    Obstacle.REFUSES_CERTIFICATE: 26,
    Obstacle.NOT_HQ: 27,
    Obstacle.OTHER_ADDRESS: 28,
    Obstacle.OTHER_HUB: 29,
    Obstacle.UNKNOWN_AUTHORITY: 30,
    Obstacle.UNKNOWN_TO_SYSTEM: 31,
    Obstacle.CERTIFICATE_OTHER_NAME: 32,
    Obstacle.CERTIFICATE_NO_SERVER: 33,
    Obstacle.CERTIFICATE_EXPIRED: 34,
    Obstacle.CERTIFICATE_EARLY: 35,
    Obstacle.EXPIRED_OR_AHEAD: 36,
    Obstacle.EARLY_OR_BEHIND: 37,
    Obstacle.CERTIFICATE_BAD: 38,
    Obstacle.CHANGED: 39,
    Obstacle.CLOCK_AHEAD: 40,
    Obstacle.CLOCK_BEHIND: 41,
    Obstacle.LOGIN_REFUSED: 50,
    Obstacle.NO_TOPIC: 51,
    Obstacle.NO_RIGHT: 52,
    Obstacle.NO_RIGHT_TO_READ: 53,
    Obstacle.NO_RIGHT_TO_WRITE: 54,
    Obstacle.QUOTA: 55,
    Obstacle.HQ_DOWN: 60,
    Obstacle.SUSPENDED: 61,
    Obstacle.CLOSED: 62,
    Obstacle.UNCONFIRMED: 63,
    Obstacle.UNREGISTERED: 64,
    Obstacle.KEY_UNKNOWN: 65,
    Obstacle.OTHER: 69,
}

# Of the way in over HTTPS those whose name is not their code.
OVER_HTTPS: Final[Mapping[str, Obstacle]] = {
    "certificate_expired": Obstacle.EXPIRED_OR_AHEAD,
    "certificate_early": Obstacle.EARLY_OR_BEHIND,
    **dict.fromkeys(
        ("no_proxy_host", "proxy_refuses", "no_answer_by_proxy", "proxy_says", "proxy_unfit"), Obstacle.PROXY
    ),
    "proxy_authority": Obstacle.UNKNOWN_AUTHORITY,
    "hung_up": Obstacle.HANGS_UP,
    "strange_answer": Obstacle.NOT_HQ,
    "hq_away": Obstacle.HQ_DOWN,
    "no_topic": Obstacle.NO_RIGHT,
    "too_much": Obstacle.QUOTA,
    "too_large": Obstacle.OTHER,
    "refused": Obstacle.OTHER,
}

# What explains others stands first: an office that is suspended may not write, and one that is closed can't log in.
_FIRST: Final = (
    Obstacle.CLOSED,
    Obstacle.UNCONFIRMED,
    Obstacle.SUSPENDED,
    Obstacle.CLOCK_AHEAD,
    Obstacle.CLOCK_BEHIND,
)


def obstacle_of(text: object) -> Obstacle | None:
    """Return which obstacle a text is about; None for any other."""
    if not isinstance(text, Said) or text.file != FILE or not text.name.startswith((GROUP, WAY)):
        return None
    _, _, name = text.name.partition(".")
    if text.name.startswith(WAY) and name in OVER_HTTPS:
        return OVER_HTTPS[name]
    return Obstacle(name) if name in tuple(Obstacle) else None


def obstacles_in(text: object) -> Iterator[Said]:
    """Yield the texts of obstacles that a text is made of, itself perhaps, in their order, each with its address."""
    if isinstance(text, tuple):
        for one in text:
            yield from obstacles_in(one)
    elif isinstance(text, Said):
        if obstacle_of(text) is not None:
            yield text
        elif text.name in AT:
            for one in obstacles_in(text.values["reason"]):
                yield Said(one.name, {"address": text.values["address"], **one.values})
        else:
            for value in text.values.values():
                yield from obstacles_in(value)


def plain_obstacle(text: Said) -> dict[str, Any]:
    """Return code and values of an obstacle as plain values, for `--json`."""
    return {"code": str(obstacle_of(text)), "values": {name: _plain(value) for name, value in text.values.items()}}


def exit_status(texts: Iterable[object]) -> int:
    """Return with which exit status a command ends that said all of these of what is wrong.

    It is that of the obstacle that explains the others, or else of the first one; FAILED where nothing of it is one.
    """
    found = [obstacle for text in texts for one in obstacles_in(text) if (obstacle := obstacle_of(one)) is not None]
    first = next((obstacle for obstacle in _FIRST if obstacle in found), found[0] if found else None)
    return FAILED if first is None else STATUSES[first]


def span_said(span: timedelta) -> Said:
    """Return how long a time is, for people: in days, or as hours, minutes and seconds."""
    span = abs(span)
    if span >= _DAYS_FROM:
        return said("span.days", days=round(span / timedelta(days=1)))
    seconds = round(span.total_seconds())
    return said("span.hours", text=f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}")


def time_text(moment: datetime) -> str:
    """Return a time in UTC as an obstacle says it, to the second: certificates and brokers have no other."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _plain(value: object) -> object:
    if isinstance(value, Said):
        return value.text()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, int | float | None) else str(value)
