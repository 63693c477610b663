"""The folder of a site: keys, logins, certificates and settings, made where there are none, and renewed.

site.yaml     the plan, from which all else follows; written before anything else
hub/          HQ's data directory: its keys, the authority among them, and hub.yaml
secrets/      a file for each secret that one of the processes is given, its owner's alone
kafka-N/      what each broker is told: member.yaml
data/         what Kafka, PostgreSQL and what watches them keep: an empty folder for each

Begun again after an error or a crash it goes on with what was made. Nothing that is there is drawn anew.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import yaml
from pydantic import ValidationError

from hub.base import files
from hub.base.authority import Authority
from hub.base.certificates import check_host
from hub.base.durable import create_private, disk_errors, remove_parts, write
from hub.broker.datadir import new_cluster_id
from hub.broker.member import read_users, users_to_text
from hub.broker.principals import ADMIN, WEB, WORKER
from hub.hq.access_key import AccessKey
from hub.hq.folder import HubFolder
from hub.hq.settings import FILE
from hub.kafka.desired import FIRST
from hub.protocol.errors import Conflict, UsageError
from hub.protocol.plain_yaml import load_yaml
from hub.protocol.scram import SALT_LENGTH, Credential
from hub.site.plan import PASSWORDS, SitePlan, broker_name, certificates, hub_text, member_text

PLAN: Final = "site.yaml"
USERS: Final = "secrets/kafka-users"
PASSWORD_BYTES: Final = 32
KEPT: Final = ("postgres", "prometheus", "grafana")  # beside the brokers


@dataclass(slots=True)
class Made:
    """What one run has made, as paths beneath the folder, and whose restart it takes before it is shown."""

    files: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """One site's folder."""

    root: Path

    @property
    def hub(self) -> HubFolder:
        """HQ's data directory."""
        return HubFolder(self.root / "hub")

    def plan(self) -> SitePlan | None:
        """Return the plan; None before there is one. Errors: UsageError, one line."""
        path = self.root / PLAN
        try:
            return SitePlan.model_validate(load_yaml(files.read_text(path)))
        except FileNotFoundError:
            return None
        except OSError as exc:
            raise UsageError(f"{path} can't be read: {exc.strerror}") from exc
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_context=False)[0]
            raise UsageError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}; mend that line") from None
        except (yaml.YAMLError, ValueError) as exc:
            mark = getattr(exc, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark is not None else ""
            raise UsageError(f"{path}{where}: expected YAML as `hub site init` has written it; mend that line") from exc

    def make(self, hub: str | None, address: str | None, now: datetime) -> tuple[SitePlan, Made]:
        """See that all of a site is there and lasts; return its plan and what was made.

        Errors: UsageError for what is missing or damaged; Conflict for another hub or address than the site has; Fatal
            where the disk refuses.
        """
        made = Made()
        with disk_errors(self.root):
            for name in ("", "hub", "secrets"):
                files.make_folder(self.root / name, files.PRIVATE_FOLDER)
                remove_parts(self.root / name)
        plan = self._planned(hub, address, made)
        self._make_hub(plan, made)
        with disk_errors(self.root):
            self._draw_passwords(made)
            self._make_users(made)
            self._make_certificates(plan, now, made)
            self._write_settings(plan, made)
            for name in (*map(broker_name, plan.brokers), *KEPT):
                files.make_folder(self.root / "data" / name, files.PRIVATE_FOLDER)
        return plan, made

    def _planned(self, hub: str | None, address: str | None, made: Made) -> SitePlan:
        there = self.plan()
        if there is None:
            if hub is None or address is None:
                missing = "--hub NAME" if hub is None else "--address HOST"
                raise UsageError(f"a new site needs its hub's name and the host that offices find it at: {missing}")
            try:
                check_host(address)
                there = SitePlan.of(hub, address, new_cluster_id)
            except ValidationError as exc:  # a host that can't stand in an address
                raise UsageError(f"--address {address[:60]}: {exc.errors()[0]['msg']}") from exc
            except ValueError as exc:
                raise UsageError(f"--address {address[:60]}: {exc}") from exc
            with disk_errors(self.root / PLAN):
                write(self.root / PLAN, there.to_text().encode(), mode=files.PRIVATE)
            made.files.append(PLAN)
        if hub is not None and hub != there.hub:
            raise Conflict(f"{self.root} is the site of {there.hub}, expected {hub}; a hub's name is never changed")
        if address is not None and address.lower() not in (*there.hosts, there.https_host):
            raise Conflict(
                f"{self.root}: offices find this site at {there.https_host}, not at {address[:60]}: change it in "
                f"{PLAN} and in hub/{FILE}, then run this without --address"
            )
        return there

    def _make_hub(self, plan: SitePlan, made: Made) -> None:
        if self.hub.ensure_identity(plan.hub) is not None:
            made.files.append("hub/keys")
        if not files.is_file(self.hub.keys / "access.key"):
            # What is given to containers can't be written there: it is made before the first secret is to be kept.
            AccessKey.make(self.hub.keys)

    def _draw_passwords(self, made: Made) -> None:
        for name in PASSWORDS:
            path = self.root / "secrets" / name
            if files.kind_at(path) is None:
                with contextlib.suppress(FileExistsError):
                    create_private(path, secrets.token_hex(PASSWORD_BYTES) + "\n")
                    made.files.append(f"secrets/{name}")

    def _make_users(self, made: Made) -> None:
        """Write whom the brokers know from their first start on: by one salt at all of them, so that they agree."""
        path = self.root / USERS
        if files.kind_at(path) is not None:
            read_users(path)
            return
        words = {FIRST: secrets.token_hex(PASSWORD_BYTES)}
        words |= {user: self._password(user) for user in (ADMIN, WORKER, WEB)}
        users = {user: Credential.of(word, secrets.token_bytes(SALT_LENGTH)) for user, word in words.items()}
        create_private(path, users_to_text(users))
        made.files.append(USERS)

    def _password(self, user: str) -> str:
        path = self.root / "secrets" / f"kafka-{user}"
        try:
            return files.read_private(path).decode("ascii").strip()
        except (files.ExposedError, files.StrangeFileError) as exc:
            raise UsageError(f"{path}: {exc.strerror}; it is to be its owner's alone (chmod 600)") from exc

    def _make_certificates(self, plan: SitePlan, now: datetime, made: Made) -> None:
        authority = Authority.open(self.hub.keys, now)
        for shown in certificates(plan):
            is_there = files.is_file(self.root / shown.file)
            if authority.keep(self.root / shown.file, shown.leaf, now):
                made.files.append(shown.file)
                if is_there and shown.service not in made.restart:
                    made.restart.append(shown.service)

    def _write_settings(self, plan: SitePlan, made: Made) -> None:
        for number in plan.brokers:
            name = broker_name(number)
            files.make_folder(self.root / name, files.PRIVATE_FOLDER)
            self._put(f"{name}/member.yaml", member_text(plan, number), made, name)
        if not files.is_file(self.hub.data_dir / FILE):
            self._put(f"hub/{FILE}", hub_text(plan), made)

    def _put(self, name: str, text: str, made: Made, service: str | None = None) -> None:
        path = self.root / name
        is_there = files.is_file(path)
        if is_there and files.read_text(path) == text:
            return
        write(path, text.encode(), mode=files.PRIVATE)
        made.files.append(name)
        if is_there and service is not None and service not in made.restart:
            made.restart.append(service)
