"""The words of the domain for people who read evidence; what has no word is shown as it is written."""

from __future__ import annotations

from typing import Any, Final

from hub.domain.catalogue import STREAMS
from hub.domain.marks import stream_fields
from schemas.words import NO_WORDS, Language, stream_words, words

_TYPE_PREFIX: Final = "net.cohub."


def stream_word(stream: str, language: Language) -> str:
    """Return what a stream is called."""
    return _word(stream, "title", language) or stream


def event_word(event_type: str, language: Language) -> str:
    """Return what a CloudEvents type such as `net.cohub.deal.signed.v1` is called."""
    stream, _, event = event_type.removeprefix(_TYPE_PREFIX).rpartition(".")[0].partition(".")
    return _word(stream, f"events.{event}", language) or event_type


def status_word(stream: str, status: str, language: Language) -> str:
    """Return how the status of an entity of `stream` is said."""
    return _word(stream, f"statuses.{status}", language) or status


def field_word(stream: str, field: str, language: Language) -> str:
    """Return what a field of a stream's events is called."""
    return _word(stream, f"fields.{field}", language) or field


def coded(stream: str, field: str, value: Any, language: Language) -> Any:
    """Return a field's code in words, each of a list; what is no code of ours as it is.

    Codes of ISO, of HQ's lists and of others have no words here. The names of streams are codes too.
    """
    if isinstance(value, list):
        return [coded(stream, field, item, language) for item in value]
    if not isinstance(value, str):
        return value
    known = STREAMS.get(stream)
    if known is not None and field in stream_fields(known.record):
        return stream_word(value, language)
    return _word(stream, f"codes.{field}.{value}", language) or value


def purpose_word(purpose: str, language: Language) -> str:
    """Return what a key is for: a center's by the words of its stream, HQ's by those of the page."""
    own = _word("center", f"codes.keys.purpose.{purpose}", language)
    return own or words("evidence").find(f"purposes.{purpose}", language) or purpose


def _word(stream: str, name: str, language: Language) -> str | None:
    return stream_words().get(stream, NO_WORDS).find(name, language)
