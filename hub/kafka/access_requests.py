"""The requests of Kafka's protocol that aiokafka has no class for, or none that says several things at once.

Source: kafka/clients/src/main/resources/common/message, whose files have the names of these classes. The newest version
of each that needs no tagged field is used: aiokafka's `TaggedFields` writes others than empty ones wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Array,
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Float64,
    Int8,
    Int16,
    Int32,
    Schema,
    String,
    TaggedFields,
)

ENTITY = Array(("entity_type", String("utf-8")), ("entity_name", String("utf-8")))


class AlterClientQuotasResponse_v0(Response):  # type: ignore[misc]  # noqa: N801 - as aiokafka names its own
    """What became of each entity's quotas."""

    API_KEY = 49
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("entries", Array(("error_code", Int16), ("error_message", String("utf-8")), ("entity", ENTITY))),
    )


class AlterClientQuotasRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801
    """Quotas set and removed."""

    API_KEY = 49
    API_VERSION = 0
    RESPONSE_TYPE = AlterClientQuotasResponse_v0
    SCHEMA = Schema(
        (
            "entries",
            Array(
                ("entity", ENTITY),
                ("ops", Array(("key", String("utf-8")), ("value", Float64), ("remove", Boolean))),
            ),
        ),
        ("validate_only", Boolean),
    )


class DescribeUserScramCredentialsResponse_v0(Response):  # type: ignore[misc]  # noqa: N801
    """Which users there are, and by which mechanisms they log in."""

    API_KEY = 50
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("error_message", CompactString("utf-8")),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                (
                    "credential_infos",
                    CompactArray(("mechanism", Int8), ("iterations", Int32), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeUserScramCredentialsRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801
    """Users by their names; no name asks for all that there are."""

    API_KEY = 50
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = DescribeUserScramCredentialsResponse_v0
    SCHEMA = Schema(
        ("users", CompactArray(("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentialsResponse_v0(Response):  # type: ignore[misc]  # noqa: N801
    """What became of each user."""

    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentialsRequest_v0(RequestStruct):  # type: ignore[misc]  # noqa: N801
    """Users made or given another password, and users deleted."""

    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = AlterUserScramCredentialsResponse_v0
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )

    def __repr__(self) -> str:
        """Return a text without salts and passwords: aiokafka logs every request where its debug log is on."""
        return f"{type(self).__name__}(deletions={len(self.deletions)}, upsertions={len(self.upsertions)})"


Sent = TypeVar("Sent", bound=RequestStruct)


class _Fixed(Request[Sent]):  # type: ignore[misc]
    """A request of one version, whose fields are given as they are sent."""

    API_KEY = -1  # those below have one

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: type[Sent]) -> Sent:
        """Return what is sent."""
        sent: Sent = request_struct_class(*self._fields)
        return sent


class CreateAcls(_Fixed[CreateAclsRequest_v1]):
    """Gives rights: a list of (resource type, name, pattern type, principal, host, operation, permission)."""

    API_KEY = 30


class DeleteAcls(_Fixed[DeleteAclsRequest_v1]):
    """Takes rights: a list of filters in the order of `CreateAcls`."""

    API_KEY = 31


class AlterClientQuotas(_Fixed[AlterClientQuotasRequest_v0]):
    """Sets and removes quotas: a list of (entity, list of (key, value, whether it is removed)), and False."""

    API_KEY = 49


class DescribeUserScramCredentials(_Fixed[DescribeUserScramCredentialsRequest_v0]):
    """Asks which users there are."""

    API_KEY = 50


class AlterUserScramCredentials(_Fixed[AlterUserScramCredentialsRequest_v0]):
    """Makes users, gives them other passwords, deletes them."""

    API_KEY = 51


def describe_users(names: Sequence[str] = ()) -> DescribeUserScramCredentials:
    """Return the question which of these users there are; none named asks for all.

    The protocol has null for all, too. A broker that refuses that answers nothing at all: it fails over the refusal.
    """
    return DescribeUserScramCredentials([(name, {}) for name in names], {})
