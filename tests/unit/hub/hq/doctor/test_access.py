"""What `hub doctor` finds of the centers' access and of invitations, as the database has them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from hub.hq.access import mark, members
from hub.hq.doctor.database import Kept, examine_access, examine_invitations
from hub.hq.doctor.examined import Mark
from hub.store.access_store import OPEN
from hub.store.read.access import GivenAccess
from hub.store.read.centers import RegisteredCenter
from hub.store.read.invitations import InvitationStanding

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def center(name: str, status: str = "active") -> RegisteredCenter:
    return RegisteredCenter(
        id=name, status=status, country="UZ", direction="north", keys=(), languages=("ru",), name="Center",
        streams=("offer",), timezone="Asia/Tashkent", zone=None,
    )  # fmt: skip


def invited(name: str, stage: str, *, alarm: bool = False, unfinished: bool = False) -> InvitationStanding:
    return InvitationStanding(
        id="0badcafe", center=name, stage=stage, made_at=NOW, expires_at=NOW, asked_at=None, request=None,
        other_at=None, other=None, ended_at=None, alarm=alarm, unfinished=unfinished,
    )  # fmt: skip


def test_center_that_kafka_has_not_as_it_should_is_named() -> None:
    """A worker that runs brings it about; a center of which all is done is not named."""
    done, waits = center("uz"), center("kz", "suspended")
    (member,) = members([("uz", "active")], {})
    given = {"uz": GivenAccess(kept=mark(member)), "kz": GivenAccess(kept=mark(member))}
    (found,) = examine_access(Kept((done, waits), given))
    assert (found.case, found.mark, found.values["centers"]) == ("behind", Mark.WARNS, "kz")
    (found,) = examine_access(Kept((done,), given))
    assert found.case == "as_wanted"
    assert list(examine_access(Kept())) == []


def test_broker_that_lets_in_everybody_is_a_warning() -> None:
    """It is for one machine alone."""
    (found,) = examine_access(Kept((center("uz"),), {"uz": GivenAccess(kept=OPEN)}))
    assert (found.case, found.mark) == ("open", Mark.WARNS)


@pytest.mark.parametrize(
    ("invitations", "case", "centers"),
    [
        ([], "none", None),
        ([invited("uz", "confirmed"), invited("kz", "withdrawn")], "none", None),
        ([invited("uz", "invited")], "open", "uz"),
        ([invited("uz", "invited"), invited("kz", "asked")], "asked", "kz"),
        ([invited("uz", "confirmed", unfinished=True)], "asked", "uz"),
        ([invited("uz", "expired")], "expired", "uz"),
        ([invited("uz", "expired"), invited("uz", "confirmed")], "none", None),  # the newest counts
        ([invited("uz", "asked"), invited("kz", "contested", alarm=True)], "contested", "kz"),
    ],
)
def test_worst_of_the_newest_invitations_is_told(
    invitations: list[InvitationStanding], case: str, centers: str | None
) -> None:
    """An invitation that two have used is a fault; one that waits for HQ is to be looked at."""
    found = examine_invitations(Kept(invitations=tuple(invitations)))
    assert (found.case, found.values.get("centers")) == (case, centers)
    assert (found.mark is Mark.FAILS) == (case == "contested")
