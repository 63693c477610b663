"""What `connector check` says of the way in over HTTPS, where that is the way, or Kafka does not let this office in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from connectors.cli.check import Checked
from connectors.cli.office import OpenedOffice
from hub.protocol.errors import Retriable
from schemas.words.said import Said, said

HTTPS_PORT: Final = 443


async def ask_https(office: OpenedOffice, by_kafka: Sequence[Checked]) -> list[Checked]:
    """Return whether HQ answers over HTTPS, whether this center may read there, and what HQ has of it.

    Shapes: by_kafka is what was found of Kafka, which does not let us in: where HTTPS does, that is no fault.
    """
    from connectors.cli.check_broker import MAY_READ, ask_hq
    from connectors.runtime.link import Link
    from connectors.runtime.office import read_key
    from connectors.runtime.outbox import IN_MEMORY, Outbox
    from connectors.runtime.settings import SEAL_KEY, Way
    from connectors.runtime.told import OfficeError, told_of
    from connectors.runtime.way import Ways, https_clients
    from hub.base.clients import close

    settings = office.settings
    with Outbox(IN_MEMORY) as nowhere:
        https = https_clients(settings, lambda: read_key(office.path / SEAL_KEY))
        link = Link(settings, nowhere, https=https, ways=Ways((Way.HTTPS,)))
        client: Any = None
        try:
            client = await link.consumer()
        except Retriable as exc:
            return [*by_kafka, Checked("https", False, await _with_dates(office, told_of(exc)))]
        except OfficeError as exc:  # the seal key, without which nothing is answered over HTTPS, is told under key
            return [*by_kafka, Checked("https", None, told_of(exc))]
        finally:
            if client is not None:
                await close(client)
        return [
            *(replace(finding, ok=None) for finding in by_kafka),
            Checked("https", True, said("check.answers", servers=settings.https.address)),
            Checked(MAY_READ, True, said("check.topic", topic=settings.topic_out)),
            *await ask_hq(office, link),
        ]


async def _with_dates(office: OpenedOffice, told: Said) -> Said:
    """Return what is in the way, with which of the two is off where that is this computer's clock or a certificate.

    A certificate that a proxy on the way shows can't be looked at from here: then it stays as it was told.
    """
    from urllib.parse import urlsplit

    from connectors.cli.check_broker import is_about_dates, other_clocks
    from hub.base.diagnosis import TIMEOUT_S
    from hub.base.probe import shown_by
    from hub.base.second_clock import judge_dates

    address = office.settings.https.address or ""
    parts, now = urlsplit(address), datetime.now(UTC)
    if not is_about_dates(told) or parts.hostname is None:
        return told
    shown = await shown_by(parts.hostname, parts.port or HTTPS_PORT, TIMEOUT_S)
    if shown is None or shown.holds_at(now):
        return told
    judged = judge_dates(shown, now, await other_clocks(office))
    return said("errors.unreachable", obstacles=(said("obstacles.at", address=address, reason=judged),))
