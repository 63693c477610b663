"""`hub web`: the HTTPS way in, for offices whose network lets nothing else out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from hub.base.output import line
from hub.cli.options import DataDir, hub_folder, hub_settings
from hub.protocol.errors import Fatal, NotFound, UsageError

if TYPE_CHECKING:
    from hub.base.seldom import Seldom
    from hub.hq.folder import HubFolder
    from hub.hq.web_options import WebOptions
    from hub.kafka.cluster import Cluster
    from hub.web.service import WebSettings

END_S: Final = 10.0
CERTIFICATE: Final = "web.pem"  # among the keys: its private key, and itself


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(web)


def web(
    ctx: typer.Context,
    listen: Annotated[str | None, typer.Option("--listen", help="host:port. Default: hub.yaml's.")] = None,
    public: Annotated[
        list[str] | None,
        typer.Option("--public", help="How offices call it: https://host[:port]. May stand several times."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option("--certificate", metavar="FILE", help="Certificate chain, PEM. Default: the hub makes one."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Its private key, PEM. Default: in the same file."),
    ] = None,
    bootstrap: Annotated[
        str | None,
        typer.Option("--bootstrap", help="host:port of the broker, or several with commas. Default: hub.yaml's."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve offices over HTTPS, beside a worker. It ends by SIGTERM or Ctrl-C.

    Example: hub web --listen 0.0.0.0:8443 --public https://hub.example.org:8443
    """
    from hub.cli.logs import log_to_stderr

    log_to_stderr()
    where = hub_folder(ctx, data_dir)
    found = hub_settings(ctx, where).settings
    cluster = where.web_cluster(found, bootstrap)
    if cluster is None:
        raise UsageError("which broker? set bootstrap in hub.yaml or HUB_BOOTSTRAP, or name it: --bootstrap host:port")
    options = found.web.with_options(listen=listen, public=public, certificate=certificate, key=key)
    asyncio.run(_serve(where, cluster, _web_settings(where, options)))


def _web_settings(where: HubFolder, options: WebOptions) -> WebSettings:
    """Return what the process needs to know. Errors: UsageError for what is missing."""
    import structlog

    from hub.base.access import host_and_port
    from hub.base.seldom import Seldom
    from hub.web.service import WebSettings

    if not options.public:
        raise UsageError("how do offices call it? set web.public in hub.yaml, or name it: --public https://host:port")
    host, port = host_and_port(options.listen)
    certificate, key, renew = options.certificate, options.key or options.certificate, _nothing
    if certificate is None or key is None:
        if options.key is not None:
            raise UsageError("whose key is that? name its certificate, too: web.certificate, or --certificate")
        certificate = key = where.keys / CERTIFICATE
        renew = partial(_keep, where, options.public, certificate)
    join = partial(_join, where, seldom=Seldom(structlog.get_logger("hub.hq.reception")))
    return WebSettings(host, port, options.public, certificate, key, renew, join)


def _nothing() -> None:
    """Leave a given certificate to whoever gave it."""


def _keep(where: HubFolder, addresses: Sequence[str], path: Path) -> None:
    """See that there is a certificate by the hub's own authority for these addresses, and that it lasts."""
    from hub.base.authority import Authority
    from hub.base.certificates import Leaf

    now, hosts = datetime.now(UTC), tuple(dict.fromkeys(urlsplit(address).hostname or "" for address in addresses))
    Authority.open(where.keys, now).keep(path, Leaf("web", hosts), now)


async def _join(where: HubFolder, invitation: str, data: bytes, seldom: Seldom | None = None) -> bytes:
    """Return HQ's answer to a join request. HQ's keys are read for it alone, once there is such an invitation."""
    from hub.hq.access_key import AccessKey
    from hub.hq.identity import load_identity
    from hub.hq.reception import Reception

    async with where.store() as store:
        if await store.invitations.find(invitation) is None:
            raise NotFound("there is no such invitation")
        try:
            load_key = partial(AccessKey.load, where.keys)
            reception = Reception(store.invitations, load_identity(where.keys), load_key, seldom=seldom)
            return await reception.answered(invitation, data)
        except UsageError as exc:  # nothing that whoever asks could mend
            raise Fatal(str(exc)) from exc


async def _serve(where: HubFolder, cluster: Cluster, settings: WebSettings) -> None:
    from hub.base.ending import Ending
    from hub.web.service import run_web

    stop, ending = asyncio.Event(), Ending(END_S)

    def ask() -> None:
        stop.set()
        ending.begin("it was asked to stop")

    loop: Any = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)

    def ready(port: int) -> None:
        ending.watch_loop()
        line(f"listens on port {port} as {', '.join(settings.addresses)}")

    await run_web(where, cluster, settings, stop, ready)
