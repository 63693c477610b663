"""The bytes of requests about rights, users and quotas, written out from the protocol's definitions."""

from __future__ import annotations

from typing import Any

import pytest

from hub.kafka.access_requests import (
    AlterClientQuotas,
    AlterClientQuotasResponse_v0,
    AlterUserScramCredentials,
    AlterUserScramCredentialsResponse_v0,
    CreateAcls,
    DeleteAcls,
    DescribeUserScramCredentialsResponse_v0,
    describe_users,
)
from hub.kafka.memory_access import VERSIONS

ACL = (2, "in.uz", 3, "User:uz", "*", 4, 3)
# Type TOPIC, name, pattern LITERAL, principal, host, operation WRITE, permission ALLOW.
ACL_BYTES = "02 0005 696e2e757a 03 0007 557365723a757a 0001 2a 04 03"


def written(text: str) -> bytes:
    return bytes.fromhex(text.replace("\n", " "))


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(CreateAcls([ACL]), f"00000001 {ACL_BYTES}", id="CreateAclsRequest v1"),
        pytest.param(DeleteAcls([ACL, ACL]), f"00000002 {ACL_BYTES} {ACL_BYTES}", id="DeleteAclsRequest v1"),
        pytest.param(
            AlterClientQuotas([([("user", "uz")], [("producer_byte_rate", 1.0, False), ("x", 0.0, True)])], False),
            # Entries, of each the entity (types and names) and the operations (key, value, remove); validate only.
            "00000001 00000001 0004 75736572 0002 757a 00000002"
            "0012 70726f64756365725f627974655f72617465 3ff0000000000000 00"
            "0001 78 0000000000000000 01"
            "00",
            id="AlterClientQuotasRequest v0",
        ),
        pytest.param(
            AlterClientQuotas([([("user", None)], [])], False),
            "00000001 00000001 0004 75736572 ffff 00000000 00",
            id="AlterClientQuotasRequest v0: everybody else has no name",
        ),
        # Compact forms are one more than the length, 0 is null; each structure ends with its tagged fields: none.
        pytest.param(describe_users(), "01 00", id="DescribeUserScramCredentialsRequest v0: all"),
        pytest.param(describe_users(["uz"]), "02 03 757a 00 00", id="DescribeUserScramCredentialsRequest v0: one"),
        pytest.param(
            AlterUserScramCredentials([("kz", 2, {})], [("uz", 2, 8192, b"\x01\x02", b"\x03", {})], {}),
            "02 03 6b7a 02 00 02 03 757a 02 00002000 03 0102 02 03 00 00",
            id="AlterUserScramCredentialsRequest v0",
        ),
    ],
)
def test_request_has_the_bytes_of_the_protocol(request_: Any, expected: str) -> None:
    """A field too many or in another order is read by a broker as something else."""
    assert request_.prepare(VERSIONS).encode() == written(expected)


@pytest.mark.parametrize(
    ("answer", "text", "field", "expected"),
    [
        pytest.param(
            AlterClientQuotasResponse_v0,
            "00000000 00000001 0000 ffff 00000001 0004 75736572 0002 757a",
            "entries",
            [(0, None, [("user", "uz")])],
            id="AlterClientQuotasResponse v0",
        ),
        pytest.param(
            DescribeUserScramCredentialsResponse_v0,
            "00000000 0000 00 02 03 757a 0000 00 02 02 00002000 00 00 00",
            "results",
            [("uz", 0, None, [(2, 8192, {})], {})],
            id="DescribeUserScramCredentialsResponse v0",
        ),
        pytest.param(
            AlterUserScramCredentialsResponse_v0,
            "00000000 02 03 757a 005b 03 6e6f 00 00",
            "results",
            [("uz", 91, "no", {})],
            id="AlterUserScramCredentialsResponse v0",
        ),
    ],
)
def test_answer_is_read_as_the_protocol_has_it(answer: Any, text: str, field: str, expected: object) -> None:
    """Read as another form, an error would be taken for a name."""
    assert getattr(answer.decode(written(text)), field) == expected


def test_requests_about_users_go_out_with_the_header_of_flexible_versions() -> None:
    """Its last byte says that there are no tagged fields; without it a broker reads the request shifted by one."""
    sent = describe_users().prepare(VERSIONS)
    assert sent.build_request_header(7, "c").encode() == written("0032 0000 00000007 0001 63 00")


def test_text_of_a_request_has_no_secret() -> None:
    """Aiokafka writes every request to its debug log."""
    sent = AlterUserScramCredentials([], [("uz", 2, 8192, b"the salt", b"the salted", {})], {}).prepare(VERSIONS)
    assert "salt" not in repr(sent)
