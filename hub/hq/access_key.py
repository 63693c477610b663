"""The key that seals what HQ keeps of others' access: so database, backup and log have no secret of theirs.

access.key, beside HQ's other keys, is made when the first secret is to be kept. Without it what was sealed is lost, and
each center is given something new (`hub center rotate`).
"""

from __future__ import annotations

import base64
import contextlib
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from hub.base import files
from hub.base.durable import create_private, disk_errors
from hub.base.shell import command
from hub.protocol.errors import Malformed, NotFound, UsageError

FILE: Final = "access.key"
_FORM: Final = "cohub-access-key/v1 "
_KEY_LENGTH: Final = 32
_NONCE_LENGTH: Final = 12
_VERSION: Final = b"\x01"  # of the sealed form: this, a nonce, the ciphertext with its tag


class AccessKey:
    """Seals and opens secrets, each under what it is for: one that was put in another's place does not open."""

    def __init__(self, key: bytes) -> None:
        self._cipher = ChaCha20Poly1305(key)

    @classmethod
    def make(cls, folder: Path) -> AccessKey:
        """Return the key in this folder, made where there is none. Errors: as of `load`; Fatal where the disk refuses.

        If we crash while it is made it is there whole or not at all, and nothing was sealed by it.
        """
        text = _FORM + base64.b64encode(os.urandom(_KEY_LENGTH)).decode() + "\n"
        with disk_errors(folder / FILE), contextlib.suppress(FileExistsError):
            create_private(folder / FILE, text)
        return cls.load(folder)

    @classmethod
    def load(cls, folder: Path) -> AccessKey:
        """Return the key in this folder.

        Errors: NotFound where there is none; UsageError where others may read it, or it is none.
        """
        path = folder / FILE
        try:
            text = files.read_private(path).decode("ascii").strip()
            if not text.startswith(_FORM):
                raise ValueError(f"it does not begin with {_FORM.strip()}")
            key = base64.b64decode(text.removeprefix(_FORM), validate=True)
            if len(key) != _KEY_LENGTH:
                raise ValueError(f"expected a key of {_KEY_LENGTH} bytes, came {len(key)}")
        except FileNotFoundError as exc:
            raise NotFound(f"{path} is not there: what centers were given can't be read without it") from exc
        except files.ExposedError as exc:
            owner = "chown it to the user that runs the hub, and " if exc.is_foreign else ""
            raise UsageError(f"{path}: {exc.strerror}: {owner}run `{command('chmod', '600', path)}`") from exc
        except OSError as exc:
            raise UsageError(f"{path} can't be read: {exc.strerror}") from exc
        except ValueError as exc:  # what it holds is not shown: it may be half a key
            raise UsageError(f"{path} is damaged: put it back, or give every center a new credential") from exc
        return cls(key)

    def seal(self, secret: bytes, purpose: str) -> bytes:
        """Return a secret as only `open` of the same key and purpose has it back."""
        nonce = os.urandom(_NONCE_LENGTH)
        return _VERSION + nonce + self._cipher.encrypt(nonce, secret, _VERSION + purpose.encode())

    def open(self, sealed: bytes, purpose: str) -> bytes:
        """Return what was sealed for this. Errors: Malformed."""
        nonce, rest = sealed[1 : 1 + _NONCE_LENGTH], sealed[1 + _NONCE_LENGTH :]
        if sealed[:1] != _VERSION or len(nonce) != _NONCE_LENGTH:
            raise Malformed("expected what this release or an earlier one has sealed")
        try:
            return self._cipher.decrypt(nonce, rest, _VERSION + purpose.encode())
        except InvalidTag as exc:
            raise Malformed("it was sealed by another key, or for something else") from exc
