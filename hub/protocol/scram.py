"""What a Kafka broker keeps of a password, and what stands for it elsewhere: the salted password of RFC 5802.

Whoever has it can log in, so it is kept like the password; but a password that was used somewhere else is not in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

MECHANISM: Final = "SCRAM-SHA-512"
ITERATIONS: Final = 8192
ITERATIONS_MIN: Final = 4096  # a broker takes no fewer,
ITERATIONS_MAX: Final = 16_384  # and no more
SALT_LENGTH: Final = 32
SALT_LENGTH_MIN: Final = 16
DIGEST_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Credential:
    """What a broker is given instead of a password; its text has nothing of it.

    Errors: ValueError for what no broker takes.
    """

    salt: bytes = field(repr=False)
    iterations: int
    salted_password: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what no broker takes, or what guards nothing."""
        if not ITERATIONS_MIN <= self.iterations <= ITERATIONS_MAX:
            raise ValueError(f"expected {ITERATIONS_MIN} to {ITERATIONS_MAX} iterations, came {self.iterations}")
        if not SALT_LENGTH_MIN <= len(self.salt) <= DIGEST_LENGTH:
            raise ValueError(f"expected a salt of {SALT_LENGTH_MIN} to {DIGEST_LENGTH} bytes, came {len(self.salt)}")
        if len(self.salted_password) != DIGEST_LENGTH:
            raise ValueError(f"expected a salted password of {DIGEST_LENGTH} bytes, came {len(self.salted_password)}")

    @classmethod
    def of(cls, password: str, salt: bytes, iterations: int = ITERATIONS) -> Credential:
        """Return the credential of a password. Source: RFC 5802, `Hi`; Kafka, as aiokafka, takes UTF-8 as it is."""
        salted = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
        return cls(salt, iterations, salted)
