"""The whole examination of a hub: every check in its order. Each can be had by itself, too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from hub.hq.doctor.broker import (
    enter,
    examine_certificates,
    examine_clock,
    examine_rights,
    examine_topics,
    wanted_topics,
)
from hub.hq.doctor.database import examine_access, examine_database, examine_invitations
from hub.hq.doctor.examined import Check, Examined, examined
from hub.hq.doctor.here import examine_directory, examine_disk, examine_keys, examine_settings, examine_worker
from hub.hq.doctor.web import examine_https
from hub.hq.folder import HubFolder
from hub.hq.settings import HubSettings
from hub.kafka.cluster import Cluster
from hub.protocol.errors import CohubError
from hub.protocol.topics import topic_out


async def examine(where: HubFolder, environment: Mapping[str, str], bootstrap: str | None = None) -> list[Examined]:
    """Return what was found, in the order of Check. Nothing is made or mended.

    What can't be looked at because of what was found before is left out: the first thing that fails is to be mended.
    """
    found = [examine_directory(where)]
    if found[0].case in ("missing", "unfit"):
        return found
    now = datetime.now(UTC)
    settings, in_force = examine_settings(where, environment)
    database, kept = examine_database(where, now)
    found += [settings, examine_keys(where), database, *examine_disk(where), examine_worker(where, now)]
    if in_force is not None:
        found += await _examine_broker(where, in_force.settings, bootstrap, () if kept is None else kept.open_centers)
    if kept is not None:
        found += [*examine_access(kept), examine_invitations(kept)]
    if in_force is not None:
        web = in_force.settings.web
        found += await examine_https(web.public, where.authority, web.certificate)
    return found


async def _examine_broker(
    where: HubFolder, settings: HubSettings, bootstrap: str | None, centers: Collection[str]
) -> list[Examined]:
    try:
        admin, worker = where.admin_cluster(settings, bootstrap), where.known_cluster(settings, bootstrap)
        web = where.web_cluster(settings, bootstrap)
    except CohubError as exc:  # a password of the embedded broker's that can't be read
        return [examined(Check.BROKER_AS_ADMIN, "misset", reason=str(exc))]
    if not settings.web.public and web is not None and worker is not None and web.security == worker.security:
        web = None  # there is no such way in, nor a login for one
    return await examine_broker(admin, worker, centers, web)


async def examine_broker(
    admin: Cluster | None, worker: Cluster | None, centers: Collection[str], web: Cluster | None = None
) -> list[Examined]:
    """Return what was found at the broker of a hub with these centers, as its admin and as its worker have it.

    Shapes: `web` is as the HTTPS way in has it; None where there is none.
    """
    wanted = wanted_topics(centers)
    names = [spec.name for spec in wanted]
    as_admin = await enter(Check.BROKER_AS_ADMIN, admin, names)
    as_worker = await enter(Check.BROKER_AS_WORKER, worker, names)
    found = [as_admin.examined, as_worker.examined]
    if web is not None:
        found.append((await enter(Check.BROKER_AS_WEB, web, [topic_out(center) for center in centers])).examined)
    if as_worker.door is not None:
        found.append(examine_rights(as_worker.door, wanted))
    if clusters := [cluster for cluster in (admin, worker, web) if cluster is not None]:
        found.append(await examine_certificates(clusters))
    if admin is not None and as_admin.door is not None:
        found.append(await examine_topics(admin, wanted))
    if worker is not None and as_worker.door is not None:
        found.append(await examine_clock(worker, as_worker.door))
    return found
