"""`hub key …`: the keys that HQ itself signs with. The root key signs which they are, here or on a machine apart.

hub key rotate ── root.key is here ──> keys/trust.note ── the worker publishes it, then signs by the new key
       │
       └─ --request FILE ── (root key's machine) hub key sign ──> note ── (here) hub key install ──> keys/trust.note
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.base import files
from hub.base.durable import disk_errors, write
from hub.base.output import as_json, confirm, line, note, shown, table
from hub.cli.options import DataDir, Json, hub_folder, run_async
from hub.cli.trust_note import TrustNoteResult, handed_out, root_of, tell_incomplete
from hub.protocol.errors import Malformed, UsageError

if TYPE_CHECKING:
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
    """List the keys in the trust note, in use and former. Example: hub key list --json"""
    from hub.hq.identity import load_identity
    from hub.hq.issuing import standing

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    found = standing(identity)
    if json:
        as_json(found.model_dump())
        return
    line(f"trust note {found.serial} of {found.hub}: {found.reason or 'of version 0.1.0'}")
    table("", ["purpose", "id", "kind", "status"], ([key.purpose, key.id, key.kind, key.status] for key in found.keys))
    tell_incomplete(identity)


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

    Examples: hub key rotate receipts --reason "yearly" · hub key rotate log --request log.request
    """
    from hub.hq.identity import load_identity
    from hub.hq.issuing import rotate as rotate_keys

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    done = rotate_keys(identity, purpose, reason, root_of(identity, request, root_key))
    outcome = handed_out(done.issued, "rotate", request, purpose)
    told = [
        f"the new {purpose} key is {_short(key)}{'' if outcome.in_force else ', not yet in use'}" for key in done.made
    ]
    if outcome.in_force:
        former = " ".join(key.key_id.hex() for key in done.former)
        outcome = replace(outcome, then=(f"after half a minute: hub key retire {former}",))
        told.append("what the one before it signed stays good; `hub key retire` says that it signs nothing new")
    outcome.tell(told, json=json)


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
    """Say that from now on nothing new is signed by former keys. Example: hub key retire 1f2e3d4c"""
    from hub.hq.identity import load_identity
    from hub.hq.issuing import retire as retire_keys
    from hub.hq.issuing import signed_ahead

    where = hub_folder(ctx, data_dir)
    identity, ahead = load_identity(where.keys), signed_ahead(where)
    issued = retire_keys(identity, key, reason, root_of(identity, request, root_key), ahead)
    if ahead is not None:
        note(f"HQ's clock was ahead, and what it signed names times up to {shown(ahead)} UTC: retired from then on")
    told = [f"retired: {' '.join(key)}; what was signed before stays good"] if issued.is_in_force else []
    handed_out(issued, "retire", request).tell(told, json=json)


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
    from hub.hq.identity import load_identity
    from hub.hq.issuing import issue, renewal

    where = hub_folder(ctx, data_dir)
    identity = load_identity(where.keys)
    trust = run_async(renewal(where, identity, _outside(witness or [])))
    if trust is not None:
        issued = issue(identity, trust, reason, root_of(identity, request, root_key))
        handed_out(issued, "renew", request).tell(json=json)
        return
    assert identity.trust is not None
    serial = identity.trust.serial
    if json:
        as_json({"hub": identity.hub, "action": "renew", "changed": False, "serial": serial, "next": []})
    else:
        line(f"trust note {serial} has the keys as they are: nothing to do")


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
    from hub.hq.issuing import signed
    from hub.hq.rotation import read_request

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
    if not yes and not confirm("Sign it?"):
        raise typer.Exit(1)
    with disk_errors(out):
        write(out, signed(trust, root))
    if json:
        then = (f"on HQ's machine: hub key install {out.name}",)
        TrustNoteResult("sign", trust, before, in_force=False, file=out, then=then).tell(json=True)
    else:
        line(f"signed: {out}; on HQ's machine: hub key install {out.name}")


@app.command()
def install(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The trust note that `hub key sign` wrote.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Put a trust note in force that was signed elsewhere. Example: hub key install trust.note"""
    from hub.hq.identity import load_identity
    from hub.hq.issuing import install as put_in_force

    identity = load_identity(hub_folder(ctx, data_dir).keys)
    issued = put_in_force(identity, _read(file))
    replace(handed_out(issued, "install", None), file=file).tell(json=json)


def _outside(vkeys: Sequence[str]) -> list[Verifier]:
    """Return the keys of outside witnesses. Errors: UsageError."""
    from hub.protocol.keys import Verifier

    try:
        return [Verifier.from_text(vkey) for vkey in vkeys]
    except Malformed as exc:
        raise UsageError(f"--witness: {exc}") from exc


def _show(trust: Trust, before: Trust | None) -> None:
    """Print the note that is to be signed, each key with a mark that says what is new."""
    line(f"trust note {trust.serial} of {trust.hub}, {trust.time:%Y-%m-%d %H:%M} UTC: {trust.reason}")
    from hub.hq.issuing import trusted_keys

    known = None if before is None else {(key.purpose, key.vkey): key for key in trusted_keys(before)}
    for key in trusted_keys(trust):
        was = None if known is None else known.get((key.purpose, key.vkey))
        mark = " " if known is None or was == key else "+" if was is None else "~"
        line(f"{mark} {key.purpose:<9} {key.id}  {key.kind}, {key.status}")


def _last_signed(path: Path) -> Trust:
    from hub.protocol.trust import open_trust

    try:
        return open_trust(_read(path))
    except Malformed as exc:
        raise UsageError(f"--previous {path}: {exc}") from exc


def _short(key: Verifier) -> str:
    return f"{key.name}+{key.key_id.hex()}"


def _read(path: Path) -> bytes:
    try:
        return files.read_named(path)
    except OSError as exc:
        raise UsageError(f"{path}: expected a file: {exc.strerror}") from exc
