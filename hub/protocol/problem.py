"""Why HQ refuses a request over HTTPS: a closed list of kinds, in the form of RFC 9457 (`application/problem+json`).

A client goes by `code`, or, where a later HQ says one that it does not know, by the status. Texts are in English, for
whoever writes a client; an office's people are told in their own words by its connector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hub.protocol.errors import CohubError

MEDIA_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:cohub:problem:"


class ProblemCode(StrEnum):
    """What was wrong; each value is the end of a problem's type."""

    BAD_REQUEST = "bad_request"
    BAD_JSON = "bad_json"
    BAD_NOTE = "bad_note"
    BAD_BATCH = "bad_batch"
    BAD_EVENT = "bad_event"
    WRONG_DIGEST = "wrong_digest"
    WRONG_ADDRESS = "wrong_address"
    BAD_SIGNATURE = "bad_signature"
    CLOCK = "clock"
    NONCE = "nonce"
    KEY = "key"
    SESSION_UNKNOWN = "session_unknown"
    NUMBER_REPEATED = "number_repeated"
    WRONG_CENTER = "wrong_center"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    NOT_FOUND = "not_found"
    TOPIC_UNKNOWN = "topic_unknown"
    METHOD = "method"
    TOO_SLOW = "too_slow"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    MEDIA_TYPE = "media_type"
    OFFSET = "offset"
    AGAINST_RULES = "against_rules"
    TOO_MUCH = "too_much"
    FIELDS = "fields"
    FAULT = "fault"
    AWAY = "away"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of refusal. `names` are the members that such a problem has beside those of all."""

    code: ProblemCode
    status: int
    title: str
    remedy: str
    names: tuple[str, ...] = ()


_KINDS: Final = (
    ProblemKind(ProblemCode.BAD_REQUEST, 400, "the request has another form", "mend what `detail` names"),
    ProblemKind(ProblemCode.BAD_JSON, 400, "the body is not the JSON that was expected", "mend what `detail` names"),
    ProblemKind(
        ProblemCode.BAD_NOTE, 400, "the body is no session note", 'write it as PROTOCOL.md says, "The HTTPS way in"'
    ),
    ProblemKind(
        ProblemCode.BAD_BATCH, 400, "the body is no Kafka record batch of magic 2, or a damaged one", "send it again"
    ),
    ProblemKind(
        ProblemCode.BAD_EVENT, 400, "an event of the batch can't become a record", "mend that event", ("pointer",)
    ),
    ProblemKind(ProblemCode.WRONG_DIGEST, 400, "the body is not what was signed", "send it again"),
    ProblemKind(
        ProblemCode.WRONG_ADDRESS,
        401,
        "the note names another address",
        "set the address that HQ has given you, byte for byte",
        ("address",),
    ),
    ProblemKind(
        ProblemCode.BAD_SIGNATURE,
        401,
        "no good signature of this session's key is on the request",
        'sign as PROTOCOL.md says, "The HTTPS way in"',
    ),
    ProblemKind(
        ProblemCode.CLOCK,
        401,
        "the clocks of the two ends differ too much",
        "set the clock of this computer",
        ("time",),
    ),
    ProblemKind(ProblemCode.NONCE, 401, "the nonce is used, too old, or another's", "ask for another nonce"),
    ProblemKind(
        ProblemCode.KEY, 401, "no active seal key of such a center has signed", "have HQ confirm the center's key"
    ),
    ProblemKind(ProblemCode.SESSION_UNKNOWN, 401, "the session has ended, or never began", "begin another session"),
    ProblemKind(
        ProblemCode.NUMBER_REPEATED, 401, "a request of this number was taken already", "send it with a new number"
    ),
    ProblemKind(ProblemCode.WRONG_CENTER, 403, "the session is another center's", "write as the center you are"),
    ProblemKind(ProblemCode.SUSPENDED, 403, "HQ has suspended the center", "ask HQ; reading goes on", ("since", "why")),
    ProblemKind(ProblemCode.CLOSED, 403, "HQ has closed the center", "ask HQ", ("since", "why")),
    ProblemKind(
        ProblemCode.NOT_FOUND, 404, "there is no such thing here", 'PROTOCOL.md says what there is, "The HTTPS way in"'
    ),
    ProblemKind(
        ProblemCode.TOPIC_UNKNOWN,
        404,
        "there is no such topic for this center",
        'PROTOCOL.md says which it reads, "The HTTPS way in"',
    ),
    ProblemKind(ProblemCode.METHOD, 405, "the method is another one here", "see `allow`", ("allow",)),
    ProblemKind(ProblemCode.TOO_SLOW, 408, "the request did not come in time", "send it again"),
    ProblemKind(ProblemCode.CONFLICT, 409, "what is there stands against it", "see `detail`"),
    ProblemKind(ProblemCode.TOO_LARGE, 413, "the body is over its limit", "send less at once", ("limit",)),
    ProblemKind(
        ProblemCode.MEDIA_TYPE, 415, "the body is of another type, or packed", "send one of `accepts`", ("accepts",)
    ),
    ProblemKind(ProblemCode.OFFSET, 416, "the topic has no such offset", "go on at `begin` or `end`", ("begin", "end")),
    ProblemKind(
        ProblemCode.AGAINST_RULES, 422, "HQ's own rules forbid it", "see `field`", ("verdict", "field", "params")
    ),
    ProblemKind(ProblemCode.TOO_MUCH, 429, "this is more than HQ takes at a time", "wait for `Retry-After`"),
    ProblemKind(ProblemCode.FIELDS, 431, "the header fields are over their limit", "send fewer"),
    ProblemKind(ProblemCode.FAULT, 500, "HQ has met a fault of its own", "tell HQ; nothing is lost"),
    ProblemKind(ProblemCode.AWAY, 503, "HQ can't reach its broker or its ledger", "wait, and send it again"),
    ProblemKind(ProblemCode.STOPPING, 503, "HQ is being started again", "wait, and send it again"),
)
PROBLEMS: Final[Mapping[ProblemCode, ProblemKind]] = {kind.code: kind for kind in _KINDS}


class Problem(CohubError):
    """A request that is refused, for one reason. `more` has the members that its kind names."""

    def __init__(self, code: ProblemCode, detail: str = "", *, retry_after_s: int | None = None, **more: Any) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.more = more

    @property
    def kind(self) -> ProblemKind:
        """Its kind, which has the status and the remedy."""
        return PROBLEMS[self.code]

    def document(self) -> dict[str, Any]:
        """Return what is sent. Source: RFC 9457."""
        kind = self.kind
        return {
            "type": f"{TYPE}{kind.code}",
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "code": str(kind.code),
            "remedy": kind.remedy,
            **self.more,
        }
