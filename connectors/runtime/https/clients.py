"""Makes producers and consumers over HTTPS; whoever has one does not see that it is no Kafka's."""

from __future__ import annotations

from typing import Any

from connectors.runtime.https.consumer import HttpsConsumer
from connectors.runtime.https.producer import HttpsProducer
from connectors.runtime.https.session import Session
from hub.base.kafka import Admin


class HttpsClients:
    """Makes clients that share one session with HQ (`hub.base.kafka.Clients`)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def producer(self, **settings: Any) -> HttpsProducer:
        """Return a producer. Of aiokafka's settings `max_batch_size` and `compression_type` are obeyed."""
        return HttpsProducer(self._session, **settings)

    def consumer(self, **settings: Any) -> HttpsConsumer:
        """Return a consumer. Of aiokafka's settings `auto_offset_reset` is obeyed; `topics` are those it looks for."""
        return HttpsConsumer(self._session, **settings)

    def admin(self, **settings: Any) -> Admin:
        """Nobody administers over HTTPS."""
        raise NotImplementedError(f"no topics are made over HTTPS: {', '.join(settings)}")
