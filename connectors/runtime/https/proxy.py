"""By which proxy HQ's address is reached: as the settings say, else the environment, or the system's own settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from connectors.runtime.https.faults import HttpsAway
from connectors.runtime.https.trust_store import system_context
from connectors.runtime.settings import NO_PROXY, Https, is_proxy
from schemas.words.said import said


@dataclass(frozen=True, slots=True)
class Chosen:
    """A proxy. `shown` is its host and port, without name and password, '' for none."""

    url: str = field(default="", repr=False)
    shown: str = ""

    def made(self) -> httpx2.Proxy | None:
        """Return it as a transport takes it; a proxy that is itself reached by TLS is checked as the system would."""
        if not self.url:
            return None
        context = system_context() if self.url.startswith("https:") else None
        try:
            return httpx2.Proxy(self.url, ssl_context=context)
        except (httpx2.InvalidURL, ValueError) as exc:
            raise HttpsAway(said("way.proxy_unfit", proxy=self.shown)) from exc


def choose_proxy(
    https: Https,
    found: Callable[[], Mapping[str, str]] = getproxies,
    bypasses: Callable[[str], object] = proxy_bypass,
) -> Chosen:
    """Return the proxy for HQ's address.

    Shapes: found returns the system's proxies by scheme, as HTTPS_PROXY and ALL_PROXY say, or Windows and macOS have
            them; bypasses tells whether a `host:port` is reached without one, as NO_PROXY says.
    Errors: HttpsAway for a proxy that can't be spoken to.
    """
    url = "" if https.proxy is None else https.proxy.get_secret_value()
    if url == NO_PROXY:
        return Chosen()
    if not url:
        address = urlsplit(https.address or "")
        host = address.netloc if address.port else f"{address.netloc}:443"
        proxies = found()
        url = proxies.get("https") or proxies.get("all") or ""
        if not url or bypasses(host):
            return Chosen()
        url = url if "://" in url else f"http://{url}"
    scheme, _, rest = url.partition("://")
    shown = rest.rpartition("@")[2].partition("/")[0]
    if not is_proxy(url):
        raise HttpsAway(said("way.proxy_unfit", proxy=f"{scheme}://{shown}"))
    return Chosen(url, shown)
