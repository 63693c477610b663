"""What `hub doctor` finds at the HTTPS address: each fault is a real TLS listener's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from hub.hq.doctor.examined import Mark
from hub.hq.doctor.web import examine_https
from tests.support.certificates import Authority
from tests.support.listeners import listening, web_server

DAY = timedelta(days=1)
FINE = web_server(status="200 OK")


async def test_address_with_the_right_certificate_is_well(tmp_path: Path) -> None:
    """By the hub's own authority, or by the very certificate that was configured, whoever has signed that."""
    authority, public = Authority(tmp_path), Authority(tmp_path, "public")
    async with listening(authority.leaf("web"), FINE) as address:
        (found,) = await examine_https([f"https://{address}"], authority.file, None)
        assert (found.case, found.mark) == ("answers", Mark.OK)
    bought = public.leaf("bought")
    chain = tmp_path / "chain.pem"
    chain.write_bytes(bought.read_bytes()[bought.read_bytes().index(b"-----BEGIN CERT") :])
    async with listening(bought, FINE) as address:
        (found,) = await examine_https([f"https://{address}"], authority.file, chain)
        assert found.case == "answers"
        (found,) = await examine_https([f"https://{address}"], authority.file, None)
        assert [one["code"] for one in found.plain()["obstacles"]] == ["unknown_authority"]


@pytest.mark.parametrize(
    ("leaf", "code"),
    [
        ({"valid": (-2 * DAY, -DAY)}, "expired_or_ahead"),
        ({"valid": (DAY, 2 * DAY)}, "early_or_behind"),
        ({"address": "10.0.0.1"}, "certificate_other_name"),
    ],
)
async def test_fault_of_the_certificate_is_told(tmp_path: Path, leaf: dict[str, object], code: str) -> None:
    """The code is that of an office which would be kept out by it."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("web", **leaf), FINE) as address:  # type: ignore[arg-type]
        (found,) = await examine_https([f"https://{address}"], authority.file, None)
    assert (found.case, found.mark) == ("certificate", Mark.FAILS)
    assert [one["code"] for one in found.plain()["obstacles"]] == [code]


async def test_address_that_does_not_answer_is_told(tmp_path: Path) -> None:
    """Nobody is there, or somebody else: each address is told of."""
    authority = Authority(tmp_path)
    async with listening(authority.leaf("web"), web_server()) as address:
        found = await examine_https([f"https://{address}", "https://127.0.0.1:9"], authority.file, None)
    assert [one.case for one in found] == ["away", "away"]
    assert "404" in found[0].said.text()
    assert [one["code"] for one in found[1].plain()["obstacles"]] == ["nobody_listens"]
