"""Persons: sealed under a key for each, in the center's hands alone. Whose key is destroyed is erased everywhere.

cipher    what is sealed and how; pure
keyfile   the keys, in one file that is overwritten in place, and whose copies no journal keeps
files     the register's file and the key file, opened and made as one
register  who has which key, where at HQ they stand, who was erased; no key and no plaintext is in it
faulty    the same with writes that fail when they are told to, for tests
sealing   what the mapping calls for each person of a row
"""

from connectors.runtime.persons.cipher import Located
from connectors.runtime.persons.register import Erasure, Persons, RegisteredPerson, Use
from connectors.runtime.persons.sealing import Durable, Sealing

__all__ = ["Durable", "Erasure", "Located", "Persons", "RegisteredPerson", "Sealing", "Use"]
