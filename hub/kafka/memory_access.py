"""Who may do what on a broker in memory: rights, users and quotas as they were set. It hinders nobody.

Questions and answers have the bytes of Kafka's protocol: what is asked is written and read again, and so is the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final

from aiokafka.protocol.admin import (
    CreateAclsRequest_v1,
    DeleteAclsRequest_v1,
    DescribeAclsRequest_v1,
    DescribeClientQuotasRequest_v0,
)

from hub.kafka.access_requests import (
    AlterClientQuotasRequest_v0,
    AlterUserScramCredentialsRequest_v0,
    DescribeUserScramCredentialsRequest_v0,
)

NO_AUTHORIZER: Final = 54
NO_SUCH_USER: Final = 91
BY_256: Final = 1
VERSIONS: Final = {29: (1, 3), 30: (1, 3), 31: (1, 3), 48: (0, 1), 49: (0, 1), 50: (0, 0), 51: (0, 0)}  # of Kafka 4

Acl = tuple[int, str, int, str, str, int, int]


class MemoryAccess:
    """Rights as tuples of the protocol, users with their credentials, quotas; `has_authorizer` as a broker has one."""

    def __init__(self, *, has_authorizer: bool = False) -> None:
        self.has_authorizer = has_authorizer
        self.acls: set[Acl] = set()
        self.users: dict[str, tuple[int, bytes, bytes]] = {}  # by SCRAM-SHA-512
        self.users_by_256: set[str] = set()
        self.quotas: dict[tuple[tuple[str, str | None], ...], dict[str, float]] = {}
        self.changes: list[Any] = []  # every request that changes something, in their order
        self._answers: dict[int, Callable[[Any], tuple[Any, ...]]] = {
            DescribeAclsRequest_v1.API_KEY: self._describe_acls,
            CreateAclsRequest_v1.API_KEY: self._create_acls,
            DeleteAclsRequest_v1.API_KEY: self._delete_acls,
            DescribeClientQuotasRequest_v0.API_KEY: self._describe_quotas,
            AlterClientQuotasRequest_v0.API_KEY: self._alter_quotas,
            DescribeUserScramCredentialsRequest_v0.API_KEY: self._describe_users,
            AlterUserScramCredentialsRequest_v0.API_KEY: self._alter_users,
        }

    def answer(self, request: Any) -> Any:
        """Return the answer to a request, after both have been bytes."""
        prepared = request.prepare(VERSIONS)
        asked = type(prepared).decode(prepared.encode())
        response = prepared.RESPONSE_TYPE(*self._answers[request.API_KEY](asked))
        return type(response).decode(response.encode())

    def _describe_acls(self, asked: Any) -> tuple[Any, ...]:
        if not self.has_authorizer:
            return 0, NO_AUTHORIZER, "No Authorizer is configured on the broker", []
        resources: dict[tuple[int, str, int], list[tuple[str, str, int, int]]] = {}
        for kind, name, pattern, principal, host, operation, permission in sorted(self.acls):
            if asked.principal in (None, principal):
                resources.setdefault((kind, name, pattern), []).append((principal, host, operation, permission))
        return 0, 0, None, [(*resource, entries) for resource, entries in resources.items()]

    def _create_acls(self, asked: Any) -> tuple[Any, ...]:
        if not self.has_authorizer:
            return 0, [(NO_AUTHORIZER, None) for _ in asked.creations]
        self.changes.append(asked)
        self.acls.update(asked.creations)
        return 0, [(0, None) for _ in asked.creations]

    def _delete_acls(self, asked: Any) -> tuple[Any, ...]:
        if not self.has_authorizer:
            return 0, [(NO_AUTHORIZER, None, []) for _ in asked.filters]
        self.changes.append(asked)
        answers = []
        for acl in asked.filters:
            found: list[tuple[Any, ...]] = [(0, None, *acl)] if acl in self.acls else []
            self.acls.discard(acl)
            answers.append((0, None, found))
        return 0, answers

    def _describe_quotas(self, asked: Any) -> tuple[Any, ...]:
        wanted = {(kind, name) for kind, _, name in asked.components}
        found = [(entity, values) for entity, values in self.quotas.items() if wanted <= set(entity)]
        return 0, 0, None, [(list(entity), list(values.items())) for entity, values in found]

    def _alter_quotas(self, asked: Any) -> tuple[Any, ...]:
        self.changes.append(asked)
        for entity, changes in asked.entries:
            values = self.quotas.setdefault(tuple(entity), {})
            for key, value, is_removed in changes:
                if is_removed:
                    values.pop(key, None)
                else:
                    values[key] = value
            if not values:
                del self.quotas[tuple(entity)]
        return 0, [(0, None, entity) for entity, _ in asked.entries]

    def _describe_users(self, asked: Any) -> tuple[Any, ...]:
        found: list[Any] = []
        there = {*self.users, *self.users_by_256}
        names = {name for name, _ in asked.users} or there
        found += [(name, NO_SUCH_USER, "no such", [], {}) for name in sorted(names - there)]
        for name in sorted(names & there):
            infos: list[Any] = [(1, 4096, {})] if name in self.users_by_256 else []
            infos += [(2, self.users[name][0], {})] if name in self.users else []
            found.append((name, 0, None, infos, {}))
        return 0, 0, None, found, {}

    def _alter_users(self, asked: Any) -> tuple[Any, ...]:
        self.changes.append(asked)
        gone = {name for name, mechanism, _ in asked.deletions if name not in self._by(mechanism)}  # all of it, or none
        for name, mechanism, _ in asked.deletions:
            if name not in gone and mechanism == BY_256:
                self.users_by_256.discard(name)
            elif name not in gone:
                del self.users[name]
        for name, mechanism, iterations, salt, salted_password, _ in asked.upsertions:
            if mechanism == BY_256:
                self.users_by_256.add(name)
            else:
                self.users[name] = (iterations, salt, salted_password)
        names = dict.fromkeys(name for name, *_ in (*asked.deletions, *asked.upsertions))
        results: list[Any] = [
            (name, NO_SUCH_USER if name in gone else 0, "no such" if name in gone else None, {}) for name in names
        ]
        return 0, results, {}

    def _by(self, mechanism: int) -> Collection[str]:
        return self.users_by_256 if mechanism == BY_256 else self.users
