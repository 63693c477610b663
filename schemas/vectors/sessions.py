"""Vectors of the HTTPS way in: the note that begins a session, and requests that its key has signed."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from hashlib import sha256, sha512
from typing import Final

from hub.protocol.http_signature import (
    SIGNATURE,
    SIGNATURE_INPUT,
    MessageSignature,
    Request,
    content_digest,
    sign_request,
)
from hub.protocol.keys import Signer
from hub.protocol.note import sign_note
from hub.protocol.session import SessionNote, begin_session, signed_fields
from schemas.vectors.forms import Row, changed_notes, fault, file_of, row_of
from schemas.vectors.keys import CENTER, FOREIGN, HUB, LANE_KEY, SEAL, signer
from schemas.vectors.records import START

ADDRESS: Final = f"https://{HUB}:8443"
KEY: Final = signer(f"{HUB}/{CENTER}/session")
NONCE: Final = sha256(b"cohub test nonce").digest()
SESSION_ID: Final = "dGVzdC1zZXNzaW9uLTEyMw"
CREATED: Final = 1772366400
BODY: Final = b"[]"
POST: Final = Request(
    "POST", ADDRESS, f"/v1/centers/{CENTER}/records", {"content-type": "application/cloudevents-batch+json"}
)
GET: Final = Request("GET", ADDRESS, f"/v1/topics/out.{CENTER}/records?offset=17&wait_s=25", {})
NAMES: Final = ("@method", "@target-uri", "content-digest", "content-type")


def session_vectors() -> Row:
    """Return session notes, and what is none."""
    rows = [
        ("by_name_and_port", SessionNote(HUB, CENTER, ADDRESS, NONCE, KEY.verifier.public, START)),
        ("by_default_port", SessionNote(HUB, CENTER, f"https://{HUB}", NONCE, KEY.verifier.public, START)),
        ("by_ipv4", SessionNote(HUB, CENTER, "https://192.0.2.7:8443", NONCE, KEY.verifier.public, START)),
        ("by_ipv6", SessionNote(HUB, CENTER, "https://[2001:db8::7]", NONCE, KEY.verifier.public, START)),
    ]
    text = rows[0][1].to_text()
    nonce, key = (line.split(" ")[1] for line in text.split("\n")[4:6])
    bad = {
        "version_unknown": ("session/v1", "session/v2"),
        "address_without_tls": ("https://", "http://"),
        "address_with_a_path": (":8443", ":8443/"),
        "address_with_the_default_port": (":8443", ":443"),
        "address_with_a_user": ("https://", "https://uz@"),
        "address_in_capitals": ("https://hub", "https://Hub"),
        "address_port_beyond_16_bits": (":8443", ":84430"),
        "address_ipv6_in_another_form": (f"https://{HUB}", "https://[2001:db8:0::7]"),
        "nonce_of_31_bytes": (nonce, nonce[:40] + "AA=="),
        "nonce_in_hex": (nonce, NONCE.hex()),
        "key_of_small_order": (key, "A" * 43 + "="),
        "key_as_a_vkey": (key, KEY.verifier.to_text()),
        "time_without_offset": (".250000Z", ".250000"),
        "time_with_three_decimals": (".250000Z", ".250Z"),
        "lines_swapped": (f"nonce {nonce}\nkey {key}", f"key {key}\nnonce {nonce}"),
        "line_too_many": (".250000Z\n", ".250000Z\nmore\n"),
    }
    # Signed under the very name that stands in the note: so nothing but that name is at fault.
    named = {
        "hub_in_capitals": (f"\n{HUB}\n", "\nHub.example\n", f"Hub.example/{CENTER}"),
        "hub_empty": (f"\n{HUB}\n", "\n\n", f"/{CENTER}"),
        "center_in_capitals": (f"\n{CENTER}\n", "\nUZ\n", f"{HUB}/UZ"),
        "center_with_a_slash": (f"\n{CENTER}\n", "\nuz/0a1b2c3d\n", f"{HUB}/uz/0a1b2c3d"),
        "center_of_hq": (f"\n{CENTER}\n", "\nhq\n", f"{HUB}/hq"),
        "center_root": (f"\n{CENTER}\n", "\nroot\n", f"{HUB}/root"),
    }
    return file_of(
        "Session notes, by which a center begins a session over HTTPS. nonce and key are in hex here.",
        [
            {
                **row_of(name, begin_session(said, SEAL), [SEAL]),
                "content": {
                    "hub": said.hub,
                    "center": said.center,
                    "address": said.address,
                    "nonce": said.nonce.hex(),
                    "key": said.key.hex(),
                },
            }
            for name, said in rows
        ],
        [
            fault(
                "signed_under_the_lane's_origin", sign_note(text, [LANE_KEY]).to_bytes(), [SEAL], "no line by the key"
            ),
            fault("signed_by_another_center", sign_note(text, [FOREIGN]).to_bytes(), [SEAL], "no line by the key"),
            *changed_notes(text, bad, SEAL),
            *(
                row
                for name, (old, new, under) in named.items()
                for row in changed_notes(text, {name: (old, new)}, SEAL.named(under))
            ),
        ],
    )


def request_vectors() -> Row:
    """Return signed requests of a session, and what is none."""
    post, get = _signed(POST, BODY, 7), _signed(GET, b"", 8)
    digested = _with(post, "content-digest", content_digest(b"[{}]"))
    by_sha_512 = _with(post, "content-digest", f"sha-512=:{b64encode(sha512(BODY).digest()).decode()}:")
    parts = ("@query", "content-digest", "@path", "@authority", "@method", "content-type")
    others = {
        "target_in_parts": sign_request(post, KEY, parts, CREATED, SESSION_ID, "7"),
        "digest_by_sha_512": sign_request(by_sha_512, KEY, NAMES, CREATED, SESSION_ID, "7"),
        "algorithm_said": _resigned(post, ";nonce", ';alg="ed25519";nonce'),
        "more_is_covered": _signed(
            replace(POST, fields={**POST.fields, "date": "Sun, 01 Mar 2026 12:00:00 GMT"}), BODY, 9
        ),
    }
    said, signed = post.fields[SIGNATURE_INPUT], post.fields[SIGNATURE]
    bad = {
        "other_method": replace(post, method="PUT"),
        "other_address": replace(post, address=f"https://{HUB}"),
        "other_center": replace(post, target=post.target.replace("/uz/", "/kz/")),
        "other_query": replace(get, target=get.target.replace("17", "18")),
        "other_type": _with(post, "content-type", "application/vnd.apache.kafka.records.v2"),
        "by_another_key": _signed(POST, BODY, 7, FOREIGN),
        "without_signature": _with(post, SIGNATURE, ""),
        "without_input": _with(post, SIGNATURE_INPUT, ""),
        "without_digest": sign_request(post, KEY, ("@method", "@target-uri", "content-type"), CREATED, SESSION_ID, "7"),
        "without_method": sign_request(post, KEY, NAMES[1:], CREATED, SESSION_ID, "7"),
        "without_query": sign_request(
            post, KEY, ("@method", "@authority", "@path", "content-digest", "content-type"), CREATED, SESSION_ID, "7"
        ),
        "without_type": sign_request(post, KEY, NAMES[:3], CREATED, SESSION_ID, "7"),
        "without_session": sign_request(post, KEY, NAMES, CREATED, "", "7"),
        "number_zero": sign_request(post, KEY, NAMES, CREATED, SESSION_ID, "0"),
        "number_with_a_zero_in_front": sign_request(post, KEY, NAMES, CREATED, SESSION_ID, "07"),
        "number_beyond_63_bits": sign_request(post, KEY, NAMES, CREATED, SESSION_ID, str(2**63)),
        "two_signatures": _with(
            _with(post, SIGNATURE, f"{signed}, {signed.replace('cohub', 'other')}"),
            SIGNATURE_INPUT,
            f"{said}, {said.replace('cohub', 'other')}",
        ),
        "label_of_another": _with(post, SIGNATURE, signed.replace("cohub", "other")),
        "component_twice": _resigned(post, '("@method"', '("@method" "@method"'),
        "component_with_a_parameter": _resigned(post, '"content-type"', '"content-type";sf'),
        "components_with_two_spaces": _resigned(post, '"@method" ', '"@method"  '),
        "parameter_twice": _resigned(post, ";nonce", f";created={CREATED};nonce"),
        "parameter_unknown": _resigned(post, ";nonce", ";x=1;nonce"),
        "algorithm_unknown": _resigned(post, ";nonce", ';alg="hmac-sha256";nonce'),
        "without_created": _resigned(post, f";created={CREATED}", ""),
        "created_as_a_text": _resigned(post, f"={CREATED}", f'="{CREATED}"'),
    }
    return file_of(
        "Requests that a session's key has signed by RFC 9421. key is public, body and base are text.",
        [_row(name, r) for name, r in {"post": post, "get": get, **others}.items()],
        [
            *({**_row(name, r, has_base=False), "reason": name.replace("_", " ")} for name, r in bad.items()),
            {**_row("other_body", post, has_base=False), "body": "[{}]", "reason": "other body"},
            {**_row("other_body_and_digest", digested, has_base=False), "body": "[{}]", "reason": "other digest"},
        ],
    )


def _signed(request: Request, body: bytes, number: int, key: Signer = KEY) -> Request:
    fields = signed_fields(request, body, session=SESSION_ID, key=key, number=number, created=CREATED)
    if "date" in fields:
        return sign_request(replace(request, fields=fields), key, ("date", *NAMES), CREATED, SESSION_ID, str(number))
    return replace(request, fields=fields)


def _with(request: Request, name: str, value: str) -> Request:
    fields = {**request.fields, name: value}
    return replace(request, fields={name: value for name, value in fields.items() if value})


def _resigned(request: Request, old: str, new: str) -> Request:
    """Return a request whose parameters have another text, and are well signed: only this text is at fault."""
    said = request.fields[SIGNATURE_INPUT].partition("=")[2]
    params = said.replace(old, new, 1)
    assert params != said, old
    items = params[1 : params.index(")")].split()
    lines = [f"{item}: {request.component(item.split(chr(34))[1])}" for item in items]
    signed = b64encode(KEY.sign("\n".join([*lines, f'"@signature-params": {params}']).encode())).decode()
    return _with(_with(request, SIGNATURE_INPUT, f"cohub={params}"), SIGNATURE, f"cohub=:{signed}:")


def _row(name: str, request: Request, *, has_base: bool = True) -> Row:
    row: Row = {
        "name": name,
        "method": request.method,
        "address": request.address,
        "target": request.target,
        "fields": dict(request.fields),
        "body": BODY.decode() if "content-type" in request.fields else "",
        "key": KEY.verifier.public.hex(),
    }
    if has_base:
        row["base"] = MessageSignature.from_fields(request.fields).base(request).decode()
    return row
