"""`hub web`: the HTTPS way in, for offices whose network lets nothing else out."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from hub.base import files
from hub.base.output import line, note
from hub.base.supervisor import Supervisor
from hub.cli.options import DataDir, hub_folder, hub_settings
from hub.protocol.errors import Fatal, NotFound, UsageError

if TYPE_CHECKING:
    from hub.base.seldom import Seldom
    from hub.hq.folder import HubFolder
    from hub.hq.settings import HubSettings
    from hub.hq.web_options import WebOptions
    from hub.kafka.cluster import Cluster
    from hub.web.service import WebSettings

END_S: Final = 10.0
UP_S: Final = 120.0  # a first start takes its time
LOOK_S: Final = 0.5
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
    """Serve offices over HTTPS, beside a worker: docs/https.md says which paths there are, and what it takes.

    It starts no worker: `hub up` or `hub worker` runs beside it. It ends by SIGTERM or Ctrl-C, with exit status 0;
    1: it could not go on; 2: wrong use, such as no --public.

    Example: hub web --listen 0.0.0.0:8443 --public https://hub.example.org:8443
    """
    from hub.cli.logs import log_to_stderr

    log_to_stderr()
    where = hub_folder(ctx, data_dir)
    found = hub_settings(ctx, where).settings
    options = found.web.with_options(listen=listen, public=public, certificate=certificate, key=key)
    is_begun = files.kind_at(where.keys) is not None  # `hub up` is, or was, here; it makes its keys first
    cluster = _cluster(where, found, bootstrap, UP_S if is_begun and options.public else 0.0)
    asyncio.run(_serve(where, cluster, _web_settings(where, options)))


def _cluster(where: HubFolder, settings: HubSettings, bootstrap: str | None, wait_s: float) -> Cluster:
    """Return where the broker is. That of `hub up` is known once it is up for the first time, and waited for so long.

    Errors: UsageError where nobody tells.
    """
    ends, is_told = time.monotonic() + wait_s, False
    while (cluster := where.web_cluster(settings, bootstrap)) is None:
        if time.monotonic() >= ends:
            raise UsageError(
                "which broker? start `hub up` in another terminal first; a broker of your own is named by bootstrap in "
                "hub.yaml, by HUB_BOOTSTRAP, or by --bootstrap host:port"
            )
        if not is_told:
            note("waits for `hub up` to say where its broker is")
            is_told = True
        time.sleep(LOOK_S)
    return cluster


def _web_settings(where: HubFolder, options: WebOptions) -> WebSettings:
    """Return what the process needs to know. Errors: UsageError for what is missing."""
    import structlog

    from hub.base.access import host_and_port
    from hub.base.seldom import Seldom
    from hub.web.service import WebSettings

    if not options.public:
        raise UsageError("how do offices call it? set web.public in hub.yaml, or name it: --public https://host:port")
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
    return WebSettings(
        host,
        port,
        options.public,
        certificate,
        key,
        renew,
        join,
        options.client_connections_max,
        options.client_connections_per_s,
        options.client_requests_per_s,
    )


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

    stop, ending, supervisor = asyncio.Event(), Ending(END_S), Supervisor.take(os.environ)

    def ask() -> None:
        stop.set()
        supervisor.stopping()
        ending.begin("it was asked to stop")

    loop: Any = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ask)

    def ready(port: int) -> None:
        ending.watch_loop()
        supervisor.ready()
        line(f"listens on port {port} as {', '.join(settings.addresses)}")

    await run_web(where, cluster, settings, stop, ready)
