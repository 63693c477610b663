"""Which consumer group the workers of a hub share: its own, so that two hubs on one cluster never share lanes.

Releases up to 0.2 shared one whose name was the same for every hub. Two groups would both read every lane, and take it
from each other again and again. So a worker that starts joins the group of those that live, and a hub goes over to its
own when it starts with none of them there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from hub.hq.pulse import owner_is_gone
from hub.kafka.desired import GROUP
from hub.store.workers import LivingWorker


def group_of(hub: str, workers: Iterable[LivingWorker], own: str, now: datetime) -> str:
    """Return the group that a worker joins when it starts. Shapes: `own` is what it calls itself."""
    living = [one for one in workers if one.until > now and one.owner != own and not owner_is_gone(one.owner)]
    groups = {one.group or GROUP for one in living}
    if GROUP in groups:
        return GROUP
    return min(groups, default=f"{GROUP}.{hub}")
