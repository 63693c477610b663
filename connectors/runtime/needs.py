"""What of an office's status needs a person, and what is known of HQ: from plain values, so that any shell can ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from connectors.runtime.hq_words import plain_said, plain_todo
from hub.protocol.moment import read_time
from hub.protocol.status import State
from schemas.words.causes import whole_said
from schemas.words.said import Said, said

# A link that is down goes up again by itself, mostly; after so long somebody should look.
LINK_DOWN_MAX: Final = timedelta(hours=1)
ANSWER_MAX: Final = timedelta(minutes=15)
# A running connector has the broker acknowledge something at every presence; behind this the link is not known.
KNOWN_FOR: Final = timedelta(seconds=90)
NO_MAPPINGS: Final[Mapping[str, Said]] = MappingProxyType({})
FILE_STATES: Final = ("refused", "waiting", "too_large")


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a person should look at."""

    code: str
    text: Said

    def plain(self) -> dict[str, str]:
        """Return plain values, in English."""
        return {"code": self.code, "said": self.text.text()}


def find_needs(found: dict[str, Any], now: datetime, mappings: Mapping[str, Said] = NO_MAPPINGS) -> Iterator[Need]:
    """Yield what needs a person.

    Shapes: found is `Outbox.status` with `connector`, a `Vital` as plain values; mappings are those that can't be used,
            and what is wrong with each.
    """
    connector, link, totals = found["connector"], found["link"], found["totals"]
    if connector["state"] in ("ended", "killed"):
        yield Need("connector", said(f"needs.{connector['state']}"))
    down_since = link["since"] if link["state"] == "down" and connector["state"] == "running" else None
    if down_since is not None and now - read_time(down_since) > LINK_DOWN_MAX:
        yield Need("link", said("needs.link"))
    waits = found["lane"]["waits_since"]
    if connector["state"] == "running" and waits is not None and now - read_time(waits) > ANSWER_MAX:
        yield Need("answer", said("needs.answer"))
    hq = found["hq"]
    if hq is not None and not hq["stale"] and hq["state"] != State.READS:
        yield Need("hq", whole_said(plain_said(hq), plain_todo(hq)))
    for name in found["alarms"]:
        yield Need(f"alarm.{name}", said("needs.alarm", name=name))
    for name, entry in found["files"].items():
        if entry["state"] in FILE_STATES:
            yield Need(f"file.{entry['state']}", said("needs.file", file=name))
    for wrong in mappings.values():
        yield Need("mapping", said("needs.mapping", detail=wrong))
    for state in ("refused", "rejected"):
        if totals[state]:
            yield Need(f"rows.{state}", said(f"needs.{state}", count=totals[state]))


def is_known(link: dict[str, Any], now: datetime) -> bool:
    """Return whether what is kept of the link is how it is now: it was seen so a short while ago."""
    at = link["last_true"]
    return at is not None and abs(now - read_time(at)) <= KNOWN_FOR
