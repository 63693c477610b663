"""Trust notes: signed here, or asked for where the root key is elsewhere; what each says of the keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from hub.hq.folder import HubFolder
from hub.hq.identity import Identity, load_identity, read_root
from hub.hq.issuing import changes, install, issue, names_log_keys, renewal, retire, rotate, signed, standing
from hub.hq.rotation import next_note, put, read_request, rotated
from hub.protocol.errors import Conflict, NotFound, UsageError
from hub.protocol.keys import COSIGNATURE_ED25519, Signer


def root_of(identity: Identity) -> Signer:
    assert identity.folder is not None
    assert identity.trust is not None
    return read_root(identity.folder / "root.key", identity.trust.root)


def loaded(where: HubFolder) -> Identity:
    return load_identity(where.keys)


def test_standing_has_every_key_the_root_key_first(where: HubFolder) -> None:
    found = standing(loaded(where))
    assert (found.hub, found.serial, found.reason) == ("hub.example", 1, "the first keys")
    assert [(key.purpose, key.status) for key in found.keys][:2] == [("root", "pinned"), ("receipts", "in use")]
    assert names_log_keys(loaded(where))


def test_rotation_with_the_root_key_is_in_force_at_once(where: HubFolder) -> None:
    identity = loaded(where)
    done = rotate(identity, "log", "yearly", root_of(identity))
    assert done.issued.is_in_force
    assert (len(done.made), len(done.former)) == (2, 2)
    assert standing(loaded(where)).serial == 2
    assert {key.status for key in changes(done.issued.trust, done.issued.before)} == {"in use", "former"}


def test_rotation_without_it_is_a_request_and_changes_nothing_yet(where: HubFolder) -> None:
    """The request is bytes, to be written to a file or downloaded; the note that is made of it is put in force here."""
    identity = loaded(where)
    root = root_of(identity)
    done = rotate(identity, "hq", "yearly", None)
    assert not done.issued.is_in_force
    assert done.issued.request is not None
    assert standing(loaded(where)).serial == 1
    asked = read_request(done.issued.request, identity.trust)
    installed = install(loaded(where), signed(asked, root))
    assert (installed.is_in_force, installed.trust) == (True, done.issued.trust)
    assert standing(loaded(where)).serial == 2
    with pytest.raises(Conflict, match="make the request again"):
        install(loaded(where), signed(asked, root))


def test_key_of_no_purpose_is_not_made(where: HubFolder) -> None:
    before = sorted(where.keys.iterdir())
    with pytest.raises(UsageError, match="purpose root: expected one of receipts, log, hq"):
        rotate(loaded(where), "root", "yearly", None)
    assert sorted(where.keys.iterdir()) == before


def test_former_key_is_retired_and_no_other(where: HubFolder) -> None:
    identity = loaded(where)
    assert identity.trust is not None
    old = identity.receipts.verifier.key_id.hex()
    root = root_of(identity)
    with pytest.raises(NotFound, match="there is no key 00000000"):
        retire(identity, ["00000000"], "lost", root)
    with pytest.raises(Conflict, match="is in use"):
        retire(identity, [old], "lost", root)
    put(where.keys, next_note(rotated(identity, "receipts"), datetime.now(UTC) - timedelta(hours=1), "yearly"), root)
    done = retire(loaded(where), [old], "lost", root)
    assert done.trust.reason == f"lost: {old}"
    assert [key.id for key in standing(loaded(where)).keys if key.retired_at is not None] == [old]
    with pytest.raises(Conflict, match="is retired already"):
        retire(loaded(where), [old], "lost", root)


async def test_renewal_is_nothing_where_the_note_says_it_all(where: HubFolder) -> None:
    identity = loaded(where)
    outside = Signer("witness.example/w1", b"w" * 32, COSIGNATURE_ED25519).verifier
    assert await renewal(where, identity, []) is None
    trust = await renewal(where, identity, [outside])
    assert trust is not None
    assert issue(identity, trust, "an outside witness", root_of(identity)).trust.witnesses == (outside,)
    assert await renewal(where, loaded(where), [outside]) is None
