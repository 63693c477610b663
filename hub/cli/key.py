"""`hub key …`: the keys that HQ itself signs with. The root key signs which they are, here or on a machine apart.

hub key rotate ── root.key is here ──> keys/trust.note ── the worker publishes it, then signs by the new key
       │
       └─ --request FILE ── (root key's machine) hub key sign ──> note ── (here) hub key install ──> keys/trust.note
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base.output import as_json, line, note, table
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.trust_note import Issued, issue, key_rows, root_of, unsigned_keys
from hub.hq.folder import HubFolder
from hub.protocol.errors import Malformed, UsageError

if TYPE_CHECKING:
    from hub.hq.identity import Identity
    from hub.protocol.keys import Verifier
    from hub.protocol.trust import Trust

app = typer.Typer(help="HQ's own keys: list, rotate, retire; the trust note that says which.", no_args_is_help=True)

RootKey = Annotated[
    Path | None, typer.Option("--root-key", metavar="FILE", help="The root key. Default: root.key in the keys' folder.")
]
Request = Annotated[
    Path | None,
    typer.Option("--request", metavar="FILE", help="The root key is elsewhere: write what it is to sign to this file."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the trust note, for everybody to read.")]


@app.command("list")
def list_keys(ctx: typer.Context, data_dir: DataDir = None, json: Json = False) -> None:
    """List the keys in the trust note, in use and former. Example: hub key list --json."""
    from hub.hq.identity import load_identity
    from hub.hq.rotation import current

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    trust = current(identity)
    found = key_rows(trust)
    if json:
        as_json({"hub": trust.hub, "serial": trust.serial, "time": trust.time, "reason": trust.reason, "keys": found})
        return
    line(f"trust note {trust.serial} of {trust.hub}: {trust.reason or 'of version 0.1.0'}")
    table("", ["purpose", "id", "kind", "status"], ([k["purpose"], k["id"], k["kind"], k["status"]] for k in found))
    _tell_incomplete(identity)


@app.command()
def rotate(
    ctx: typer.Context,
    purpose: Annotated[str, typer.Argument(metavar="PURPOSE", help="receipts, log or hq.")],
    reason: Reason = "rotated",
    request: Request = None,
    root_key: RootKey = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a new key and take it into use; of the log, one of each kind. What the one before it signed stays good.

    Example: hub key rotate receipts --reason "yearly". With an offline root key: hub key rotate log --request FILE
    """
    from hub.hq.identity import load_identity
    from hub.hq.rotation import PURPOSES, rotated

    if purpose not in PURPOSES:
        raise UsageError(f"PURPOSE {purpose}: expected one of {', '.join(PURPOSES)}")
    identity = load_identity(hub_folder(ctx, data_dir).keys)
    root_of(identity, request, root_key)  # before a key is made
    trust = rotated(identity, purpose)
    issued = issue(identity, trust, reason, request, root_key)
    keys = [key for key in trust.keys()[purpose] if trust.in_use(purpose, key.algorithm) == key]
    told = [f"the new {purpose} key is {_short(key)}{'' if issued.in_force else ', not yet in use'}" for key in keys]
    if issued.in_force:
        former = [key.key_id.hex() for key in trust.keys()[purpose] if key not in keys and not trust.retired_at(key)]
        issued = replace(issued, then=(f"after half a minute: hub key retire {' '.join(former)}",))
        told.append("what the one before it signed stays good; `hub key retire` says that it signs nothing new")
    issued.tell("rotate", told, json=json, purpose=purpose)


@app.command()
def retire(
    ctx: typer.Context,
    key: Annotated[
        list[str], typer.Argument(metavar="KEY...", help="The keys' ids, 8 hex digits (see `hub key list`).")
    ],
    reason: Reason = "retired",
    request: Request = None,
    root_key: RootKey = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say that from now on nothing new is signed by former keys. Example: hub key retire 1f2e3d4c."""
    from hub.hq.identity import load_identity
    from hub.hq.rotation import retired

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    trust = retired(identity, key, datetime.now(UTC))
    issued = issue(identity, trust, f"{reason}: {' '.join(key)}", request, root_key)
    told = [f"retired: {' '.join(key)}; what was signed before stays good"] if issued.in_force else []
    issued.tell("retire", told, json=json)


@app.command()
def renew(
    ctx: typer.Context,
    reason: Reason = "the keys as they are",
    request: Request = None,
    root_key: RootKey = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="VKEY", help="An outside witness's key; may be repeated.")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Sign the keys as they are, with the centers' witness keys: for a hub of 0.1.0, and where the root key is offline.

    Example: hub key renew --request trust.request
    """
    done = run_async(_renew(hub_folder(ctx, data_dir), reason, request, root_key, witness or []))
    if isinstance(done, Issued):
        done.tell("renew", json=json)
    elif json:
        as_json({"hub": done.hub, "action": "renew", "changed": False, "serial": done.serial, "next": []})
    else:
        line(f"trust note {done.serial} has the keys as they are: nothing to do")


@app.command()
def sign(
    request: Annotated[Path, typer.Argument(metavar="REQUEST", help="The file that --request wrote.")],
    root_key: Annotated[Path, typer.Option("--root-key", metavar="FILE", help="The root key.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the trust note is written.")],
    previous: Annotated[
        Path | None,
        typer.Option("--previous", metavar="FILE", help="The trust note that was signed last, kept with the root key."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Sign a request with the root key, on the machine that has it; needs no data directory.

    With --previous the request must come from a key of that note and go on from it; a key that is new in it is marked
    with a +, one of which it says something else with a ~. With --json nobody is asked, so it needs --yes.

    Example: hub key sign log.request --root-key root.key --previous trust-3.note --out trust-4.note
    """
    from hub.hq.identity import read_root
    from hub.hq.rotation import read_request
    from hub.protocol.note import sign_note

    if json and not yes:
        raise UsageError("--json asks nobody: add --yes, or look at the keys and answer without it")
    before = None if previous is None else _last_signed(previous)
    trust = read_request(_read(request), before)
    root = read_root(root_key, trust.root)
    if not json:
        _show(trust, before)
    if before is None:
        note(
            "nothing says that HQ made this: name the note that was signed last with --previous, or ask HQ by telephone"
        )
    if not yes and not typer.confirm("Sign it?"):
        raise typer.Exit(1)
    out.write_bytes(sign_note(trust.to_text(), [root]).to_bytes())
    if json:
        then = (f"on HQ's machine: hub key install {out.name}",)
        as_json(Issued(trust, before, in_force=False, file=out, then=then).as_values("sign"))
    else:
        line(f"signed: {out}; on HQ's machine: hub key install {out.name}")


@app.command()
def install(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The trust note that `hub key sign` wrote.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a trust note in force that was signed elsewhere. Example: hub key install trust.note."""
    from hub.hq.identity import load_identity
    from hub.hq.rotation import current
    from hub.hq.rotation import install as put_in_force

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    trust = put_in_force(identity, _read(file))
    Issued(trust, current(identity), in_force=True, file=file).tell("install", json=json)


async def _renew(
    where: HubFolder, reason: str, request: Path | None, root_key: Path | None, outside: Sequence[str]
) -> Issued | Trust:
    """Return the note that was issued, or the one in force where that says it all."""
    from hub.hq.identity import load_identity
    from hub.hq.rotation import current, is_same, with_witnesses, witness_keys
    from hub.protocol.keys import Verifier

    identity = load_identity(where.keys)
    async with where.headquarters() as (_, headquarters):
        registered = witness_keys((await headquarters.basis()).registry)
    trust = with_witnesses(current(identity), registered, datetime.now(UTC))
    try:
        added = [key for key in map(Verifier.from_text, outside) if key not in trust.witnesses]
    except Malformed as exc:
        raise UsageError(f"--witness: {exc}") from exc
    trust = replace(trust, witnesses=(*trust.witnesses, *added))
    if is_same(trust, current(identity)):
        return trust
    return issue(identity, trust, reason, request, root_key)


def _show(trust: Trust, before: Trust | None) -> None:
    """Print the note that is to be signed, each key with a mark that says what is new."""
    line(f"trust note {trust.serial} of {trust.hub}, {trust.time:%Y-%m-%d %H:%M} UTC: {trust.reason}")
    known = None if before is None else {(row["purpose"], row["vkey"]): row for row in key_rows(before)}
    for row in key_rows(trust):
        was = None if known is None else known.get((row["purpose"], row["vkey"]))
        mark = " " if known is None or was == row else "+" if was is None else "~"
        line(f"{mark} {row['purpose']:<9} {row['id']}  {row['kind']}, {row['status']}")


def _last_signed(path: Path) -> Trust:
    from hub.protocol.trust import open_trust

    try:
        return open_trust(_read(path))
    except Malformed as exc:
        raise UsageError(f"--previous {path}: {exc}") from exc


def _tell_incomplete(identity: Identity) -> None:
    missing = unsigned_keys(identity)
    if missing:
        note(missing)


def _short(key: Verifier) -> str:
    return f"{key.name}+{key.key_id.hex()}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise UsageError(f"{path}: expected a file: {exc.strerror}") from exc
