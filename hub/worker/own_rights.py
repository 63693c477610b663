"""What the worker may do, given to it by the admin before it begins: a new cluster has granted nothing to anybody."""

from __future__ import annotations

import structlog

from hub.kafka.administration import Unguarded, administration
from hub.kafka.cluster import Cluster
from hub.kafka.desired import worker_rights
from hub.protocol.errors import Fatal

log = structlog.get_logger(__name__)


async def give_own_rights(cluster: Cluster) -> None:
    """Give the worker the rights that it needs, where an admin of the cluster is known. Idempotent.

    All else is the keeper's (`hub.worker.access`). A broker that refuses, or is too old to be asked, is told of and no
    reason to end. Errors: Retriable if no broker answers; UsageError for the admin's settings.
    """
    if cluster.user is None:
        return
    async with administration(cluster) as access:
        try:
            await access.grant(worker_rights(cluster.user) - await access.rights())
        except Unguarded:
            return  # everybody may do everything there
        except Fatal as exc:  # whatever the broker refuses: somebody else may have given them
            log.warning("own_rights_not_given", error=str(exc))
