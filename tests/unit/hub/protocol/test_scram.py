"""What a broker is given instead of a password."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from hub.protocol.scram import Credential

SALT = b"salt-of-sixteen-bytes-or-more"


def test_salted_password_is_that_of_rfc_5802() -> None:
    """`Hi` is written out here: HMAC over salt and the number one, then each over the one before, all of them xored."""
    step = hmac.digest(b"pencil", SALT + b"\x00\x00\x00\x01", "sha512")
    result = int.from_bytes(step)
    for _ in range(4095):
        step = hmac.digest(b"pencil", step, "sha512")
        result ^= int.from_bytes(step)
    assert Credential.of("pencil", SALT, 4096).salted_password == result.to_bytes(64)


def test_broker_that_has_the_credential_knows_the_one_who_has_the_password() -> None:
    """The client's proof, made of the password, is what a broker finds with the stored key of the salted password."""
    message = b"n=uz,r=abc,r=abcdef,s=...,i=4096,c=biws,r=abcdef"
    credential = Credential.of("pencil", SALT, 4096)
    client_key = hmac.digest(credential.salted_password, b"Client Key", "sha512")
    stored_key = hashlib.sha512(client_key).digest()
    salted = hashlib.pbkdf2_hmac("sha512", b"pencil", SALT, 4096)
    own_key = hmac.digest(salted, b"Client Key", "sha512")
    proof = bytes(a ^ b for a, b in zip(own_key, hmac.digest(stored_key, message, "sha512"), strict=True))
    signature = hmac.digest(stored_key, message, "sha512")
    assert hashlib.sha512(bytes(a ^ b for a, b in zip(proof, signature, strict=True))).digest() == stored_key


def test_text_of_a_credential_has_no_secret() -> None:
    """It may come into a log or a traceback."""
    credential = Credential.of("pencil", SALT, 4096)
    for secret in (credential.salt, credential.salted_password):
        assert repr(secret) not in repr(credential)
        assert base64.b64encode(secret).decode() not in repr(credential)
        assert secret.hex() not in repr(credential)


@pytest.mark.parametrize(
    ("salt", "iterations", "salted"),
    [
        (SALT, 4095, bytes(64)),
        (SALT, 16_385, bytes(64)),
        (bytes(15), 8192, bytes(64)),
        (bytes(65), 8192, bytes(64)),
        (SALT, 8192, bytes(63)),
        (SALT, 8192, bytes(32)),
    ],
)
def test_credential_that_no_broker_takes_is_refused(salt: bytes, iterations: int, salted: bytes) -> None:
    """An office's credential comes from outside."""
    with pytest.raises(ValueError, match="expected"):
        Credential(salt, iterations, salted)
