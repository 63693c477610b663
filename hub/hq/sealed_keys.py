"""A hub's keys and settings in one file that only a passphrase opens: the part of a backup that is a secret.

    cohub-sealed-keys/v1                    one line
    {"kdf": "scrypt", "n": …, "salt": …}    one line of JSON: how the key follows from the passphrase, and the nonce
    the sealed bytes                        ChaCha20-Poly1305 over JSON, name → Base64; the two lines are authenticated

scrypt (RFC 7914) makes each guess cost 128 MiB and about a third of a second; ChaCha20-Poly1305 (RFC 8439) finds every
changed bit. Whoever has the file and not the passphrase has nothing but the file's length.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hub.base import files
from hub.base.lock import held
from hub.base.shell import command
from hub.hq.folder import HubFolder
from hub.hq.identity import LOCK
from hub.protocol.errors import NotFound, UsageError

SETTINGS: Final = "hub.yaml"
PASSPHRASE_CHARS_MIN: Final = 12
SEALED_BYTES_MAX: Final = 64 << 20
_FORM: Final = b"cohub-sealed-keys/v1"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_N: Final = 1 << 17
_N_MAX: Final = 1 << 20  # of a file that somebody gives us: 1 GiB, and no more
_R: Final = 8
_P: Final = 1
_HEAD_BYTES_MAX: Final = 1_000
_NAME: Final = re.compile(r"keys/[A-Za-z0-9][A-Za-z0-9._+-]{0,120}|hub\.yaml")
_LEFT_OUT: Final = re.compile(r".*\.(lock|part)")  # no part of what a hub is

Kept = Mapping[str, bytes]  # by the name beneath the data directory


def read_passphrase(path: Path) -> bytes:
    """Return the passphrase in a file that its owner alone can read, without the line's end. Errors: UsageError."""
    try:
        text = files.read_private(path).decode("utf-8")
    except FileNotFoundError as exc:
        raise UsageError(f"{path}: there is no such file; it holds the passphrase of the backup's keys") from exc
    except files.ExposedError as exc:
        raise UsageError(f"{path}: {exc.strerror}: run `{command('chmod', '600', path)}`") from exc
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: the passphrase can't be read: {getattr(exc, 'strerror', None) or exc}") from exc
    passphrase = text.removesuffix("\n").removesuffix("\r")
    if len(passphrase) < PASSPHRASE_CHARS_MIN or "\n" in passphrase:
        raise UsageError(
            f"{path}: expected one line of at least {PASSPHRASE_CHARS_MIN} characters: whoever guesses it has all keys "
            f"of the hub. Make one: `{command('openssl', 'rand', '-base64', '24')} > {path.name}`"
        )
    return passphrase.encode()


def gather(where: HubFolder) -> dict[str, bytes]:
    """Return what a hub keeps of secrets: all of keys/ and hub.yaml. Errors: NotFound, UsageError."""
    found: dict[str, bytes] = {}
    try:
        with held(where.keys / LOCK):  # no rotation stands between a key and the note that names it
            for entry in sorted(files.entries(where.keys), key=lambda entry: entry.name):
                name = f"keys/{entry.name}"
                if _LEFT_OUT.fullmatch(entry.name):
                    continue
                if not _NAME.fullmatch(name):
                    raise UsageError(f"{where.keys}: {entry.name!r} is no file of a hub's: move it away")
                found[name] = files.read(Path(entry.path))
        settings = where.data_dir / SETTINGS
        if files.kind_at(settings) is not None:
            found[SETTINGS] = files.read(settings)
    except FileNotFoundError as exc:
        raise NotFound(f"{where.data_dir}: there is no hub here ({exc.filename} is missing)") from exc
    except OSError as exc:
        raise UsageError(f"{exc.filename or where.keys} can't be read: {exc.strerror or exc}") from exc
    if "keys/hub.name" not in found:
        raise NotFound(f"{where.data_dir}: there is no hub here (keys/hub.name is missing)")
    return found


def seal(kept: Kept, passphrase: bytes) -> bytes:
    """Return these files as only the passphrase has them back."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    told = {"kdf": "scrypt", "n": _N, "r": _R, "p": _P, "salt": salt.hex(), "nonce": nonce.hex()}
    head = _FORM + b"\n" + json.dumps(told).encode() + b"\n"
    plain = json.dumps({name: base64.b64encode(data).decode() for name, data in kept.items()}).encode()
    return head + ChaCha20Poly1305(_key(passphrase, salt, _N, _R, _P)).encrypt(nonce, plain, head)


def unseal(data: bytes, passphrase: bytes) -> dict[str, bytes]:
    """Return the files that were sealed. Errors: UsageError for another passphrase, or bytes that are no such file."""
    form, _, rest = data.partition(b"\n")
    told, _, sealed = rest.partition(b"\n")
    if form != _FORM or len(told) > _HEAD_BYTES_MAX:
        raise UsageError("expected a hub's sealed keys, as this release or an earlier one has written them")
    try:
        facts: Any = json.loads(told)
        salt, nonce = bytes.fromhex(facts["salt"]), bytes.fromhex(facts["nonce"])
        n, r, p = (int(facts[name]) for name in ("n", "r", "p"))
        if facts["kdf"] != "scrypt" or not 2 <= n <= _N_MAX or n & (n - 1) or (r, p) != (_R, _P):
            raise ValueError(told[:100])
        if (len(salt), len(nonce)) != (_SALT_BYTES, _NONCE_BYTES):
            raise ValueError(told[:100])
    except (ValueError, TypeError, LookupError, RecursionError) as exc:
        raise UsageError("the sealed keys' second line does not say how they were sealed: the file is damaged") from exc
    head = form + b"\n" + told + b"\n"
    try:
        plain = ChaCha20Poly1305(_key(passphrase, salt, n, r, p)).decrypt(nonce, sealed, head)
    except InvalidTag as exc:
        raise UsageError(
            "the sealed keys do not open: another passphrase has sealed them, or they are damaged"
        ) from exc
    found = {name: base64.b64decode(text, validate=True) for name, text in json.loads(plain).items()}
    strange = next((name for name in found if not _NAME.fullmatch(name)), None)
    if strange is not None:
        raise UsageError(f"the sealed keys have a file {strange!r}, which is none of a hub's")
    return found


def _key(passphrase: bytes, salt: bytes, n: int, r: int, p: int) -> bytes:
    return Scrypt(salt=salt, length=_KEY_BYTES, n=n, r=r, p=p).derive(passphrase)
