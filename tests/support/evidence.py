"""A network with a story to prove: three centers, a deal between two of them, a log, witnesses. No Kafka."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hub.evidence import layout
from hub.evidence.case import take_apart
from hub.evidence.check import examine
from hub.evidence.container import write_zip
from hub.evidence.export import export_bundle
from hub.evidence.generator import generator
from hub.evidence.manifest import manifest
from hub.evidence.page import page
from hub.evidence.readme import readmes
from hub.evidence.report import Report
from hub.evidence.subject import Subject
from hub.ledger.notary import append
from hub.protocol.control import key_name, key_text
from hub.protocol.keys import COSIGNATURE_ED25519, Signer
from hub.protocol.note import sign_note
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.rules import FIRST, Rules
from hub.protocol.trust import Trust
from hub.protocol.witness import COSIGNATURE_KIND, cosigned_note
from hub.replay.source import Ledger
from tests.support.center import HUB, NOW, Center, Sent, filled, offer
from tests.support.hq import IDENTITY, Hq, center_record

ROOT = Signer(f"{HUB}/root", b"R" * 32)
TRUST = Trust(
    HUB,
    ROOT.verifier,
    (IDENTITY.receipts.verifier,),
    (IDENTITY.log.verifier, IDENTITY.log_long.verifier),
    (IDENTITY.hq.verifier,),
    serial=1,
    time=NOW - timedelta(days=1),
    reason="the first keys",
)
TRUST_NOTE = sign_note(TRUST.to_text(), [ROOT]).to_bytes()
DAY = timedelta(days=1)
HOSTILE = '<script>alert(1)</script> & "Licence" \u202etxt.exe'


def witness(center: str) -> Signer:
    """Return a center's witness key."""
    return Signer(key_name(HUB, center, "witness"), center.encode().ljust(32, b"w"), COSIGNATURE_ED25519)


def witness_key(center: str) -> dict[str, Any]:
    """Return that key as the center's record has it."""
    key = witness(center)
    text = key_text(HUB, center, "witness", key.verifier).encode()
    return {
        "vkey": key.verifier.to_text(),
        "purpose": "witness",
        "status": "active",
        "proof": b64encode(key.sign(text)).decode(),
        "previous_proof": None,
        "replaced_lost": False,
        "status_reason": None,
    }


NAMES = {
    "uz": ("Ўзбекистон технологиялар трансфери маркази", "UZ", "Asia/Tashkent"),
    "kz": ("Центр трансфера технологий Алматы", "KZ", "Asia/Almaty"),
    "cn": ("郑州中亚技术转移中心", "CN", "Asia/Shanghai"),
}


@dataclass
class Story:
    """The hub and its centers. Everything is told by `happen`; times run on by a day with each step."""

    hq: Hq
    database: Path
    centers: dict[str, Center]
    now: datetime = NOW

    @classmethod
    async def open(cls, folder: Path, rules: Rules = FIRST) -> Story:
        """Return a hub with three registered centers that have witness keys; their lanes are opened.

        Rules 1 take texts with marks of direction, which a page has to show.
        """
        centers = {name: Center(name, f"0000{number:04x}") for number, name in enumerate(NAMES, 1)}
        hq = await Hq.open(folder, rules=rules)
        for name, center in centers.items():
            title, country, zone = NAMES[name]
            record = center_record(center)
            keys = [*record["keys"], witness_key(name)]
            await hq.register(center, name=title, country=country, timezone=zone, keys=keys)
        story = cls(hq, folder / "hub.sqlite3", centers)
        for name, center in centers.items():
            await story.take(name, [center.opening()])
        return story

    async def close(self) -> None:
        await self.hq.store.close()

    def event(self, center: str, name: str, key: str, value: dict[str, Any], **changes: Any) -> Sent:
        """Return the next event of a center's lane, which happened an hour before now."""
        kind = f"net.cohub.{name}" if name.endswith(".v2") else f"net.cohub.{name}.v1"
        lane = self.centers[center]
        changes = {"time": self.now - timedelta(hours=1)} | changes
        return lane.append(lane.event(kind, key, filled(kind, value), **changes))

    async def take(self, center: str, records: list[Sent]) -> None:
        """Seal these events and let HQ take them; the next step is a day later."""
        lane = self.centers[center]
        await self.hq.feed(center, [*records[:-1], lane.sealed(records[-1])], self.now)
        self.now += DAY

    async def happen(self) -> None:
        """Tell the story: two partners, an offer, a deal that is amended, rejected once, signed, confirmed, closed."""
        event, take = self.event, self.take
        partner = {"kind": "university", "name": "Toshkent davlat universiteti", "country": "UZ", "city": "Toshkent"}
        partner["contact"] = f"sealed.v1.{'k' * 22}.{'c' * 86}"
        registered = event("uz", "partner.registered.v2", "P-1", partner)
        await take("uz", [registered, event("uz", "partner.signed", "P-1", {})])
        await take("uz", [event("uz", "offer.published", "K-1", offer("Membrane printer", partner="uz:P-1"))])
        await take("uz", [event("uz", "offer.published", f"Z-{n}", offer(f"Other offer {n}")) for n in range(5)])
        deal: dict[str, Any] = {
            "title": "Лицензия на мембранный принтер",
            "title_en": "Licence for the membrane printer",
            "language": "ru",
            "kind": "licence",
            "payment": "royalty_entry_fee",
            "amount": Decimal("1200000.5"),
            "currency": "CNY",
            "offer": "uz:K-1",
            "partner": "uz:P-1",
            "request": "cn:R-404",
            "counterpart_center": "kz",
        }
        await take("uz", [event("uz", "deal.opened", "D-1", deal)])
        amended = deal | {"amount": Decimal(1350000), "rate": Decimal("0.139"), "rate_currency": "USD"}
        amended |= {"rate_on": dt.date(2026, 3, 6)}
        wrong = event("uz", "deal.amended", "D-1", deal | {"amount": None})
        await take("uz", [wrong, event("uz", "deal.amended", "D-1", amended)])
        signed = amended | {"signed_on": dt.date(2026, 3, 8)}
        await take("uz", [event("uz", "deal.signed", "D-1", signed)])
        confirmation = {"deal": "uz:D-1", "amount": Decimal(1350000), "currency": "CNY", "note": "Подтверждаем."}
        await take("kz", [event("kz", "deal_confirmation.given", "C-1", confirmation)])
        await take("cn", [event("cn", "deal_confirmation.given", "C-9", confirmation | {"note": "Also seen here"})])
        await take("uz", [event("uz", "deal.opened", "D-2", deal | {"title": HOSTILE})])
        await take("uz", [event("uz", "deal.closed", "D-1", signed | {"closed_on": dt.date(2026, 3, 10)})])

    async def notarize(self) -> int:
        """Let the notary log what there is; return the log's size."""
        store = self.hq.store.log
        log = await store.read(f"{HUB}/log")
        found = await store.unlogged(4096)
        if not found:
            return log.size
        addition = append(log, found, [IDENTITY.log, IDENTITY.log_long], self.now)
        await store.append(addition)
        return addition.log.size

    async def cosign(self, *centers: str) -> None:
        """Let these centers' witnesses cosign the newest checkpoint."""
        with Ledger.open(self.database) as ledger:
            newest = ledger.reader.log.newest()
        assert newest is not None
        text = newest.note.decode().rpartition("\n\n")[0] + "\n"
        for center in centers:
            note = cosigned_note(text, witness(center), self.now)
            record = Sent(
                None, note, ((CONTROL_HEADER, COSIGNATURE_KIND.encode()),), next(self.centers[center].offsets)
            )
            await self.hq.feed(center, [record], self.now)


async def told(folder: Path, *witnesses: str) -> Story:
    """Return the whole story, logged, and cosigned by these centers."""
    story = await Story.open(folder)
    await story.happen()
    await story.notarize()
    await story.cosign(*witnesses)
    return story


def remade(files: Mapping[str, bytes], subject: Subject, read: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """Return a bundle's files with manifest, page, README (or `read`) and sums made anew, as a careful forger would."""
    made = {path: data for path, data in files.items() if path not in layout.DERIVED}
    made |= readmes() if read is None else read
    case = take_apart(made, subject, Report())
    examine(case, None)
    made[layout.SUMMARY] = page(case).encode()
    made[layout.MANIFEST] = manifest(case)
    made[layout.SUMS] = layout.sums(layout.digests(made))
    return made


def write_golden(path: Path) -> None:
    """Write the bundle that tests/data keeps: of no release, so that its page and README are compared with none's."""
    with TemporaryDirectory() as folder:

        async def tell() -> Path:
            story = await told(Path(folder), "uz", "kz")
            await story.close()
            return story.database

        with Ledger.open(asyncio.run(tell())) as ledger:
            files = dict(export_bundle(ledger, TRUST_NOTE, Subject("deal", "uz:D-1")).case.files)
    ours = generator().encode()
    files[layout.SUMMARY] = files[layout.SUMMARY].replace(ours, b"cohub 0.0.0")
    case = take_apart(files, Subject("deal", "uz:D-1"), Report())
    examine(case, None)
    files[layout.MANIFEST] = manifest(case)
    files[layout.SUMS] = layout.sums(layout.digests(files))
    path.write_bytes(write_zip(files))


if __name__ == "__main__":
    write_golden(Path(sys.argv[1]))
