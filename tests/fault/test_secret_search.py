"""The search for secrets finds one that was planted, in each form and each place: else it would prove nothing."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.sampled import Sampler
from tests.support.secret_forms import Found, Search, Secret, exposed, pem_values

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what others can see is read from /proc")

RAW = bytes(range(7, 39))
WORD = 'a word with "quotes", a \\ and a / of 40 characters'
PEM = b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(bytes(range(138))).replace(b"\n", b"")[:64] + b"\n"

PLANTED = {
    "as it is": b"x" + RAW + b"y",
    "hex": RAW.hex().encode(),
    "upper hex": RAW.hex().upper().encode(),
    "base64": base64.b64encode(RAW),
    "base64 without its end": base64.b64encode(RAW).rstrip(b"="),
    "base64, within more, 1": base64.b64encode(b"a" + RAW + b"bc"),
    "base64, within more, 2": base64.b64encode(b"ab" + RAW + b"c"),
    "base64, within more, 3": base64.b64encode(b"abc" + RAW),
    "base64url": base64.urlsafe_b64encode(b"login:" + RAW).rstrip(b"="),
    "percent": b"?key=" + quote(RAW).encode(),
    "percent, all of it": "".join(f"%{byte:02x}" for byte in RAW).upper().encode(),
    "repr": repr({"key": RAW}).encode(),
    "JSON": json.dumps({"key": RAW.decode("latin-1")}).encode(),
    "JSON of a word": json.dumps({"password": WORD}).encode(),
    "percent of a word": quote(f"http://me:{WORD}@proxy", safe=":").encode(),
    "a word for Windows": f"<x>{WORD}</x>".encode("utf-16"),
    "basic login": base64.b64encode(f"name:{WORD}".encode()),
    "a word in a traceback": f"ValueError: {WORD!r}".encode(),
}


@pytest.mark.parametrize("name", PLANTED)
def test_secret_is_found_in_each_form(name: str, tmp_path: Path) -> None:
    """In a file, a hidden one, one that is mostly a hole, one in a zip, and in a file's name where it can be one."""
    search = Search([Secret("planted", (RAW,)), Secret("planted", (WORD.encode(),))])
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / ".hidden").write_bytes(b"before " + PLANTED[name] + b" behind")
    with (tmp_path / "sparse").open("wb") as file:
        file.seek(10 << 20)
        file.write(PLANTED[name])
        file.truncate(20 << 20)
    with zipfile.ZipFile(tmp_path / "some.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner.txt", PLANTED[name])
    (tmp_path / "innocent").write_bytes(os.urandom(5000))
    assert {found.place for found in search.beneath(tmp_path)} == {"deep/er/.hidden", "some.whl!inner.txt", "sparse"}


def test_secret_is_found_in_names_links_and_keys_in_pem(tmp_path: Path) -> None:
    (tmp_path / f"core.{RAW.hex()}").touch()
    (tmp_path / "link").symlink_to(f"/nowhere/{RAW.hex()}")
    pem = PEM + base64.b64encode(RAW) + b"\n-----END PRIVATE KEY-----\n"
    (tmp_path / "copy").write_bytes(b"log: " + PEM[28:-1])
    (tmp_path / "der").write_bytes(pem_values(pem)[0])
    found = Search([Secret("name", (RAW,)), Secret("pem", pem_values(pem))]).beneath(tmp_path)
    assert {(one.kind, one.place) for one in found if one.kind == "pem"} == {("pem", "copy"), ("pem", "der")}
    assert {one.place for one in found if one.kind == "name"} >= {f"core.{RAW.hex()}", "link"}


def test_secret_at_home_is_no_finding_and_elsewhere_is_one(tmp_path: Path) -> None:
    for place in ("hub/keys/a.key", "hub/keys/b.key"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(RAW)
        (tmp_path / place).chmod(0o640)
    secret = Secret("key", (RAW,), ("hub/keys/a.key",))
    assert Search([secret]).beneath(tmp_path) == [Found("hub/keys/b.key", "key", "as it is")]
    (tmp_path / "hub" / "keys").chmod(0o750)
    assert exposed(tmp_path, [secret], ("keys",)) == ["hub/keys/a.key: 640", "hub/keys: 750"]


def test_sampler_sees_command_lines_and_environments(tmp_path: Path) -> None:
    """Also of a process that lives for a moment only, and of a child of a child."""
    nested = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(0.5)', sys.argv[1]])"
    )
    with Sampler(tmp_path) as sampler:
        environment = os.environ | {"TMPDIR": str(tmp_path), "A_PASSWORD": RAW.hex()}
        subprocess.run([sys.executable, "-c", nested, WORD], check=True, env=environment)
    search = Search([Secret("argument", (WORD.encode(),)), Secret("variable", (RAW,))])
    hits = {(one.kind, what) for (_, what), texts in sampler.seen.items() for t in texts for one in search.of(t, what)}
    assert hits == {("argument", "cmdline"), ("variable", "environ")}
