"""One broker of several: what its file may say, and what Kafka is told by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from hub.broker.member import (
    Member,
    format_options,
    read_member,
    read_users,
    users_from_text,
    users_to_text,
)
from hub.broker.member_properties import member_properties, voters
from hub.kafka.desired import FIRST
from hub.protocol.errors import UsageError
from hub.protocol.scram import Credential
from hub.site.plan import SitePlan, member_text

PLAN: Final = SitePlan.of("hub.example", "hub.example.org", iter([letter * 22 for letter in "ABCD"]).__next__)
USERS: Final = {name: Credential(name.encode().ljust(32), 8192, bytes(64)) for name in ("worker", FIRST, "admin")}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "member.yaml"
    path.write_text(member_text(PLAN, 2), "utf-8")
    return path


def properties(member: Member) -> dict[str, str]:
    lines = member_properties(member, Path("/data/broker/log")).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_member_is_as_the_site_says(file: Path) -> None:
    """What a site's plan writes is what its broker reads."""
    member = read_member(file)
    assert (member.number, member.own.name, member.own.client) == (2, "node-2", "kafka-2:9092")
    assert member.here == "127.0.0.1:9094"
    assert member.security.cert_file == Path("/run/secrets/kafka-2-node")


def test_nobody_comes_in_without_a_password_or_a_certificate(file: Path) -> None:
    """Every listener asks; brokers and controllers ask for a certificate; what was not granted is denied."""
    said = properties(read_member(file))
    kinds = dict(part.split(":") for part in said["listener.security.protocol.map"].split(","))
    assert kinds == {"CLIENT": "SASL_SSL", "OFFICES": "SASL_SSL", "REPLICATION": "SSL", "CONTROLLER": "SSL"}
    for name, kind in kinds.items():
        asks = said[f"listener.name.{name.lower()}.ssl.client.auth"]
        assert asks == ("required" if kind == "SSL" else "none")
    assert said["allow.everyone.if.no.acl.found"] == "false"
    assert said["super.users"] == "User:admin;User:node-1;User:node-2;User:node-3"
    assert "PLAINTEXT" not in "".join(said.values())


def test_every_record_is_on_two_disks_before_it_is_acknowledged(file: Path) -> None:
    """Three copies, of which two have to be there; a broker that lacks any is never the leader."""
    said = properties(read_member(file))
    assert said["default.replication.factor"] == said["offsets.topic.replication.factor"] == "3"
    assert said["min.insync.replicas"] == said["transaction.state.log.min.isr"] == "2"
    assert said["unclean.leader.election.enable"] == "false"


def test_lone_member_has_one_copy(file: Path) -> None:
    """A cluster of one would wait for ever for a second copy."""
    member = read_member(file)
    alone = member.model_copy(update={"members": (member.own,)})
    assert properties(alone)["min.insync.replicas"] == properties(alone)["default.replication.factor"] == "1"


def test_offices_are_told_another_address_than_is_listened_at(file: Path) -> None:
    """The container listens at one port; offices come to the host's."""
    said = properties(read_member(file))
    assert "OFFICES://0.0.0.0:9093" in said["listeners"]
    assert "OFFICES://hub.example.org:9094" in said["advertised.listeners"]
    assert "CLIENT://kafka-2:9092" in said["advertised.listeners"]


def test_voters_are_the_same_at_every_member(tmp_path: Path) -> None:
    """Members that were formatted with other voters would never make one cluster."""
    said = []
    for number in PLAN.brokers:
        path = tmp_path / f"{number}.yaml"
        path.write_text(member_text(PLAN, number), "utf-8")
        said.append(tuple(voters(read_member(path))))
    assert len(set(said)) == 1
    assert said[0][1].startswith(f"1@kafka-1:9095:{PLAN.directories[0]},2@kafka-2:9095:")


def test_users_go_round_and_whom_nobody_is_comes_first() -> None:
    """What a file says of salted passwords is what Kafka's tool is told, in the order that it needs."""
    assert users_from_text(users_to_text(USERS)) == USERS
    options = format_options(USERS)
    assert [word for word in options if word.startswith("--")] == ["--add-scram"] * 3
    assert f"name={FIRST}," in options[1]
    assert all("iterations=8192" in word and "saltedpassword=" in word for word in options[1::2])


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": {"salt": "x"}}', '{"a": {"salt": "", "iterations": 1}}'])
def test_users_that_are_none_are_refused_without_a_word_of_them(tmp_path: Path, text: str) -> None:
    """A damaged file of secrets is named, and not quoted."""
    path = tmp_path / "users"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(UsageError, match="expected first users") as refused:
        read_users(path)
    assert text == "" or text not in str(refused.value)


def test_users_that_others_may_read_are_refused(tmp_path: Path) -> None:
    """Salted passwords log in like passwords."""
    path = tmp_path / "users"
    path.write_text(users_to_text(USERS), "utf-8")
    path.chmod(0o644)
    with pytest.raises(UsageError, match="others may read"):
        read_users(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"number": 4}, "expected one of members"),
        ({"cluster": "short"}, "cluster"),
        ({"listenn": "x"}, "listenn"),
        ({"members": []}, "members"),
        ({"node_file": None}, "node_file"),
    ],
)
def test_wrong_member_is_refused_by_name(file: Path, change: dict[str, Any], said: str) -> None:
    """One line names the setting and who writes the file."""
    file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text("utf-8")) | change), "utf-8")
    with pytest.raises(UsageError, match=said) as refused:
        read_member(file)
    assert "hub site init" in str(refused.value)


def test_two_members_of_one_number_are_refused(file: Path) -> None:
    """Each would take the other's place."""
    said = yaml.safe_load(file.read_text("utf-8"))
    said["members"][0]["number"] = 2
    file.write_text(yaml.safe_dump(said), "utf-8")
    with pytest.raises(UsageError, match="another number"):
        read_member(file)


def test_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The path is in the line."""
    with pytest.raises(UsageError, match=r"none\.yaml can't be read"):
        read_member(tmp_path / "none.yaml")
