"""HTTP Message Signatures: the RFC's own vectors, and what has two readings is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.protocol.errors import Malformed
from hub.protocol.http_signature import (
    SIGNATURE,
    SIGNATURE_INPUT,
    MessageSignature,
    Request,
    check_body,
    content_digest,
    read_digests,
    sign_request,
)
from hub.protocol.keys import Signer, Verifier

# RFC 9421, B.1.4 and B.2: the key `test-key-ed25519` and the request `test-request`.
SEED = base64.urlsafe_b64decode("n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU=")
PUBLIC = base64.urlsafe_b64decode("JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs=")
SHA_512 = "sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvRwEmTHWXvJwew==:"
REQUEST = Request(
    "POST",
    "https://example.com",
    "/foo?param=Value&Pet=dog",
    {
        "host": "example.com",
        "date": "Tue, 20 Apr 2021 02:07:55 GMT",
        "content-type": "application/json",
        "content-digest": SHA_512,
        "content-length": "18",
    },
)
NAMES = ("date", "@method", "@path", "@authority", "content-type", "content-length")
PARAMS = (
    '("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473'
    ';keyid="test-key-ed25519"'
)
SIGNED = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
KEY = Verifier("example/test-key-ed25519", PUBLIC)
BASE = b'''"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519"'''


def with_signature(said: str = f"sig-b26={PARAMS}", signed: str = f"sig-b26=:{SIGNED}:") -> Request:
    """Return the RFC's request with these fields of a signature."""
    return replace(REQUEST, fields={**REQUEST.fields, SIGNATURE_INPUT: said, SIGNATURE: signed})


def test_vector_b_2_6_of_the_rfc_is_good() -> None:
    """The base is made byte for byte, and the RFC's signature by its key is good."""
    assert Signer("example/test-key-ed25519", SEED).verifier == KEY
    request = with_signature()
    found = MessageSignature.from_fields(request.fields)
    assert (found.label, found.names, found.created, found.keyid) == ("sig-b26", NAMES, 1618884473, "test-key-ed25519")
    assert found.base(request) == BASE
    found.verify(request, KEY)
    assert base64.b64encode(Signer("x", SEED).sign(BASE)).decode() == SIGNED


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"address": "https://example.org"},
        {"target": "/fop?param=Value&Pet=dog"},
        {"fields": {**REQUEST.fields, "date": "Tue, 20 Apr 2021 02:07:56 GMT"}},
        {"fields": {**REQUEST.fields, "content-length": "19"}},
    ],
)
def test_signature_is_of_no_other_request(changed: dict[str, Any]) -> None:
    """Whatever a signature covers can't be changed on the way."""
    found = MessageSignature.from_fields(with_signature().fields)
    with pytest.raises(Malformed):
        found.verify(replace(REQUEST, **changed), KEY)


def test_derived_components_are_those_of_the_rfc() -> None:
    """RFC 9421, 2.2: each part of a request's target has its own name."""
    request = replace(REQUEST, target="/path?param=value&foo=bar&baz=bat%2Dman", address="https://www.example.com:8443")
    values = {
        "@method": "POST",
        "@target-uri": "https://www.example.com:8443/path?param=value&foo=bar&baz=bat%2Dman",
        "@authority": "www.example.com:8443",
        "@scheme": "https",
        "@request-target": "/path?param=value&foo=bar&baz=bat%2Dman",
        "@path": "/path",
        "@query": "?param=value&foo=bar&baz=bat%2Dman",
    }
    assert {name: request.component(name) for name in values} == values
    assert replace(request, target="/path").component("@query") == "?"
    for name in ("@status", "@query-param", "x-missing"):
        with pytest.raises(Malformed):
            request.component(name)


def test_what_is_signed_here_is_read_here() -> None:
    """A signature goes round, with its parameters in whatever order another library writes them."""
    key = Signer("hub.example/uz/session", bytes(range(32)))
    request = sign_request(REQUEST, key, ["@method", "@target-uri", "content-digest"], 1772366400, "abc", "7")
    found = MessageSignature.from_fields(request.fields)
    found.verify(request, key.verifier)
    assert (found.label, found.created, found.keyid, found.nonce, found.alg) == ("cohub", 1772366400, "abc", "7", "")
    params = '("content-digest" "@method");nonce="7";alg="ed25519";keyid="abc";tag="t";created=1;expires=2'
    base = f'"content-digest": {SHA_512}\n"@method": POST\n"@signature-params": {params}'
    signed = base64.b64encode(key.sign(base.encode())).decode()
    other = with_signature(f"sig1={params}", f"sig1=:{signed}:")
    MessageSignature.from_fields(other.fields).verify(other, key.verifier)


@pytest.mark.parametrize(
    "said",
    [
        "",
        "sig-b26",
        "sig-b26=",
        f"sig-b26={PARAMS}, sig-2={PARAMS}",
        f"Sig-b26={PARAMS}",
        f"sig-b26={PARAMS};created=1618884473",
        f"sig-b26={PARAMS};other=1",
        f"sig-b26={PARAMS};expires=-1",
        f"sig-b26={PARAMS};expires=1.5",
        f'sig-b26={PARAMS};expires="1"',
        f"sig-b26={PARAMS};nonce=1",
        f"sig-b26={PARAMS};nonce",
        f'sig-b26={PARAMS};nonce="\\""',
        f'sig-b26={PARAMS};nonce="é"',
        f'sig-b26={PARAMS};nonce="{"1" * 301}"',
        f"sig-b26={PARAMS.replace(';created', '; created')}",
        f"sig-b26={PARAMS.replace('(', '( ')}",
        f"sig-b26={PARAMS.replace(' ', '  ', 1)}",
        f"sig-b26={PARAMS.replace('date', 'Date')}",
        f"sig-b26={PARAMS.replace(chr(34) + 'date' + chr(34), chr(34) + 'date' + chr(34) + ';sf')}",
        f"sig-b26={PARAMS.replace('@path', 'date')}",
        "sig-b26=" + "(" + " ".join(f'"x-{n}"' for n in range(33)) + ")",
        "sig-b26=(" + '"' + "x" * 3000 + '")',
    ],
)
def test_input_of_another_form_is_refused(said: str) -> None:
    """One signature, in one form: what a second reader could take for something else is not read at all."""
    with pytest.raises(Malformed):
        MessageSignature.from_fields(with_signature(said).fields)


@pytest.mark.parametrize(
    "signed",
    ["", "sig-b26", f"sig-1=:{SIGNED}:", f"sig-b26={SIGNED}", f"sig-b26=:{SIGNED[:-2]}:", "sig-b26=:!!!!:",
     f"sig-b26=:{SIGNED}:, sig-2=:{SIGNED}:", f"sig-b26=:{SIGNED}:;x"],
)  # fmt: skip
def test_signature_of_another_form_is_refused(signed: str) -> None:
    """The value belongs to its input by its label, and is canonical base64."""
    with pytest.raises(Malformed):
        MessageSignature.from_fields(with_signature(signed=signed).fields)


def test_component_that_is_no_printable_text_is_refused() -> None:
    """A value with a line break would be two lines of the base."""
    for value in ("a\nb", "a\x00", "é"):
        request = with_signature()
        broken = replace(request, fields={**request.fields, "date": value})
        with pytest.raises(Malformed):
            MessageSignature.from_fields(broken.fields).verify(broken, KEY)


def test_signature_by_another_algorithm_is_refused() -> None:
    """No key is used for what it was not made for."""
    request = with_signature(f'sig-b26={PARAMS};alg="hmac-sha256"')
    with pytest.raises(Malformed, match="algorithm"):
        MessageSignature.from_fields(request.fields).verify(request, KEY)


def test_digests_are_those_of_the_rfc() -> None:
    """RFC 9530, appendix B, and the body of RFC 9421's test request."""
    hello = b'{"hello": "world"}'
    assert content_digest(hello) == "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
    assert content_digest(hello + b"\n") == "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert content_digest(b"") == "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"
    check_body(read_digests(SHA_512), hello)
    check_body(read_digests(f"{SHA_512},  {content_digest(hello)}, md5=:AAAA:"), hello)
    with pytest.raises(Malformed):
        check_body(read_digests(f"{SHA_512}, {content_digest(b'')}"), hello)


@pytest.mark.parametrize(
    "text",
    ["", "md5=:AAAA:", "sha-256", "sha-256=AAAA", "sha-256=:AAA:", "SHA-256=:AAAA:", "sha-256=:AAAA:;x",
     "sha-256=:AAAA:, sha-256=:AAAA:", "sha-256=:AAAA:,", "," * 3000],
)  # fmt: skip
def test_digest_of_another_form_is_refused(text: str) -> None:
    """A body is held to what its sender said, and to nothing that could be read in two ways."""
    with pytest.raises(Malformed):
        read_digests(text)


@given(st.text(max_size=200), st.text(max_size=200))
def test_reader_is_total(said: str, signed: str) -> None:
    """Whatever stands in the fields, it is Malformed and no other error."""
    for fields in ({SIGNATURE_INPUT: said, SIGNATURE: signed}, {SIGNATURE_INPUT: f"a=(){said}", SIGNATURE: "a=::"}):
        try:
            MessageSignature.from_fields(fields)
        except Malformed:
            continue
