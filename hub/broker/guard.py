"""What keeps strangers out of one embedded broker: its hub's authority, the broker's certificates, the first users.

node.pem, server.pem  what the broker shows at its controller and to its clients: key and certificate
admin.pem             the admin's certificate, while a broker that knew no passwords is told them

The files are named as the broker finds them from the folder that it runs in: it keeps these names in its own log, and
the folder may be moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from hub.base import files
from hub.base.access import Security
from hub.base.authority import CERTIFICATE, Authority
from hub.base.certificates import Leaf
from hub.broker.ports import LOOPBACK
from hub.broker.principals import ADMIN, USERS, Principals, scram_security
from hub.broker.properties import NODE, Locked, Public
from hub.kafka.cluster import Cluster
from hub.kafka.desired import FIRST
from hub.protocol.scram import SALT_LENGTH, Credential

SERVER_FILE: Final = "server.pem"
NODE_FILE: Final = "node.pem"
ADMIN_FILE: Final = "admin.pem"


class Guard:
    """The guard of the broker in `folder`; `authority` is the folder of its hub's authority."""

    def __init__(self, folder: Path, authority: Path, public: Public | None) -> None:
        self.principals = Principals(folder)
        self.public = public
        self._folder = folder
        self._authority = authority.absolute()

    @property
    def authority(self) -> Path:
        """The certificate by which clients know the broker."""
        return self._authority / CERTIFICATE

    def prepare(self, now: datetime | None = None) -> bool:
        """See that certificates and passwords are there and last; return whether a certificate was made anew.

        Errors: UsageError for what is damaged, gone or open to others; Fatal where the disk refuses.
        """
        self.principals.make()
        files.remove(self._folder / ADMIN_FILE)  # of a start that died
        return self.renew(now)

    def renew(self, now: datetime | None = None) -> bool:
        """See that certificates last; return whether one was made anew. Errors: see `prepare`."""
        now = now or datetime.now(UTC)
        authority = Authority.open(self._authority, now)
        here = (LOOPBACK, "localhost")
        hosts = here + self.public.hosts if self.public else here
        leaves = {
            SERVER_FILE: Leaf("broker", tuple(dict.fromkeys(hosts)), ("server",)),
            NODE_FILE: Leaf(NODE, here, ("server", "client")),
        }
        made = [authority.keep(self._folder / name, leaf, now) for name, leaf in leaves.items()]
        return any(made)

    @property
    def shown(self) -> Path:
        """The key and certificate that the broker shows to its clients."""
        return self._folder / SERVER_FILE

    def doors(self, port: int, *, by_certificate: bool = False) -> Locked:
        """Return how the broker lets in. Where it is by certificate, it is at this machine alone."""
        return Locked(
            port,
            Path(NODE_FILE),
            # Kafka tries whether the listener of brokers could be its own client, which a server's certificate is not.
            Path(NODE_FILE if by_certificate else SERVER_FILE),
            self.authority,
            ADMIN,
            None if by_certificate else self.public,
            by_certificate,
        )

    def cluster(self, bootstrap: str, user: str, password: SecretStr | None = None) -> Cluster:
        """Return the broker as this user has it. Errors: NotFound, UsageError for a password that is not there."""
        password = password or self.principals.password(user)
        return Cluster((bootstrap,), scram_security(user, password, self.authority))

    def cluster_by_certificate(self, bootstrap: str) -> Cluster:
        """Return the broker as the admin has it while passwords are of no use there. Errors: see `prepare`."""
        now = datetime.now(UTC)
        file = self._folder / ADMIN_FILE
        Authority.open(self._authority, now).keep(file, Leaf(ADMIN, uses=("client",), life=timedelta(hours=1)), now)
        return Cluster((bootstrap,), Security(protocol="SSL", ca_file=self.authority, cert_file=file))

    def end_certificate(self) -> None:
        """Take the admin's certificate away: it was for one start."""
        files.remove(self._folder / ADMIN_FILE)

    def credentials(self, strangers: Iterable[str] = ()) -> dict[str, Credential]:
        """Return what the broker is given instead of its users' passwords; those of `strangers` nobody knows then.

        Shapes: in the order in which the users are to be made. Errors: see `cluster`.
        """
        words = {user: secrets.token_hex() for user in (*strangers, FIRST)} | self._words()
        order = dict.fromkeys((FIRST, *USERS, *words))
        return {user: Credential.of(words[user], secrets.token_bytes(SALT_LENGTH)) for user in order}

    def format_options(self) -> Sequence[str]:
        """Return the options by which Kafka's tool makes the first users. They are secrets."""
        words = {FIRST: secrets.token_hex()} | self._words()
        made = [f"SCRAM-SHA-512=[name={user},password={word}]" for user, word in words.items()]
        return [part for option in made for part in ("--add-scram", option)]

    def _words(self) -> dict[str, str]:
        return {user: self.principals.password(user).get_secret_value() for user in USERS}
