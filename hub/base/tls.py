"""What Python leaves behind of a TLS connection, and what would be another one's trouble.

OpenSSL keeps errors in a queue that is the thread's, and an operation is told by it how it went: it has to be empty
before. Where the other end has refused us by an alert that comes behind the handshake (TLS 1.3: it wants a certificate
of ours), `SSLObject.unwrap` reads that alert and leaves it there (Python 3.11). Then the next read on any other
connection of the same event loop, a healthy one, is told that the other end has refused it, and is closed.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any, Final, cast

_CONTEXT: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class _SslObject(ssl.SSLObject):
    """An SSLObject whose end is nobody else's."""

    def unwrap(self) -> Any:
        """See ssl.SSLObject."""
        try:
            return super().unwrap()
        finally:
            _empty_errors()


def _empty_errors() -> None:
    # Python empties the queue where a list of ciphers is refused, and has no other call that does.
    with contextlib.suppress(ssl.SSLError):
        _CONTEXT.set_ciphers("none of this name")


def tidy(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return a context whose connections leave no error behind that would be told to others."""
    context.sslobject_class = cast("type[ssl.SSLObject]", _SslObject)
    return context
