"""HTTP Message Signatures (RFC 9421) and Content-Digest (RFC 9530), as far as a request needs them. Pure.

Only what has one reading is read: one signature in a message, its parameters in the form that a serialiser of RFC 8941
writes, no component with parameters of its own (`;sf`, `;bs`, `;req`). What is signed is the text of the parameters as
it came, so the order in which a library writes them does not matter.

The base of a signature, for a request of the form that cohub's own client signs:

    "@method": POST
    "@target-uri": https://hub.example/v1/centers/uz/records
    "content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
    "content-type": application/vnd.apache.kafka.records.v2
    "@signature-params": ("@method" "@target-uri" "content-digest" …);created=1772366400;keyid="…";nonce="7"

Errors: Malformed everywhere.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

from hub.protocol.errors import Malformed
from hub.protocol.keys import Signer, Verifier, read_base64

SIGNATURE_INPUT: Final = "signature-input"
SIGNATURE: Final = "signature"
CONTENT_DIGEST: Final = "content-digest"
ALGORITHM: Final = "ed25519"
LABEL: Final = "cohub"
INPUT_CHARS_MAX: Final = 2_000
COMPONENTS_MAX: Final = 32
PARAMETERS: Final = frozenset({"created", "expires", "nonce", "alg", "keyid", "tag"})
DIGESTS: Final = {"sha-256": hashlib.sha256, "sha-512": hashlib.sha512}

_FIELD: Final = r"[a-z0-9!#$%&'*+.^_`|~-]{1,60}"
_KEY: Final = r"[a-z*][a-z0-9_.*-]{0,39}"
_STRING: Final = r'"[\x20\x21\x23-\x5b\x5d-\x7e]{0,300}"'  # without escapes
_INPUT: Final = re.compile(
    rf'(?P<label>{_KEY})=(?P<params>\((?P<names>(?:"@?{_FIELD}"(?: "@?{_FIELD}")*)?)\)'
    rf"(?P<rest>(?:;{_KEY}=(?:{_STRING}|[0-9]{{1,15}})){{0,8}}))",
    re.ASCII,
)
_PARAMETER: Final = re.compile(rf";({_KEY})=({_STRING}|[0-9]{{1,15}})", re.ASCII)
_BYTES: Final = re.compile(rf"({_KEY})=:([A-Za-z0-9+/=]{{0,400}}):", re.ASCII)
_DIGEST: Final = re.compile(r"([a-z0-9*][a-z0-9_.*-]{0,39})=:([A-Za-z0-9+/=]{0,400}):", re.ASCII)
_VALUE: Final = re.compile(r"[\x20-\x7e\t]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it stands on the wire, whatever carries it.

    Shapes: address is `https://host[:port]` without the default port; target is path and query, percent-encoded as it
            is sent, and begins with `/`; fields go by name in lower case, several of one name joined by ", ".
    """

    method: str
    address: str
    target: str
    fields: Mapping[str, str]

    @property
    def uri(self) -> str:
        """The target URI."""
        return self.address + self.target

    def component(self, name: str) -> str:
        """Return the value of one component. Errors: Malformed where the request has none of that name."""
        path, _, query = self.target.partition("?")
        scheme, _, authority = self.address.partition("://")
        derived = {
            "@method": self.method,
            "@target-uri": self.uri,
            "@authority": authority,
            "@scheme": scheme,
            "@request-target": self.target,
            "@path": path,
            "@query": f"?{query}",
        }
        value = derived.get(name) if name.startswith("@") else self.fields.get(name)
        if value is None:
            raise Malformed(f"signature: it covers {name}, and the request has no such component")
        return value.strip(" \t")


def signature_base(components: Sequence[tuple[str, str]], params: str) -> bytes:
    """Return what is signed: each component with its value, and then the parameters. Source: RFC 9421, 2.5."""
    lines = [f'"{name}": {value}' for name, value in components]
    if not all(map(_VALUE.fullmatch, lines)):
        raise Malformed("signature: a component's value has characters that are not printable ASCII")
    return "\n".join([*lines, f'"@signature-params": {params}']).encode("ascii")


@dataclass(frozen=True, slots=True)
class MessageSignature:
    """One signature of a message, read and not yet verified.

    Shapes: params is the text of `@signature-params`; nonce, keyid, alg and tag are '' where they are not said.
    Units:  created and expires are seconds since 1970; -1 where they are not said.
    """

    label: str
    names: tuple[str, ...]
    params: str
    signature: bytes
    created: int = -1
    expires: int = -1
    keyid: str = ""
    nonce: str = ""
    alg: str = ""
    tag: str = ""

    @classmethod
    def from_fields(cls, fields: Mapping[str, str]) -> Self:
        """Return the only signature of a message that has these fields. Errors: Malformed."""
        said, signed = (fields.get(name, "").strip(" \t") for name in (SIGNATURE_INPUT, SIGNATURE))
        if not said or not signed:
            raise Malformed("signature: expected the fields Signature-Input and Signature")
        found = _INPUT.fullmatch(said) if len(said) <= INPUT_CHARS_MAX else None
        if found is None:
            raise Malformed(
                'signature: expected one signature with parameters such as ("@method" "@target-uri" "content-digest")'
                f';created=…;keyid="…";nonce="…", got {said[:120]!r}'
            )
        names = tuple(found["names"].replace('"', "").split())
        if len(set(names)) != len(names) or len(names) > COMPONENTS_MAX:
            raise Malformed(f"signature: expected at most {COMPONENTS_MAX} components, each once")
        pairs = _PARAMETER.findall(found["rest"])
        params = dict(pairs)
        if len(params) != len(pairs) or not params.keys() <= PARAMETERS:
            raise Malformed(f"signature: expected parameters of {', '.join(sorted(PARAMETERS))}, each once")
        value = _BYTES.fullmatch(signed)
        if value is None or value[1] != found["label"]:
            raise Malformed(f"signature: expected {found['label']}=:<base64>:, got {signed[:120]!r}")
        return cls(
            found["label"],
            names,
            found["params"],
            read_base64(value[2], "signature"),
            created=_number(params, "created"),
            expires=_number(params, "expires"),
            keyid=_text(params, "keyid"),
            nonce=_text(params, "nonce"),
            alg=_text(params, "alg"),
            tag=_text(params, "tag"),
        )

    def base(self, request: Request) -> bytes:
        """Return what the signature is over, if it is this request's. Errors: Malformed for a missing component."""
        return signature_base([(name, request.component(name)) for name in self.names], self.params)

    def verify(self, request: Request, key: Verifier) -> None:
        """Check that `key` signed this request. Errors: Malformed."""
        if self.alg not in {"", ALGORITHM}:
            raise Malformed(f"signature: expected the algorithm {ALGORITHM}, got {self.alg[:40]!r}")
        key.verify(self.base(request), self.signature)


def sign_request(request: Request, key: Signer, names: Sequence[str], created: int, keyid: str, nonce: str) -> Request:
    """Return the request with its signature: another request with the fields Signature-Input and Signature.

    Units: created is seconds since 1970. Errors: Malformed where the request has no such component.
    """
    listed = " ".join(f'"{name}"' for name in names)
    params = f'({listed});created={created};keyid="{keyid}";nonce="{nonce}"'
    base = signature_base([(name, request.component(name)) for name in names], params)
    signed = base64.b64encode(key.sign(base)).decode()
    fields = {**request.fields, SIGNATURE_INPUT: f"{LABEL}={params}", SIGNATURE: f"{LABEL}=:{signed}:"}
    return Request(request.method, request.address, request.target, fields)


def content_digest(body: bytes) -> str:
    """Return the field Content-Digest of a body, also of none."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def read_digests(text: str) -> dict[str, bytes]:
    """Return what Content-Digest says, by the algorithms that we know. Errors: Malformed if there is none of them."""
    members = [_DIGEST.fullmatch(member.strip(" \t")) for member in text.split(",")]
    if len(text) > INPUT_CHARS_MAX or not all(members):
        raise Malformed(f"content-digest: expected sha-256=:<base64>:, got {text[:120]!r}")
    said = [(member[1], member[2]) for member in members if member is not None]
    found = {name: read_base64(value, "content-digest") for name, value in said if name in DIGESTS}
    if not found or len(dict(said)) != len(said):
        raise Malformed(f"content-digest: expected one of {', '.join(DIGESTS)}, each once, got {text[:120]!r}")
    return found


def check_body(digests: Mapping[str, bytes], body: bytes) -> None:
    """See that a body has every one of these digests. Errors: Malformed."""
    for name, digest in digests.items():
        if DIGESTS[name](body).digest() != digest:
            raise Malformed(f"content-digest: the body of {len(body)} bytes has another {name} than the request says")


def _number(params: Mapping[str, str], name: str) -> int:
    value = params.get(name, "-1")
    if value.startswith('"'):
        raise Malformed(f"signature: expected a number for {name}, got a text")
    return int(value)


def _text(params: Mapping[str, str], name: str) -> str:
    value = params.get(name, '""')
    if not value.startswith('"'):
        raise Malformed(f"signature: expected a text for {name}, got a number")
    return value[1:-1]
