"""One broker of several as a process of its own: what it refuses before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from structlog.testing import capture_logs

from hub.base.durable import create_private
from hub.broker.member import read_member
from hub.broker.node import Node
from hub.protocol.errors import UsageError
from hub.site.plan import member_text
from tests.unit.hub.broker.test_member import PLAN


async def test_node_of_another_cluster_is_refused(tmp_path: Path) -> None:
    """A folder of another site's is left as it is, and may be used again by who it belongs to."""
    path = tmp_path / "member.yaml"
    path.write_text(member_text(PLAN, 1), "utf-8")
    log = tmp_path / "data/log"
    log.mkdir(parents=True)
    meta = log / "meta.properties"
    meta.write_text(f"cluster.id={'Z' * 22}\n", "utf-8")
    node = Node(tmp_path / "data", read_member(path))
    with pytest.raises(UsageError, match=f"a part of the cluster {'Z' * 22}, expected {PLAN.cluster}"):
        await node.start()
    assert node.pid is None
    assert meta.read_text("utf-8") == f"cluster.id={'Z' * 22}\n"
    with pytest.raises(UsageError, match="a part of the cluster"):  # the folder was let go
        await node.start()


async def test_node_without_its_users_is_refused(tmp_path: Path) -> None:
    """A cluster that nobody could log in to is not made."""
    path = tmp_path / "member.yaml"
    said = yaml.safe_load(member_text(PLAN, 1)) | {"users_file": "users"}
    path.write_text(yaml.safe_dump(said), "utf-8")
    with pytest.raises(UsageError, match="users"):
        await Node(tmp_path / "data", read_member(path)).start()
    create_private(tmp_path / "users", "{}x")
    with pytest.raises(UsageError, match="expected first users"):
        await Node(tmp_path / "data", read_member(path)).start()
    assert not (tmp_path / "data/log").exists()


async def test_broker_lives_on_while_a_file_of_its_login_can_not_be_read(tmp_path: Path) -> None:
    """Kafka has read its own: it is not ready for a while, and it is no reason to end it, nor its two neighbours."""
    path = tmp_path / "member.yaml"
    path.write_text(member_text(PLAN, 1), "utf-8")
    node = Node(tmp_path / "data", read_member(path))
    with capture_logs() as logs:
        assert [await node.answers() for _ in range(3)] == [False] * 3
    assert [told["event"] for told in logs] == ["broker_not_asked"]
