"""Who may do what on a cluster: rights, users and quotas, seen and changed by whoever may administer it.

aiokafka's admin client has no method for any of it. What is changed here holds within half a second, and each call may
be said again: a right that is there already is given once more, and one that is not there is taken, without a word.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn, TypeVar

from aiokafka.errors import BrokerResponseError, IncompatibleBrokerVersion, KafkaError, for_code
from aiokafka.protocol.admin import DescribeAclsRequest, DescribeClientQuotasRequest

from hub.base.clients import closing
from hub.base.kafka import Admin
from hub.base.reason import reason_of
from hub.kafka.access_requests import (
    AlterClientQuotas,
    AlterUserScramCredentials,
    CreateAcls,
    DeleteAcls,
    describe_users,
)
from hub.kafka.cluster import Cluster
from hub.kafka.rights import (
    SCRAM_SHA_256,
    SCRAM_SHA_512,
    Entity,
    Operation,
    Pattern,
    Permission,
    Resource,
    Right,
    user,
)
from hub.protocol.errors import Fatal, Retriable, UsageError
from hub.protocol.scram import Credential

DEADLINE_S: Final = 20.0
CHUNK: Final = 500  # changes in one request; a controller takes at most 10,000 at once
ANY: Final = 1
EXACT: Final = 0  # of a quota's entity: this name, and no other

NO_AUTHORIZER: Final = 54
NOT_ALLOWED: Final = 31
NO_SUCH_USER: Final = 91
OF_LATER: Final = {35: "UNSUPPORTED_VERSION", NO_SUCH_USER: "RESOURCE_NOT_FOUND", 93: "UNACCEPTABLE_CREDENTIAL"}

Item = TypeVar("Item")


class Unguarded(UsageError):
    """The cluster has no authorizer: everybody may do everything, and no right can be given or taken."""


class NotAdministrator(UsageError):
    """Who we are on this cluster may not administer it. The message says which setting names who may."""


class Administration:
    """Asks and changes who may do what; made by `administration`.

    Errors: of every call: Retriable if no broker answers, or is not ready; NotAdministrator; Fatal if it refuses.
    """

    def __init__(self, admin: Admin, bootstrap: str) -> None:
        self._admin = admin
        self._at = bootstrap

    async def topics(self, names: Collection[str] | None = None) -> set[str]:
        """Return the names of all topics, or those of these that there are."""
        with self._translated():
            async with asyncio.timeout(DEADLINE_S):
                found = await self._admin.describe_topics(None if names is None else list(names))
                return {topic["topic"] for topic in found if not topic["error_code"]}

    async def rights(self, names: Collection[str] | None = None) -> set[Right]:
        """Return every right that anybody has, or one of these users. Errors: Unguarded too."""
        if names is None:
            return await self._rights(None)
        return {right for name in names for right in await self._rights(user(name))}

    async def _rights(self, principal: str | None) -> set[Right]:
        answer = await self._ask(DescribeAclsRequest(ANY, None, ANY, principal, None, ANY, ANY))
        self._check(answer.error_code, answer.error_message, "list rights")
        return {
            Right(principal, Resource(kind), name, Pattern(pattern), Operation(what), Permission(allowed), host)
            for kind, name, pattern, rights in answer.resources
            for principal, host, what, allowed in rights
        }

    async def grant(self, rights: Iterable[Right]) -> None:
        """Give these rights. Errors: Unguarded too."""
        for chunk in _chunks(rights):
            answer = await self._ask(CreateAcls([_wire(right) for right in chunk]))
            for right, (code, message) in zip(chunk, answer.creation_responses, strict=True):
                self._check(code, message, f"give the right {right}")

    async def revoke(self, rights: Iterable[Right]) -> None:
        """Take these rights. What was open already is refused from now on, too. Errors: Unguarded too."""
        for chunk in _chunks(rights):
            answer = await self._ask(DeleteAcls([_wire(right) for right in chunk]))
            for right, (code, message, matching) in zip(chunk, answer.filter_responses, strict=True):
                self._check(code, message, f"take the right {right}")
                for error, why, *_ in matching:
                    self._check(error, why, f"take the right {right}")

    async def users(self, names: Collection[str] | None = None) -> dict[str, frozenset[int]]:
        """Return every user that logs in by a password, or these, with their mechanisms; nobody tells the password."""
        if names is not None and not names:
            return {}
        answer = await self._ask(describe_users(sorted(names or ())))
        self._check(answer.error_code, answer.error_message, "list users")
        found: dict[str, frozenset[int]] = {}
        for name, code, message, infos, _ in answer.results:
            if names is not None and code == NO_SUCH_USER:
                continue
            self._check(code, message, f"tell about user {name}")
            found[name] = frozenset(mechanism for mechanism, *_ in infos)
        return found

    async def set_users(self, credentials: Mapping[str, Credential], mechanism: int = SCRAM_SHA_512) -> None:
        """Make these users, or give them these passwords. Connections that are open stay so."""
        for chunk in _chunks(credentials.items()):
            upserts: list[Any] = [(name, mechanism, c.iterations, c.salt, c.salted_password, {}) for name, c in chunk]
            await self._alter_users([], upserts)

    async def delete_users(self, names: Collection[str], *mechanisms: int) -> None:
        """Let these users log in no more, by these mechanisms or (none named) by any.

        Connections that are open stay so: take the rights before.
        """
        # Of one user's changes in a request a broker does all or none: what is not there would keep the other one.
        for mechanism in mechanisms or (SCRAM_SHA_512, SCRAM_SHA_256):
            for chunk in _chunks(dict.fromkeys(names)):
                await self._alter_users([(name, mechanism, {}) for name in chunk], [])

    async def quotas(self, names: Collection[str] | None = None) -> dict[Entity, dict[str, float]]:
        """Return every quota that is set, by who it is for; or those of these users and clients."""
        if names is None:
            return await self._quotas([])
        found: dict[Entity, dict[str, float]] = {}
        for name in names:
            for kind in ("user", "client-id"):
                found |= await self._quotas([(kind, EXACT, name)])
        return found

    async def _quotas(self, components: Sequence[tuple[str, int, str]]) -> dict[Entity, dict[str, float]]:
        answer = await self._ask(DescribeClientQuotasRequest(list(components), strict=False))
        self._check(answer.error_code, answer.error_message, "list quotas")
        return {
            tuple(sorted((kind, name) for kind, name in entity)): dict(values)
            for entity, values in answer.entries or []
        }

    async def set_quotas(self, changes: Mapping[Entity, Mapping[str, float | None]]) -> None:
        """Set quotas, key by key; None removes one. Keys that are not named stay as they are."""
        for chunk in _chunks(changes.items()):
            wanted = [
                (list(entity), [(key, value or 0.0, value is None) for key, value in sorted(quotas.items())])
                for entity, quotas in chunk
            ]
            answer = await self._ask(AlterClientQuotas(wanted, False))
            for code, message, entity in answer.entries:
                self._check(code, message, f"set a quota of {entity}")

    async def _alter_users(self, deletions: Sequence[Any], upserts: Sequence[Any]) -> None:
        answer = await self._ask(AlterUserScramCredentials(deletions, upserts, {}))
        for name, code, message, _ in answer.results:
            if not (deletions and code == NO_SUCH_USER):
                self._check(code, message, f"change user {name}")

    async def _ask(self, request: Any) -> Any:
        with self._translated():
            async with asyncio.timeout(DEADLINE_S):
                return await self._admin.ask(request)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (IncompatibleBrokerVersion, NotImplementedError) as exc:
            raise UsageError(f"{self._at}: the broker is too old to be told who may do what: {exc}") from exc
        except BrokerResponseError as exc:
            self._refuse(exc.errno, None, "answer")
        except (KafkaError, TimeoutError, OSError) as exc:
            raise Retriable(f"{self._at}: the broker answers no question about rights: {reason_of(exc)}") from exc

    def _check(self, code: int, message: str | None, what: str) -> None:
        if code:
            self._refuse(code, message, what)

    def _refuse(self, code: int, message: str | None, what: str) -> NoReturn:
        """Say what the broker's refusal means. Its text of a missing right is a dump of its objects: not for people."""
        if code == NO_AUTHORIZER:
            raise Unguarded(f"{self._at}: the cluster has no authorizer: everybody may do everything")
        if code == NOT_ALLOWED:
            raise NotAdministrator(
                f"{self._at}: this login may not {what}; `admin` in the settings names one that may administer "
                "the cluster"
            )
        kind = for_code(code)
        name = OF_LATER.get(code) or f"{kind.__name__} {code}"
        text = f"{self._at}: the broker would not {what}: {name}{f': {message}' if message else ''}"
        raise (Retriable if getattr(kind, "retriable", False) else Fatal)(text)


@contextlib.asynccontextmanager
async def administration(cluster: Cluster) -> AsyncIterator[Administration]:
    """Yield what asks and changes who may do what on a cluster. Errors: Unreachable; UsageError for its settings."""
    async with closing(await cluster.admin("cohub-access")) as admin:
        yield Administration(admin, cluster.bootstrap)


def _wire(right: Right) -> tuple[Any, ...]:
    allowed = int(right.permission)
    what = int(right.operation)
    return int(right.resource), right.name, int(right.pattern), right.principal, right.host, what, allowed


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    every = list(items)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
