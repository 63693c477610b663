"""Karachi: a small CRM that exports JSON lines, and one workbook with the second half of NASA's patents."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from recipe.network import Network, iso
from recipe.sheets import Sheet


def make(network: Network, folder: Path) -> list[Sheet]:
    """Write Karachi's files and return them with their fates."""
    made = [_partners(network, folder), _companies(network, folder), _offers(network, folder)]
    return [*made, _requests(network, folder), _deals(network, folder), _words(network, folder)]


def _partners(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("partners.jsonl", ["id", "organisation.name", "organisation.types", "address.country"])
    for number, (name, country, kind) in enumerate(network.organisations("PK"), 1):
        sheet.add([f"ORG-{number:04}", name, [kind], country])
    sheet.add(b'{"id": "ORG-9001", "organisation": {"name": "Indus Robotics', "refused", "BROKEN_JSON")
    names = ["Lahore Solar", "Lahore Solar Ltd"]
    sheet.add(["ORG-9002", names, ["Company"], "PK"], "refused", "NOT_ONE_VALUE")
    sheet.add(["ORG-9003", "Quetta Marble Exporters", ["Guild"], "PK"], "refused", "NOT_IN_TABLE")
    sheet.write_jsonl(folder)
    return sheet


def _companies(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("companies.csv", ["LEI", "Legal name", "Country", "Category"])
    for row in network.companies("PK"):
        sheet.add([row["lei"], row["legal_name"], row["country"], row["category"]])
    first = network.companies("PK")[0]["lei"]
    mistyped = first[:-1] + ("0" if first[-1] != "0" else "1")
    sheet.add([mistyped, "Karachi Port Simulators", "PK", "GENERAL"], "refused", "BAD_FIELD")
    sheet.add(["", "Multan Mango Processing", "PK", "GENERAL"], "refused", "NO_KEY")
    sheet.write_csv(folder, "utf-8")
    return sheet


def _offers(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("nasa_offers.xlsx", list(network.sources.nasa[0]))
    for row in network.nasa()[1]:
        # This office's mapping says that 0000-00-00 is an empty cell, so these rows are good here.
        known = row["Status"] in ("Issued", "Application")
        sheet.add(list(row.values()), "accepted" if known else "refused", "" if known else "NOT_IN_TABLE")
    sheet.write_xlsx(folder)
    return sheet


def _requests(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("sbir_requests.jsonl", ["topic_number", "title", "objective", "description", "areas", "url"])
    for topic in network.sources.sbir:
        # SBIR's own texts may be longer than an exchange between centers allows, and two topics have no title.
        code = "" if str(topic["title"]).strip() else "MISSING_FIELD"
        code = "TOO_LONG" if len(str(topic["description"])) > 4000 else code
        sheet.add([topic[name] for name in sheet.header], "refused" if code else "accepted", code)
    sheet.write_jsonl(folder)
    return sheet


def _deals(network: Network, folder: Path) -> Sheet:
    header = ["number", "title", "contract.kind", "contract.payment", "contract.amount", "contract.currency"]
    header += ["counterpart", "reported", "signed", "closed", "stage"]
    sheet = Sheet("deals.jsonl", header)
    offers = network.nasa()[1]
    for number, deal in enumerate(network.deals("pk")):
        title = f"{deal.kind.replace('_', ' ').capitalize()}: {offers[number * 19 + 2]['Title']}"
        cells = [deal.number, title, deal.kind, deal.payment, str(deal.amount), deal.currency, deal.counterpart]
        dates = [iso(day) or None for day in (deal.reported_on, deal.signed_on, deal.closed_on)]
        sheet.add([*cells, *dates, deal.status])
    far, day = "2099-06-01T09:00:00+05:00", iso(dt.date(2025, 6, 2))
    cells = ["Ship-handling simulator", "service", "lump_sum_once", "90000", "USD", "uz"]
    sheet.add(["2025/901", *cells, far, day, None, "signed"], "rejected", "TIME_IN_FUTURE")
    sheet.add(["2025/902", *cells[:-1], "pk", day, day, None, "signed"], "rejected", "INCONSISTENT")
    sheet.add(["2025/903", *cells[:-1], "Tashkent", day, day, None, "signed"], "refused", "BAD_FIELD")
    sheet.write_jsonl(folder)
    return sheet


def _words(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("confirmations.jsonl", ["id", "deal.center", "deal.number", "confirmed", "amount", "currency"])
    for word in network.confirmations("pk"):
        is_given = word.verdict == "given"
        sheet.add([word.number, word.deal_center, word.deal_number, is_given, str(word.amount), word.currency])
    sheet.write_jsonl(folder)
    return sheet
