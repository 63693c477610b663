"""What can be told of a sealed value without its key."""

from __future__ import annotations

from hub.domain.sealed import is_erased, key_id_of, sealed_fields, told
from hub.domain.streams.offer import Offer
from hub.domain.streams.partner import Partner, PartnerV1

KEY_ID = "Q8fR0v2mT3eWkZ1aLx5uYw"
SEALED = f"sealed.v1.{KEY_ID}.{'Ab-_' * 48}"
ERASED = f"erased.v1.{KEY_ID}"


def test_sealed_value_is_told_without_being_shown() -> None:
    """HQ says who can read a value, or that nobody can any more; other texts are no business of this module."""
    assert told(SEALED, "uz") == "(sealed: only uz can read it)"
    assert told(ERASED, "uz") == "(erased)"
    assert [told(value, "uz") for value in (None, 7, ["x"], "a title", "sealed.v1.x", SEALED + "!")] == [None] * 6


def test_sealed_value_names_its_key() -> None:
    """A sealed and an erased value of one key name the same id."""
    assert key_id_of(SEALED) == key_id_of(ERASED) == KEY_ID
    assert key_id_of("sealed.v1.short.AAAA") is None
    assert (is_erased(ERASED), is_erased(SEALED), is_erased("erased.v1.x")) == (True, False, False)


def test_sealed_fields_are_found_in_the_model() -> None:
    """A field is known as sealed by its kind alone."""
    assert sealed_fields(Partner) == ("contact",)
    assert sealed_fields(PartnerV1) == sealed_fields(Offer) == ()
