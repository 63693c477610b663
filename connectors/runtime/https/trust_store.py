"""Whom HTTPS believes where no file of certificates is named: whoever this system believes."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Final

import httpx2

from hub.base.tls import tidy

VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def system_context(environment: Mapping[str, str] = os.environ) -> ssl.SSLContext:
    """Return what TLS is made with where no file is named; SSL_CERT_FILE and SSL_CERT_DIR count where they are set.

    Where they are not, Windows and macOS are asked themselves, which know authorities that OpenSSL does not find there.
    On other systems their usual files are looked for, also where this Python was built on another system.
    """
    if any(environment.get(name) for name in VARIABLES):
        return tidy(ssl.create_default_context())
    return httpx2.create_ssl_context()
