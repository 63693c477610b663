"""Who an embedded broker knows from its first start on: admin, worker and web, their passwords, how they get in.

admin, worker, web .password      drawn once, their owner's alone, and in no process list, log or setting
doors                             whether the broker's last start asked for them: locked or plain
known                             which cluster knows these passwords, by the digests of them: written last, and gone
                                  once the broker was a plain one

Passwords are 32 random bytes: nothing of them follows from their digests. A cluster that is not in `known`, as one of a
release before this one, or one that was put back from a backup with other passwords, is told them before it is used.
Nothing here needs the extra `embedded`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from hub.base import files
from hub.base.access import Security
from hub.base.durable import create_private, disk_errors, write
from hub.base.shell import command
from hub.protocol.errors import NotFound, UsageError

ADMIN: Final = "admin"
WORKER: Final = "worker"
WEB: Final = "web"  # the HTTPS way in, which writes and reads for offices
USERS: Final = (ADMIN, WORKER, WEB)
KNOWN: Final = "known"
DOORS: Final = "doors"
LOCKED: Final = "locked\n"
PLAIN: Final = "plain\n"
_PASSWORD_BYTES: Final = 32
_END: Final = ".password"


class Principals:
    """The passwords in one broker's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def make(self) -> None:
        """Draw the passwords that there are none of, and say that they are asked for. Errors: UsageError, Fatal."""
        for user in USERS:
            path = self._path(user)
            if files.kind_at(path) is None:
                with disk_errors(path), contextlib.suppress(FileExistsError):
                    create_private(path, secrets.token_hex(_PASSWORD_BYTES) + "\n")
        self._set_doors(LOCKED)

    def password(self, user: str) -> SecretStr:
        """Return a user's password. Errors: NotFound where there is none; UsageError where others may read it."""
        path = self._path(user)
        try:
            return SecretStr(files.read_private(path).decode("ascii", "replace").strip())
        except FileNotFoundError as exc:
            raise NotFound(f"{path} is not there: the broker of {self._folder} was never started locked") from exc
        except files.ExposedError as exc:
            owner = "chown it to the user that runs the hub, and " if exc.is_foreign else ""
            raise UsageError(f"{path}: {exc.strerror}: {owner}run `{command('chmod', '600', path)}`") from exc
        except OSError as exc:
            raise UsageError(f"{path} can't be read: {exc.strerror}") from exc

    def security(self, user: str, authority: Path) -> Security:
        """Return how one of these users gets in; `authority` is the certificate to believe. Errors: see `password`."""
        return scram_security(user, self.password(user), authority)

    def are_known_to(self, cluster_id: str) -> bool:
        """Return whether the cluster knows the passwords as they are now."""
        with contextlib.suppress(OSError, ValueError, NotFound):
            return files.read_text(self._folder / KNOWN) == self._known(cluster_id)
        return False

    def are_asked(self) -> bool:
        """Return whether the broker of this folder asked for passwords when it was started last."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return files.read_text(self._folder / DOORS) == LOCKED
        return False

    def was_open(self) -> bool:
        """Return whether what the cluster knows of users may be anybody's word: it was never locked, or not last."""
        return not files.is_file(self._folder / KNOWN)

    def forget(self) -> None:
        """Note that the cluster is open to everybody, and what it knows of users is anybody's word from now on."""
        with disk_errors(self._folder / KNOWN):
            files.remove(self._folder / KNOWN)
        self._set_doors(PLAIN)

    def set_known(self, cluster_id: str) -> None:
        """Note that the cluster knows them. If we crash before this, it is told them once more."""
        with disk_errors(self._folder / KNOWN):
            write(self._folder / KNOWN, self._known(cluster_id).encode(), mode=files.PRIVATE)

    def _set_doors(self, doors: str) -> None:
        with disk_errors(self._folder / DOORS):
            write(self._folder / DOORS, doors.encode(), mode=files.PRIVATE)

    def _known(self, cluster_id: str) -> str:
        digests = {u: hashlib.sha256(self.password(u).get_secret_value().encode()).hexdigest() for u in USERS}
        return json.dumps({"cluster": cluster_id, "passwords": digests}) + "\n"

    def _path(self, user: str) -> Path:
        return self._folder / (user + _END)


def scram_security(user: str, password: SecretStr, authority: Path) -> Security:
    """Return how a user gets in at a broker whose certificate this authority has signed."""
    return Security(protocol="SASL_SSL", mechanism="SCRAM-SHA-512", username=user, password=password, ca_file=authority)
