"""The settings of a hub: what counts, where it comes from, and what is said of a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.broker.principals import Principals
from hub.hq.folder import HubFolder
from hub.hq.other_security import OtherSecurity
from hub.hq.settings import FILE, VARIABLES, HubSettings, InForce, read_settings
from hub.kafka.cluster import Cluster
from hub.kafka.security import ClusterSecurity
from hub.protocol.errors import UsageError
from hub.store.postgres_server import Server


def settings(folder: Path, text: str | None = None, **environment: str) -> InForce:
    if text is not None:
        (folder / FILE).write_text(text, "utf-8")
    return read_settings(folder, environment)


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n"])
def test_hub_without_settings_has_the_defaults(tmp_path: Path, text: str | None) -> None:
    """`hub up` needs no file."""
    found = settings(tmp_path, text)
    assert found.settings == HubSettings()
    assert {origin for _, _, origin in found.rows()} == {"default"}


def test_environment_counts_before_the_file_and_the_file_before_the_default(tmp_path: Path) -> None:
    """Each value says where it comes from."""
    text = "bootstrap: [file:1]\nsecurity: {protocol: SASL_SSL, username: file, password: file}\nworker: {stall_s: 5}\n"
    given = {"HUB_BOOTSTRAP": "env:1, env:2", "HUB_USERNAME": "env", "HUB_PASSWORD": "from-env", "HUB_INSTANCE": "hq-1"}
    given |= {"HUB_ADMIN_USERNAME": "boss", "HUB_ADMIN_PASSWORD": "bossy"}
    given |= {"HUB_WEB_USERNAME": "web", "HUB_WEB_PASSWORD": "webby"}
    given |= {"HUB_METRICS_LISTEN": "9464", "HUB_TRACES_ENDPOINT": "http://traces:4318", "HUB_KEYS": "/run/keys"}
    given |= {"HUB_DATABASE_URL": "postgresql://hq@db.example.org/hub"}
    given |= {"HUB_DATABASE_PASSWORD_FILE": "db.password", "HUB_DATABASE_CA_FILE": "db-ca.pem"}
    found = settings(tmp_path, text, **given)
    assert found.settings.metrics.place == ("127.0.0.1", 9464)
    assert found.settings.traces.endpoint == "http://traces:4318/v1/traces"
    assert found.settings.keys == Path("/run/keys")
    assert found.settings.bootstrap == ("env:1", "env:2")
    assert found.settings.security.login() == ("env", "from-env")
    server = Server("db.example.org", 5432, "hub", "hq", tmp_path / "db.password", tmp_path / "db-ca.pem")
    assert found.settings.database.server() == server
    rows = {name: (value, origin) for name, value, origin in found.rows()}
    assert rows["security.protocol"] == ("SASL_SSL", FILE)
    assert rows["security.username"] == ("env", "HUB_USERNAME")
    assert rows["worker.stall_s"] == (5.0, FILE)
    assert rows["worker.session_s"] == (6.0, "default")
    assert {origin for _, origin in rows.values()} == {FILE, "default", *VARIABLES}


def test_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    """An empty variable, as a container's template leaves it, changes nothing."""
    found = settings(tmp_path, "bootstrap: [file:1]", HUB_BOOTSTRAP="")
    assert (found.settings.bootstrap, found.origins) == (("file:1",), {"bootstrap": FILE})


def test_secret_is_masked_wherever_it_is_shown(tmp_path: Path) -> None:
    """A password can be given, and never read back."""
    found = settings(tmp_path, "security: {password: hunter2}")
    assert {name: value for name, value, _ in found.rows()}["security.password"] == "*****"
    assert "hunter2" not in repr(found)
    found = settings(tmp_path, "web: {security: {username: web, password: hunter2, ca_file: ca.pem}}")
    assert {name: value for name, value, _ in found.rows()}["web.security.password"] == "*****"
    assert "hunter2" not in repr(found)
    assert found.settings.web.security.ca_file == tmp_path / "ca.pem"


def test_paths_are_the_data_directorys(tmp_path: Path) -> None:
    """Wherever the command was started."""
    found = settings(tmp_path, "security: {protocol: SSL, ca_file: ca.pem, cert_file: /etc/hq.pem}").settings.security
    assert (found.ca_file, found.cert_file) == (tmp_path / "ca.pem", Path("/etc/hq.pem"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("worker: {stal_s: 5}", "worker.stal_s: there is no such setting: did you mean worker.stall_s?"),
        ("securty: {}", "securty: there is no such setting: did you mean security?"),
        ("colour: red", "colour: there is no such setting: take it out; docs/settings.md has them all"),
        ("worker: {stall_s: 0}", "worker.stall_s: expected greater than 0, came '0'; change it, or take it out"),
        ("worker: {stall_s: soon}", "worker.stall_s: expected a valid number"),
        ("bootstrap: [nowhere]", "bootstrap: expected host:port, came 'nowhere'; change it"),
        ("security: {protocol: TELNET}", "security.protocol: expected 'PLAINTEXT', 'SSL', 'SASL_PLAINTEXT' or"),
        ("security: hunter2", "security: expected settings below it, such as security.protocol; change it"),
        ("worker:", "worker: expected settings below it, such as worker.instance"),
        ("bootstrap: 5", "bootstrap: expected a list such as [kafka-1:9092], came '5'"),
        ("security: {ca_file: [a]}", "security.ca_file: expected a file's name, came"),
        ("admin: {username: boss}", "admin: expected password or password_file beside username, came none; change it"),
        ("admin: {password_file: boss.word}", "admin: expected username beside password_file, came none; change it"),
        ("admin: {key_file: boss.key}", "admin: expected cert_file beside key_file, came none; change it"),
        ("admin: {principal: CN=boss}", "admin: expected cert_file beside principal, came none; change it"),
        ("admin: {cert_file: b.pem, principal: 'User:CN=boss'}", "admin.principal: expected the name without `User:`"),
        (
            "security: {protocol: SSL, cert_file: a.pem}\nadmin: {username: boss, password: hunter2}",
            "admin: expected protocol SASL_SSL beside username: by SSL nobody logs in",
        ),
        (
            "security: {protocol: SASL_SSL, username: a, password: hunter2}\nadmin: {cert_file: b, principal: CN=b}",
            "admin: who logs in by a password is its username: expected no principal",
        ),
        (
            "security: {protocol: SASL_SSL, username: a, password: hunter2, cert_file: b.pem, principal: CN=b}",
            "security: who logs in by a password is its username: expected no principal",
        ),
        ("security: {protocol: SSL, principal: CN=b}", "security: expected cert_file beside principal, came none"),
        ("security: {protocol: SSL, cert_file: a, principal: ' '}", "security.principal: expected a name as in `CN=hq"),
        (
            "web: {security: {protocol: SSL, username: web, password: hunter2}}",
            "web.security: expected protocol SASL_SSL beside username: by SSL nobody logs in",
        ),
        ("admin: {password: hunter2}", "admin: expected username beside password, came none; change it"),
        ("admin: {passwort: hunter2}", "admin.passwort: there is no such setting: did you mean admin.password?"),
        ("admin: hunter2", "admin: expected settings below it, such as admin.protocol"),
        ("web: {security: hunter2}", "web.security: expected settings below it, such as web.security.protocol"),
        ("web: {security: {password: hunter2}}", "web.security: expected username beside password, came none"),
        ("broker: {listen: nowhere}", "broker.listen: expected host:port, came 'nowhere'; change it"),
        ("broker: {listen: '*:9093'}", "broker.listen: expected the name or the address of a host, came '*'; change"),
        ("broker: {listen: '0.0.0.0:9093'}", "broker: expected advertise beside a listen at every address"),
        ("broker: {listen: '[::]:9093'}", "broker: expected advertise beside a listen at every address"),
        ("broker: {advertise: 'a:9093'}", "broker: expected listen beside advertise, came none"),
        ("broker: {plain: true, listen: 'a:9093'}", "broker: a plain broker is for this machine alone"),
        ("broker: {port: 80}", "broker.port: expected greater than or equal to 1024, came '80'"),
        ("- bootstrap", "expected settings such as `bootstrap"),
        ("security: {password: hunter2", "line 1: expected YAML such as"),
        ("security: {password: [hunter2]}", "security.password: expected a valid string; change it"),
    ],
)
def test_mistake_in_the_file_names_file_setting_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    """One line, and no secret in it."""
    with pytest.raises(UsageError) as told:
        settings(tmp_path, text)
    said = str(told.value)
    assert said.startswith(str(tmp_path / FILE))
    assert expected in said
    assert "hunter2" not in said


def test_admin_is_as_the_worker_but_for_what_is_set(tmp_path: Path) -> None:
    """A name comes with its password, a certificate with its key; files are the data directory's."""
    text = "security: {protocol: SASL_SSL, ca_file: ca.pem, username: worker, password: one}\n"
    same = settings(tmp_path, text).settings
    assert same.admin.over(same.security) == same.security
    other = settings(tmp_path, text + "admin: {username: boss, password: two}\n").settings
    admin = other.admin.over(other.security)
    assert (admin.login(), admin.ca_file, admin.protocol) == (("boss", "two"), tmp_path / "ca.pem", "SASL_SSL")
    text = "security: {protocol: SSL, cert_file: worker.pem, key_file: worker.key}\nadmin: {cert_file: boss.pem}\n"
    found = settings(tmp_path, text).settings
    admin = found.admin.over(found.security)
    assert (admin.protocol, admin.cert_file, admin.key_file) == ("SSL", tmp_path / "boss.pem", None)


def test_password_of_each_may_be_in_a_file(tmp_path: Path) -> None:
    """The three sections have one shape; a password belongs to a name, so one that is inherited never counts."""
    shape = set(ClusterSecurity.model_fields)
    assert set(OtherSecurity.model_fields) == shape
    for name in ("one", "two", "three"):
        (tmp_path / name).write_text(f"word-{name}\n")
        (tmp_path / name).chmod(0o600)
    text = (
        "security: {protocol: SASL_SSL, username: worker, password_file: one}\n"
        "admin: {username: boss, password_file: two}\n"
        "web: {security: {username: web, password_file: three}}\n"
    )
    found = settings(tmp_path, text).settings
    others = (found.admin.over(found.security), found.web.security.over(found.security))
    assert [one.login() for one in (found.security, *others)] == [
        ("worker", "word-one"), ("boss", "word-two"), ("web", "word-three")
    ]  # fmt: skip
    found = settings(tmp_path, text.replace("password_file: one", "password: hunter2")).settings
    assert found.admin.over(found.security).login() == ("boss", "word-two")
    found = settings(tmp_path, text, HUB_ADMIN_PASSWORD="of the environment").settings
    assert found.admin.over(found.security).login() == ("boss", "of the environment")


def test_certificate_of_another_has_its_own_key_and_name(tmp_path: Path) -> None:
    """What the worker's certificate makes it on the cluster is nobody else's name."""
    text = "security: {protocol: SSL, cert_file: w.pem, key_file: w.key, principal: hq}\n"
    found = settings(tmp_path, text + "admin: {cert_file: a.pem}\nweb: {security: {ca_file: ca.pem}}\n").settings
    admin, web = found.admin.over(found.security), found.web.security.over(found.security)
    assert (admin.cert_file, admin.key_file, admin.principal) == (tmp_path / "a.pem", None, None)
    assert (web.cert_file, web.key_file, web.principal) == (tmp_path / "w.pem", tmp_path / "w.key", "hq")
    found = settings(tmp_path, text + "admin: {cert_file: a.pem, principal: boss}\n").settings
    assert found.admin.over(found.security).principal == "boss"


def test_admins_password_is_masked(tmp_path: Path) -> None:
    found = settings(tmp_path, "admin: {username: boss, password: hunter2}")
    assert {name: value for name, value, _ in found.rows()}["admin.password"] == "*****"
    assert "hunter2" not in repr(found)
    found = settings(tmp_path, "web: {security: {username: web, password: hunter2, ca_file: ca.pem}}")
    assert {name: value for name, value, _ in found.rows()}["web.security.password"] == "*****"
    assert "hunter2" not in repr(found)
    assert found.settings.web.security.ca_file == tmp_path / "ca.pem"


def test_offices_find_the_broker_where_it_is_told(tmp_path: Path) -> None:
    """By what is advertised, else by where it listens."""
    assert settings(tmp_path).settings.broker.offices is None
    both = settings(tmp_path, "broker: {listen: '0.0.0.0:9093', advertise: 'hub.example:443'}").settings.broker
    assert both.offices == (("0.0.0.0", 9093), ("hub.example", 443))
    one = settings(tmp_path, "broker: {listen: '[2001:db8::1]:9093'}").settings.broker
    assert one.offices == (("2001:db8::1", 9093), ("2001:db8::1", 9093))


def test_cluster_of_the_embedded_broker_has_both_logins(tmp_path: Path) -> None:
    """At its address, and where no other cluster is set: the worker's, and the admin's for what the admin does."""
    where, none = HubFolder(tmp_path), HubSettings()
    where.broker.mkdir()
    (where.broker / "port").write_text("23456\n")
    plain = where.cluster(none, "127.0.0.1:23456")
    assert plain == Cluster(("127.0.0.1:23456",))
    Principals(where.broker).make()
    locked = where.cluster(none, "127.0.0.1:23456")
    assert locked is not None
    assert locked.admins is not None
    assert (locked.security.username, locked.admins.username) == ("worker", "admin")
    assert locked.security.ca_file == where.keys / "ca.pem"
    assert where.cluster(none, "127.0.0.1:23457") == Cluster(("127.0.0.1:23457",))
    admin = where.admin_cluster(none, "127.0.0.1:23456")
    assert admin is not None
    assert (admin.security.username, admin.admins) == ("admin", None)
    own = settings(tmp_path, "bootstrap: ['127.0.0.1:23456']\n").settings
    assert where.cluster(own) == Cluster(("127.0.0.1:23456",))
    Principals(where.broker).forget()
    assert where.cluster(none, "127.0.0.1:23456") == plain


def test_mistake_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    """It is to be mended there, not in the file."""
    with pytest.raises(UsageError, match=r"^HUB_BOOTSTRAP \(instead of bootstrap in hub.yaml\): expected host:port"):
        settings(tmp_path, HUB_BOOTSTRAP="nowhere")


def test_section_that_is_none_is_no_place_for_a_variable(tmp_path: Path) -> None:
    """What the file says is checked as it is: a variable hides no mistake in it."""
    with pytest.raises(UsageError, match="security: expected settings below it"):
        settings(tmp_path, "security: foo\n", HUB_PASSWORD="x")


def test_file_that_can_not_be_read_is_told(tmp_path: Path) -> None:
    """What is there and is no file is no reason for the defaults."""
    (tmp_path / FILE).mkdir()
    with pytest.raises(UsageError, match=f"can't read {tmp_path / FILE}"):
        settings(tmp_path)


def test_cluster_is_the_one_named_then_the_settings_then_the_last_workers(tmp_path: Path) -> None:
    """The last worker's address is for commands that only look, and has the settings' security."""
    where, none = HubFolder(tmp_path), HubSettings()
    assert where.known_cluster(none) is None
    where.worker_file.write_text('{"bootstrap": "last:1", "pid": 7}\n')  # as 0.2 wrote it
    some = settings(tmp_path, "bootstrap: [file:1]\nsecurity: {protocol: SSL}").settings
    assert where.cluster(none) is None
    found = [
        where.known_cluster(none),
        where.known_cluster(some),
        where.known_cluster(some, "named:1"),
        where.cluster(some),
    ]
    assert [c and c.bootstrap for c in found] == ["last:1", "file:1", "named:1", "file:1"]
    assert [c and c.security.protocol for c in found] == ["PLAINTEXT", "SSL", "SSL", "SSL"]
