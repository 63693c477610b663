"""Asking HQ over HTTPS: the request goes to HQ's address, and HQ's signed answer to it comes back at once.

There is no login, and the bundle's secret does not go over the wire: HQ alone can read the request. That the answer is
HQ's is told by its signature, whoever opens TLS on the way. Asked again, it is the same request, and no second use.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from connectors.runtime.https.answers import read_refusal
from connectors.runtime.https.faults import Failed, refused
from connectors.runtime.https.session import FAILURE, retry_after_s
from connectors.runtime.https.wire import Wire
from connectors.runtime.told import OfficeWaits
from hub.protocol.errors import Malformed
from hub.protocol.invitation import Invitation
from hub.protocol.joining import Answer, JoinRequest, is_by_another_key, open_answer, seal_request
from hub.protocol.problem import ProblemCode
from hub.protocol.trust import Trust

ANSWER_BYTES_MAX: Final = 64_000
KIND: Final = "application/octet-stream"


class HttpsInquiry:
    """Asks over HTTPS. `trust` has HQ's keys, as the bundle brought them."""

    def __init__(self, bundle: Invitation, request: JoinRequest, wire: Wire, trust: Trust) -> None:
        self._bundle = bundle
        self._request = request
        self._wire = wire
        self._trust = trust
        self._is_open = True
        wire.open()

    async def ask(self) -> Answer | None:
        """See Inquiry."""
        target, body = f"/v1/join/{self._bundle.id}", seal_request(self._bundle, self._request)
        came = await self._wire.ask("POST", target, {"content-type": KIND}, body, bytes_max=ANSWER_BYTES_MAX)
        if came.status >= FAILURE:
            refusal = read_refusal(came.kind, came.body)
            if refusal.code == ProblemCode.NOT_FOUND:
                raise OfficeWaits("join.not_let_in", center=self._bundle.center)
            raise refused(Failed(refusal, came.status, self._wire.address, retry_after_s(came), datetime.now(UTC)))
        return self._wire.read(self._opened, came)

    async def close(self) -> None:
        """See Inquiry."""
        if self._is_open:
            self._is_open = False
            await self._wire.close()

    def _opened(self, data: bytes) -> Answer:
        """Return HQ's answer to this very request.

        Errors: Malformed; OfficeWaits for a key that the bundle does not have: there is no way here to look it up.
        """
        try:
            answer = open_answer(data, self._trust)
        except Malformed:
            if not is_by_another_key(data, self._trust):
                raise
            raise OfficeWaits("join.key_changed", center=self._bundle.center) from None
        said = (answer.hub, answer.center, answer.invitation, answer.request)
        if said != (self._bundle.hub, self._bundle.center, self._bundle.id, self._request.digest):
            raise Malformed("answer: it is HQ's, and to another request")
        return answer
