"""Says things in an office's language: a command gives the name of a text and its values, never a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from connectors.cli.program import NAME, typed_name
from hub.base import files
from hub.base.output import line
from hub.base.shell import quote

if TYPE_CHECKING:
    from schemas.words import Language
    from schemas.words.said import Said

_COMMAND: Final = re.compile(r"`(connector [^`]+)`")
# Of settings that can't be read the language often still can.
_LANGUAGE: Final = re.compile(r"""^language:\s*["']?(zh|en|ru)\b""", re.MULTILINE)
_INVITED: Final = re.compile(r'^ *"language": "(zh|en|ru)\b', re.MULTILINE)
_NO_COMMAND: Final = re.compile(r"No such command '(.*)'\.")
_EXTRA: Final = re.compile(r"Got unexpected extra arguments?\S* \((.*)\)")


@dataclass(frozen=True, slots=True)
class Speaker:
    """Speaks to the people of one office.

    Shapes: office is the folder as it was named; a command that is told names it too, where it is not the current one.
    """

    language: Language = "en"
    office: Path = field(default_factory=Path)

    def say(self, name: str, /, **values: object) -> str:
        """Return a text of schemas/words/office.toml."""
        from schemas.words.said import said

        return self.text(said(name, **values))

    def tell(self, name: str, /, **values: object) -> None:
        """Print such a text as a line."""
        line(self.say(name, **values))

    def text(self, said: Said | str) -> str:
        """Return a text that was said elsewhere, its commands as they work from here."""
        text = said if isinstance(said, str) else said.text(self.language)
        return _COMMAND.sub(lambda found: f"`{self._complete(found[1])}`", text)

    def error(self, exc: BaseException) -> str | None:
        """Return what an error says; None where its own message is right: how a command is used is told in English."""
        from connectors.runtime.told import error_text
        from hub.protocol.errors import CohubError

        if isinstance(exc, CohubError):
            return self.text(error_text(exc, self.language))
        if hasattr(exc, "format_message"):
            return None if self.language == "en" else self._misuse(exc)
        return self.say("errors.unexpected", detail=f"{type(exc).__name__}: {exc}")

    def moment(self, text: str | None) -> str:
        """Return a time of the outbox as people read it: this computer's own, to the second."""
        from connectors.cli.moment import local_time

        return self.say("moment.never") if text is None else local_time(text)

    def _complete(self, command: str) -> str:
        command = f"{typed_name()}{command.removeprefix(NAME)}"
        if self.office == Path() or " --office " in command or command.endswith(" --help"):  # not all commands have it
            return command
        start, dashes, rest = command.partition(" -- ")
        return f"{start} --office {quote(self.office)}{dashes}{rest}"

    def _misuse(self, exc: BaseException) -> str:
        """Return how a command was used wrongly, of the errors that typer raises for it."""
        context = getattr(exc, "ctx", None)
        help_of = f"{context.command_path if context is not None else 'connector'} --help"
        return self.say("usage.see", fault=self._fault(exc, str(getattr(exc, "message", exc))), command=help_of)

    def _fault(self, exc: BaseException, message: str) -> str:
        kind, param = type(exc).__name__, getattr(exc, "param", None)
        options = getattr(param, "opts", [])
        name = getattr(exc, "option_name", None) or (max(options, key=len) if options else getattr(param, "name", ""))
        if kind == "NoSuchOption":
            return self.say("usage.no_option", name=name)
        if kind == "MissingParameter":
            return self.say("usage.missing", name=name)
        if kind == "BadOptionUsage":
            return self.say("usage.wants_value" if "requires" in message else "usage.takes_no_value", name=name)
        if kind == "BadParameter":
            return self.say("usage.bad_value", name=name)
        for pattern, text in ((_NO_COMMAND, "no_command"), (_EXTRA, "extra")):
            if found := pattern.search(message):
                return self.say(f"usage.{text}", name=found[1])
        return self.say("usage.other", detail=message)


def speaker_for(arguments: Sequence[str], environment: Mapping[str, str]) -> Speaker:
    """Return who speaks to whoever gave these arguments, as far as they and the office's settings tell.

    It is for what goes wrong before, or while, the settings are read.
    """
    office = Path(_option(arguments, "--office", "-C") or environment.get("COHUB_OFFICE") or ".")
    said = _option(arguments, "--language")
    try:
        found = _LANGUAGE.search(files.read(office / "connector.yaml").decode("utf-8", "replace"))
    except (OSError, ValueError):
        found = None
    found = _invited_in(arguments) or found
    language = said if said in ("zh", "en", "ru") else found[1] if found else "en"
    return Speaker(language, office)  # type: ignore[arg-type]


def _invited_in(arguments: Sequence[str]) -> re.Match[str] | None:
    """Return the language of the invitation that `connector join` was given, also of one that was damaged."""
    for word in arguments[1:] if arguments[:1] == ["join"] else ():
        if not word.startswith("-"):
            try:
                text = files.read_named(Path(word)).decode("utf-8", "replace")
            except (
                OSError,
                ValueError,
            ):  # an option's value, or a file that is not there: it is told by whoever reads it
                continue
            if found := _INVITED.search(text):
                return found
    return None


def _option(arguments: Sequence[str], *names: str) -> str | None:
    """Return the value of an option, the last one where it stands more than once."""
    value = None
    for place, word in enumerate(arguments):
        if word == "--":
            break
        if word in names:
            value = arguments[place + 1] if place + 1 < len(arguments) else None
        for name in names:
            glued = f"{name}=" if name.startswith("--") else name
            if word.startswith(glued) and word != name:
                value = word.removeprefix(glued)
    return value
