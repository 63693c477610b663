"""Vectors of enrolment in one file: bundles, join requests, HQ's answers, and fingerprints in words."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hub.protocol.control import enrolment
from hub.protocol.fingerprint import Fingerprint
from hub.protocol.invitation import HttpsWay, Invitation, KafkaWay
from hub.protocol.joining import Answer, JoinRequest, State, Why, seal_request
from hub.protocol.keys import COSIGNATURE_MLDSA44
from hub.protocol.note import Signer, sign_note
from hub.protocol.scram import Credential
from hub.protocol.trust import Trust
from schemas.vectors.forms import Row, changed_notes, fault, file_of, row_of
from schemas.vectors.keys import CENTER, COSIGNER, HUB, RECEIPTS, ROOT, SEAL, WITNESS, signer
from schemas.vectors.records import START
from schemas.vectors.trust import long_enrolment

ID: Final = "0badcafe"
HQ: Final = signer(f"{HUB}/hq")


def secret(name: str) -> bytes:
    """Return 32 bytes that are secret nowhere."""
    return sha256(f"cohub test secret, not secret: {name}".encode()).digest()


PRIVATE: Final = secret("invitation key")
PUBLIC: Final = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
# Encryption draws a key of its own each time, so the vectors' requests are kept as they were once encrypted.
SEALED: Final = Path(__file__).parent / "hpke.json"
_sealed: Final[dict[str, str]] = json.loads(SEALED.read_text("utf-8")) if SEALED.exists() else {}


def sealed_text() -> str:
    """Return the text of the file of kept requests."""
    return json.dumps(dict(sorted(_sealed.items())), indent=1) + "\n"


def sealed(bundle: Invitation, request: JoinRequest) -> bytes:
    """Return a request, encrypted: the same in every run."""
    place = sha256(bundle.to_bytes() + request.to_bytes()).hexdigest()
    if place not in _sealed:
        _sealed[place] = base64.b64encode(seal_request(bundle, request)).decode()
    return base64.b64decode(_sealed[place])


def trust_note() -> bytes:
    """Return the trust note of the vectors' bundles."""
    logs = [signer(f"{HUB}/log"), Signer(f"{HUB}/log", signer(f"{HUB}/log", 2).seed, COSIGNATURE_MLDSA44)]
    trust = Trust(
        HUB,
        ROOT.verifier,
        (RECEIPTS.verifier,),
        tuple(key.verifier for key in logs),
        (HQ.verifier,),
        serial=1,
        time=START,
        reason="the first keys",
    )
    return sign_note(trust.to_text(), [ROOT]).to_bytes()


def authority() -> str:
    """Return what looks like a certificate in PEM, and is none: nobody reads it here."""
    text = base64.b64encode(b"".join(secret(f"authority {n}") for n in range(9))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----")) + "\n"


def bundle(**changes: Any) -> Invitation:
    """Return a bundle with both ways in."""
    made = Invitation(
        hub=HUB,
        center=CENTER,
        name="Ташкент",
        id=ID,
        key=PUBLIC,
        secret=secret("invitation"),
        expires=START + timedelta(hours=72),
        trust=trust_note(),
        kafka=KafkaWay(("kafka-1.hub.example:9093", "[2001:db8::7]:9093"), "SASL_SSL", authority()),
        https=HttpsWay("https://hub.example", authority()),
    )
    return replace(made, **changes)


def request(**changes: Any) -> JoinRequest:
    """Return the request of the center that the vectors are about."""
    made = JoinRequest(
        hub=HUB,
        center=CENTER,
        invitation=ID,
        root=ROOT.verifier,
        notes=(enrolment(HUB, CENTER, "seal", SEAL), enrolment(HUB, CENTER, "witness", COSIGNER)),
        credential=Credential.of("not-a-secret", secret("salt"), 8192),
    )
    return replace(made, **changes)


def invitation_vectors() -> Row:
    """Return enrolment bundles, and what is none."""
    good = bundle()
    text = good.to_bytes().decode()
    rows = [
        ("both_ways", good),
        ("kafka_alone", bundle(https=None)),
        ("https_alone", bundle(kafka=None)),
        ("by_the_system's_authorities", bundle(kafka=KafkaWay(("broker.example.net:443",)), https=None)),
        ("of_an_office_that_reads_russian", bundle(https=None, language="ru")),
        ("without_tls", bundle(kafka=KafkaWay(("127.0.0.1:9092",), "PLAINTEXT"), https=None, name="")),
    ]
    made = [{"name": name, "text": one.to_bytes().decode(), "content": _said(one)} for name, one in rows]
    made.append({"name": "as_mail_sends_it", "text": "\ufeff" + text.replace("\n", "\r\n"), "content": _said(good)})
    changes: dict[str, Callable[[Row], None]] = {
        "format_unknown": _put("format", "cohub-invitation/v2"),
        "name_of_a_field_unknown": _put("more", "1"),
        "hub_missing": lambda row: row.pop("hub"),
        "hub_in_capitals": _put("hub", "Hub.example"),
        "center_reserved": _put("center", "root"),
        "invitation_in_capitals": _put("invitation", "0BADCAFE"),
        "language_that_is_no_tag": _put("language", "Русский"),
        "language_empty": _put("language", ""),
        "host_with_two_readings": lambda row: row["kafka"].update(bootstrap=["[::ffff:1.2.3.4]:9093"]),
        "host_that_is_no_place": lambda row: row["kafka"].update(bootstrap=["0.0.0.0:9093"]),
        "host_as_a_short_number": lambda row: row["kafka"].update(bootstrap=["127.1:9093"]),
        "name_in_two_lines": _put("name", "Ташкент\n2"),
        "name_too_long": _put("name", "т" * 201),
        "key_too_short": _put("key", base64.b64encode(bytes(31)).decode()),
        "key_of_small_order": _put("key", base64.b64encode(bytes(32)).decode()),
        "secret_too_short": _put("secret", base64.b64encode(secret("invitation")[:31]).decode()),
        "secret_in_other_base64": _put("secret", base64.urlsafe_b64encode(b"\xff" * 32).decode()),
        "expires_without_microseconds": _put("expires", "2026-03-04T12:00:00Z"),
        "expires_in_another_zone": _put("expires", "2026-03-04T17:00:00.250000+05:00"),
        "trust_of_another_hub": _put("hub", "hub.other"),
        "trust_damaged": _put("trust", good.trust.decode().replace("serial 1", "serial 2")),
        "trust_of_version_1": _put(
            "trust", sign_note(Trust(HUB, ROOT.verifier, (RECEIPTS.verifier,)).to_text(), [ROOT]).to_bytes().decode()
        ),
        "no_way_in": lambda row: row.update(kafka=None, https=None),
        "no_address": lambda row: row["kafka"].update(bootstrap=[]),
        "seventeen_addresses": lambda row: row["kafka"].update(bootstrap=["kafka.example:9093"] * 17),
        "address_without_a_port": lambda row: row["kafka"].update(bootstrap=["kafka.example"]),
        "address_with_port_65536": lambda row: row["kafka"].update(bootstrap=["kafka.example:65536"]),
        "two_addresses_in_one": lambda row: row["kafka"].update(bootstrap=["kafka.example:9093,other:9093"]),
        "protocol_unknown": lambda row: row["kafka"].update(protocol="TLS"),
        "authority_is_no_pem": lambda row: row["kafka"].update(ca="MIIB"),
        "authority_with_a_private_key": lambda row: row["kafka"].update(
            ca=authority().replace("CERTIFICATE", "PRIVATE KEY")
        ),
        "https_with_a_path": lambda row: row["https"].update(address="https://hub.example/v1"),
        "https_with_a_user": lambda row: row["https"].update(address="https://u:p@hub.example"),
        "http_alone": lambda row: row["https"].update(address="http://hub.example"),
    }
    bad = [{"name": name, "text": _changed(text, change), "reason": _reason(name)} for name, change in changes.items()]
    damaged = {
        "check_of_another_file": text.replace("kafka-1.hub", "kafka-2.hub"),
        "field_twice": text.replace('  "hub": ', '  "hub": "hub.example",\n  "hub": ', 1),
        "fields_in_another_order": json.dumps(dict(reversed(json.loads(text).items())), ensure_ascii=False, indent=2),
        "on_one_line": json.dumps(json.loads(text), ensure_ascii=False) + "\n",
        "cut_off": text[: len(text) // 2],
        "a_list": "[]\n",
        "empty": "",
    }
    assert all(changed != text for changed in damaged.values())
    bad += [{"name": name, "text": changed, "reason": _reason(name)} for name, changed in damaged.items()]
    return file_of(
        "Enrolment bundles. user and password are what the brokers know the bundle by. What stands for a certificate "
        "is none; the check of a changed bundle is made anew, except where that is the fault.",
        made,
        bad,
    )


def join_vectors() -> Row:
    """Return join requests, encrypted and in the clear, and what is none."""
    good = request()
    text = good.to_bytes().decode()
    rows = [("two_keys", good), ("three_keys", request(notes=(*good.notes, long_enrolment())))]
    changes: dict[str, Callable[[Row], None]] = {
        "format_unknown": _put("format", "cohub-join/v2"),
        "field_unknown": _put("more", 1),
        "center_of_another_name": _put("center", "kz"),
        "root_of_another_hub": _put("root", signer("hub.other/root").verifier.to_text()),
        "root_that_is_a_receipts_key": _put("root", RECEIPTS.verifier.to_text()),
        "no_witness_key": lambda row: row["notes"].pop(),
        "notes_in_another_order": lambda row: row["notes"].reverse(),
        "seal_key_twice": lambda row: row["notes"].append(row["notes"][0]),
        "four_notes": lambda row: row["notes"].extend(row["notes"]),
        "witness_key_of_release_0.1": lambda row: row["notes"].__setitem__(
            1, enrolment(HUB, CENTER, "witness", WITNESS).decode()
        ),
        "one_key_for_two_uses": lambda row: row["notes"].__setitem__(
            1, enrolment(HUB, CENTER, "witness", Signer(COSIGNER.name, SEAL.seed, COSIGNER.algorithm)).decode()
        ),
        "note_not_signed_by_its_key": lambda row: row["notes"].__setitem__(
            0, row["notes"][0].replace(row["notes"][0][-8:-2], "AAAAAA")
        ),
        "mechanism_unknown": lambda row: row["scram"].update(mechanism="SCRAM-SHA-256"),
        "too_few_iterations": lambda row: row["scram"].update(iterations=1000),
        "too_many_iterations": lambda row: row["scram"].update(iterations=1_000_000),
        "iterations_as_a_text": lambda row: row["scram"].update(iterations="8192"),
        "iterations_with_a_fraction": lambda row: row["scram"].update(iterations=8192.0),
        "salt_too_short": lambda row: row["scram"].update(salt=base64.b64encode(bytes(15)).decode()),
        "salted_password_too_short": lambda row: row["scram"].update(
            salted_password=base64.b64encode(bytes(63)).decode()
        ),
    }
    bad = []
    for name, change in changes.items():
        row = json.loads(text)
        change(row)
        changed = _compact(row)
        assert changed != text, name
        bad.append({"name": name, "text": changed, "reason": _reason(name)})
    bad.append({"name": "with_spaces", "text": json.dumps(json.loads(text)), "reason": "not in its one form"})
    one = sealed(bundle(), good)
    strangers = {
        "sealed_by_another_secret": sealed(bundle(secret=secret("other")), good),
        "sealed_for_another_center": sealed(bundle(center="kz"), good),
        "sealed_for_another_hub": sealed(bundle(hub="hub.other"), good),
        "sealed_for_another_invitation": sealed(bundle(id="00000001"), good),
        "sealed_to_another_key": sealed(
            bundle(key=X25519PrivateKey.from_private_bytes(secret("x")).public_key().public_bytes_raw()), good
        ),
        "sealed_and_changed": one[:-1] + bytes([one[-1] ^ 1]),
        "sealed_and_cut_off": one[:48],
        "sealed_by_a_key_of_small_order": bytes(32) + one[32:],
    }
    bad += [{"name": name, "sealed": data.hex(), "reason": _reason(name)} for name, data in strangers.items()]
    return file_of(
        "Join requests for the bundle both_ways of invitations.json, whose private key is "
        f"{PRIVATE.hex()}: text is the request, sealed one that was encrypted.",
        [
            {
                "name": name,
                "text": one.to_bytes().decode(),
                "sealed": sealed(bundle(), one).hex(),
                "request": one.digest,
                "fingerprint": one.fingerprint.to_text(),
            }
            for name, one in rows
        ],
        bad,
    )


def joined_vectors() -> Row:
    """Return HQ's answers to join requests, and what is none."""
    waits = Answer(HUB, CENTER, ID, request().digest, START, State.WAITS)
    rows = [
        ("waits", waits),
        ("accepted", replace(waits, state=State.ACCEPTED)),
        *((f"refused_{why.lower()}", replace(waits, state=State.REFUSED, why=why)) for why in Why),
        ("refused_by_a_later_release", replace(waits, state=State.REFUSED, why="SOMETHING_NEW")),
    ]
    text = waits.to_text()
    bad = {
        "version_unknown": ("joined/v1", "joined/v2"),
        "hub_in_capitals": ("\nhub.example\n", "\nHub.example\n"),
        "center_reserved": ("\nuz\n", "\nhq\n"),
        "invitation_too_long": (f"invitation {ID}", f"invitation {ID}0"),
        "request_cut_off": (waits.request, waits.request[:-1]),
        "time_without_microseconds": (".250000Z", "Z"),
        "state_unknown": ("state waits", "state asked"),
        "refused_for_nothing": ("state waits", "state refused"),
        "accepted_with_a_reason": ("state waits\nwhy -", "state accepted\nwhy USED"),
        "why_in_small_letters": ("state waits\nwhy -", "state refused\nwhy used"),
        "lines_swapped": ("state waits\nwhy -", "why -\nstate waits"),
        "line_too_many": ("why -\n", "why -\nmore\n"),
    }
    return file_of(
        "Answers to join requests: notes by the hq key, under its name in the trust note.",
        [
            {
                **row_of(name, one.signed(HQ), [HQ]),
                "content": {"invitation": ID, "request": one.request, "state": one.state, "why": one.why or None},
            }
            for name, one in rows
        ],
        [
            fault("signed_by_the_receipts_key", waits.signed(RECEIPTS), [HQ], "no line by the key"),
            *changed_notes(text, bad, HQ),
        ],
    )


def fingerprint_vectors() -> Row:
    """Return fingerprints in words, what people may type for them, and what they may not."""
    root = Fingerprint.of_root(ROOT.verifier)
    numbers, words = (" ".join(part) for part in zip(*root.pairs(), strict=True))
    typed = {
        "as_it_is_shown": root.to_text(),
        "words": words,
        "numbers": numbers,
        "numbers_without_zeros": " ".join(map(str, root.numbers)),
        "four_letters": " ".join(word[:4].upper() for word in root.words),
        "with_commas": ", ".join(root.words) + ".",
        "mixed": " ".join(pair[place % 2] for place, pair in enumerate(root.pairs())),
    }
    bad = {
        "five": words.rpartition(" ")[0],
        "seven": f"{words} zoo",
        "no_word_of_the_list": f"{words.rpartition(' ')[0]} cohub",
        "word_with_a_letter_too_many": f"{words}s",
        "number_0": f"{numbers.rpartition(' ')[0]} 0000",
        "number_2049": f"{numbers.rpartition(' ')[0]} 2049",
        "number_and_another_word": root.to_text().replace(root.words[2], "zoo"),
        "in_other_letters": f"{words.rpartition(' ')[0]} зебра",
        "with_an_equals_sign": words.replace(" ", "="),
        "nothing": "",
    }
    return file_of(
        f"The fingerprint of the root key {ROOT.verifier.to_text()}, as people may type it.",
        [
            {"name": name, "root": ROOT.verifier.to_text(), "text": text, "numbers": list(root.numbers)}
            for name, text in typed.items()
        ],
        [{"name": name, "text": text, "reason": _reason(name)} for name, text in bad.items()],
    )


def _said(one: Invitation) -> Row:
    return {
        "hub": one.hub,
        "center": one.center,
        "invitation": one.id,
        "root": one.root.to_text(),
        "fingerprint": Fingerprint.of_root(one.root).to_text(),
        "user": one.user,
        "password": one.password,
    }


def _put(name: str, value: object) -> Callable[[Row], None]:
    return lambda row: row.update({name: value})


def _changed(text: str, change: Callable[[Row], None]) -> str:
    """Return a bundle with a change, and its check made anew."""
    row: Row = json.loads(text)
    change(row)
    row.pop("check", None)
    row["check"] = sha256(_compact(row).encode()).hexdigest()[:16]
    changed = json.dumps(row, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
    assert changed != text
    return changed


def _compact(row: Row) -> str:
    return json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _reason(name: str) -> str:
    return name.replace("_", " ")
