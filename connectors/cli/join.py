"""`connector join`: one file from HQ, one telephone call, and the office is ready."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from connectors.cli.office import Json, OfficeFolder
from connectors.cli.speaker import Speaker
from hub.base.output import as_json, table

if TYPE_CHECKING:
    from connectors.runtime.joining import Inquiry
    from connectors.runtime.settings import ConnectorSettings
    from connectors.runtime.trust import Trusted
    from hub.protocol.errors import Retriable
    from hub.protocol.fingerprint import Fingerprint
    from hub.protocol.invitation import Invitation
    from hub.protocol.joining import Answer, JoinRequest
    from schemas.words import Language


REQUEST_S: Final = 15.0  # of one request over HTTPS
PATIENCE: Final = 5  # so often in a row HQ can't be asked before an office that HQ has heard is told so


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(join)


def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that HQ made for this office.")],
    office: OfficeFolder = Path(),
    language: Annotated[
        str | None,
        typer.Option("--language", help="zh, en or ru: of all that the office reads. Default: the file's."),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            "--wait", metavar="SECONDS", min=0, help="Wait no longer for HQ; 0: ask once. Default: until it answers."
        ),
    ] = None,
    json: Json = False,
) -> None:
    r"""Join a hub by the one file that HQ gave you: makes the office, asks HQ, and waits until HQ has confirmed.

    You and HQ compare six words each by telephone. It may be ended at any time: said again, it goes on where it was.
    It speaks the language that HQ has of this office, unless --language names another.

    Exit status 0: the office is ready; 1: HQ has not confirmed yet; 2: it can't be by this file, and a line says why.

    Examples:

      connector join uz.cohub

      connector join uz.cohub --office D:\cohub --language ru
    """
    from connectors.cli.init import ask_language, lay_out
    from connectors.runtime.joining import has_joined, make_request, read_bundle, settle
    from connectors.runtime.settings import TRUST
    from connectors.runtime.told import OfficeError, os_reason
    from connectors.runtime.trust import Trusted
    from hub.base.lock import held
    from hub.protocol.fingerprint import Fingerprint
    from hub.protocol.trust import open_trust

    bundle = read_bundle(file)
    spoken = ask_language(language or _invited_in(bundle))
    speaker = Speaker(spoken, office)
    root = Fingerprint.of_root(bundle.root)
    if has_joined(office, bundle):
        settle(office, bundle)  # it may have died before that
        if json:
            as_json(_row("joined", bundle, office, root, None))
        else:
            speaker.tell("join.done_before", center=bundle.center, path=office.resolve())
        return
    trust = open_trust(bundle.trust)
    notes = lay_out(office, bundle.center, spoken, trust, bundle.trust)
    try:
        with held(office / "keys" / "join.lock"):  # two of them at once would ask for two different things
            request, _ = make_request(office, bundle, list(notes.values()))
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=exc.filename or office, reason=os_reason(exc)) from exc
    own = request.fingerprint
    if not json:
        _tell_words(speaker, bundle, root, own)
    trusted = Trusted(office / TRUST, trust)
    teller = _Teller(speaker, bundle, f"connector join {_quoted(file)}", quiet=json)
    answer = _ask(office, bundle, request, trusted, spoken, teller, _deadline(wait))
    state = "waits" if answer is None else str(answer.state)
    if answer is None or state == "waits":
        if json:
            as_json(_row(state, bundle, office, root, own))
        else:
            speaker.tell("join.still_waits", command=f"connector join {_quoted(file)}")
        raise typer.Exit(1)
    if state == "refused":
        raise _refusal(bundle, answer.why)
    _finish(office, bundle, spoken, speaker)
    if json:
        as_json(_row("joined", bundle, office, root, own))
        return
    _tell_next(speaker, bundle, office, file)


def _tell_next(speaker: Speaker, bundle: Invitation, office: Path, file: Path) -> None:
    """Say that the office is ready, and which commands come next."""
    speaker.tell("join.done", center=bundle.center, path=office.resolve())
    speaker.tell("init.next")
    speaker.tell("join.check")
    speaker.tell("join.own_sheets", path=office.resolve())
    speaker.tell("join.run")
    speaker.tell("join.service")
    speaker.tell("join.delete", file=file)


def _invited_in(bundle: Invitation) -> str | None:
    """Return the language that HQ has of this office; None where it does not say, or has one without words here."""
    from schemas.words import LANGUAGES

    language = bundle.language.partition("-")[0]
    return language if language in LANGUAGES else None


def _ask(
    office: Path,
    bundle: Invitation,
    request: JoinRequest,
    trusted: Trusted,
    language: Language,
    teller: _Teller,
    is_over: Callable[[], bool],
) -> Answer | None:
    from connectors.cli.log import log_beside
    from connectors.runtime.joining import wait_for_answer

    log_beside()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # why HQ can't be asked is told in the office's words

    async def wait() -> Answer | None:
        return await wait_for_answer(
            _ways(office, bundle, request, trusted, language), teller.heard, teller.away, is_over
        )

    try:
        return asyncio.run(wait())
    except KeyboardInterrupt:
        return teller.newest


def _ways(
    office: Path, bundle: Invitation, request: JoinRequest, trusted: Trusted, language: Language
) -> dict[str, Inquiry]:
    """Return the ways in that the bundle names, Kafka first."""
    from connectors.runtime.joining_kafka import KafkaInquiry

    found: dict[str, Inquiry] = {}
    if bundle.kafka is not None:
        guest = _kafka_settings(office, bundle, language, (bundle.user, bundle.password))
        own = _kafka_settings(office, bundle, language, (bundle.center, None))
        found["kafka"] = KafkaInquiry(bundle, request, guest, own, trusted)
    if bundle.https is not None:
        found["https"] = _https_inquiry(office, bundle, request, trusted)
    return found


def _https_inquiry(office: Path, bundle: Invitation, request: JoinRequest, trusted: Trusted) -> Inquiry:
    """Return what asks over HTTPS, by the environment's proxy where there is one."""
    from connectors.runtime.https.wire import Wire
    from connectors.runtime.joining import HTTPS_CA
    from connectors.runtime.joining_https import HttpsInquiry
    from connectors.runtime.settings import Https

    assert bundle.https is not None
    way = Https(address=bundle.https.address, ca_file=office / HTTPS_CA if bundle.https.ca else None)
    return HttpsInquiry(bundle, request, Wire(way, REQUEST_S), trusted.trust)


def _kafka_settings(
    office: Path, bundle: Invitation, language: Language, login: tuple[str, str | None]
) -> ConnectorSettings:
    """Return settings that reach HQ's brokers; without a password by that of the office's own file."""
    from connectors.runtime.joining import KAFKA_CA, PASSWORD
    from connectors.runtime.settings import make_settings

    way, (user, password) = bundle.kafka, login
    assert way is not None
    security: dict[str, Any] = {"protocol": way.protocol}
    if way.has_login:
        security["username"] = user
        security |= {"password_file": office / PASSWORD} if password is None else {"password": password}
    if way.ca:
        security["ca_file"] = office / KAFKA_CA
    data = {"hub": bundle.hub, "center": bundle.center, "bootstrap": list(way.bootstrap), "language": language}
    return make_settings(data | {"security": security}, "connector join")


def _finish(office: Path, bundle: Invitation, language: Language, speaker: Speaker) -> None:
    """Write the settings of the office, which has joined. Errors: UsageError."""
    from connectors.cli.init import settings_text
    from connectors.runtime.joining import HTTPS_CA, KAFKA_CA, PASSWORD, finish

    kafka, https = bundle.kafka, bundle.https
    text = settings_text(speaker, bundle.hub, bundle.center, () if kafka is None else kafka.bootstrap, language)
    if kafka is not None and kafka.protocol != "PLAINTEXT":
        text += f"security:\n  protocol: {kafka.protocol}\n"
        if kafka.has_login:
            text += f'  username: "{bundle.center}"\n  password_file: {PASSWORD}\n'
        if kafka.ca:
            text += f"  ca_file: {KAFKA_CA}\n"
    if https is not None:
        text += f'https:\n  address: "{https.address}"\n'
        if https.ca:
            text += f"  ca_file: {HTTPS_CA}\n"
    finish(office, bundle, text)


class _Teller:
    """Tells the people of the office what happens while they wait: each thing once.

    Once HQ has the request, a way that breaks off is told when it does so again and again: whoever was let in until HQ
    confirmed loses that the moment it does, and reads the answer by what was given in its place.
    """

    def __init__(self, speaker: Speaker, bundle: Invitation, command: str, *, quiet: bool) -> None:
        self._speaker = speaker
        self._bundle = bundle
        self._command = command
        self._failed = 0
        self._quiet = quiet
        self._told: set[str] = set()
        self.newest: Answer | None = None

    def heard(self, way: str, answer: Answer | None) -> None:
        """Tell that HQ was asked, and that it has the request."""
        self.newest, self._failed = answer or self.newest, 0
        if answer is None:
            self._tell("asked", self._speaker.say("join.asked", way=self._way(way)))
        elif answer.state == "waits":
            self._tell("waits", self._speaker.say("join.waits", command=self._command))

    def away(self, way: str, exc: Retriable) -> None:
        """Tell why HQ can't be asked by this way, and that the file's time may be over."""
        from connectors.runtime.told import error_text

        self._failed += 1
        if self.newest is not None and self._failed < PATIENCE:
            return
        reason = error_text(exc, self._speaker.language)
        self._tell(f"away {way} {reason}", self._speaker.say("join.away", way=self._way(way), reason=reason))
        if datetime.now(UTC) >= self._bundle.expires:
            self._tell("over", self._speaker.text(_over(self._bundle)))

    def _way(self, way: str) -> str:
        return {"kafka": "Kafka", "https": "HTTPS"}[way]

    def _tell(self, key: str, text: str) -> None:
        if self._quiet or key in self._told:
            return
        self._told.add(key)
        from hub.base.output import line

        line(text)


def _over(bundle: Invitation) -> Any:
    from schemas.words.said import said

    moment = f"{bundle.expires:%Y-%m-%d %H:%M} UTC"
    return said("join.over", moment=moment, command=f"hub center invite {bundle.center} FILE")


def _refusal(bundle: Invitation, why: str) -> Exception:
    """Return why HQ refuses, in the office's words, and what to do."""
    from connectors.runtime.told import OfficeError
    from hub.protocol.joining import Why

    again = f"hub center invite {bundle.center} FILE"
    if why == Why.EXPIRED:
        return OfficeError("join.refused.EXPIRED", moment=f"{bundle.expires:%Y-%m-%d %H:%M} UTC", command=again)
    if why in set(Why):
        return OfficeError(f"join.refused.{why}", command=again)
    return OfficeError("join.refused.other", code=why)


def _tell_words(speaker: Speaker, bundle: Invitation, root: Fingerprint, own: Fingerprint) -> None:
    speaker.tell("join.joins", center=bundle.center, name=bundle.name or bundle.center, hub=bundle.hub)
    speaker.tell("join.call")
    columns = ["", speaker.say("join.number"), speaker.say("join.word")]
    speaker.tell("join.theirs")
    table("", columns, _rows(root))
    speaker.tell("join.ours")
    table("", columns, _rows(own))
    speaker.tell("join.differ")


def _rows(words: Fingerprint) -> list[list[object]]:
    return [[place, number, word] for place, (number, word) in enumerate(words.pairs(), 1)]


def _row(state: str, bundle: Invitation, office: Path, root: Fingerprint, own: Fingerprint | None) -> dict[str, Any]:
    """Return how it stands, for programs."""
    return {
        "state": state,
        "hub": bundle.hub,
        "center": bundle.center,
        "office": office.resolve(),
        "expires_at": bundle.expires,
        "root": {"words": list(root.words), "numbers": list(root.numbers)},
        "own": own and {"words": list(own.words), "numbers": list(own.numbers)},
    }


def _deadline(wait_s: float | None) -> Callable[[], bool]:
    """Return what tells that nobody waits any more."""
    if wait_s is None:
        return lambda: False
    until_s = time.monotonic() + wait_s
    return lambda: time.monotonic() >= until_s


def _quoted(file: Path) -> str:
    from hub.base.shell import quote

    return quote(file)
