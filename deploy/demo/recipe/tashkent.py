"""Tashkent: English sheets; partners of two countries in one workbook, the first half of NASA's patents, deals."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from recipe.network import Network
from recipe.sheets import Sheet


def make(network: Network, folder: Path) -> list[Sheet]:
    """Write Tashkent's files and return them with their fates."""
    return [_partners(network, folder), _offers(network, folder), _deals(network, folder), _words(network, folder)]


def _partners(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("partners.xlsx", ["No.", "Organisation", "Country", "Kind", "LEI", "Status", "Why ended"])
    statuses = ("registered", "signed", "signed", "registered", "ended")
    for number, (name, country, kind) in enumerate(network.organisations("UZ", "KG"), 1):
        status = statuses[number % 5]
        why = "Agreement expired, not renewed" if status == "ended" else None
        sheet.add([number, name, country, kind, None, status, why])
    for number, row in enumerate(network.companies("UZ", "KG", "TM"), 500):
        sheet.add([number, row["legal_name"], row["country"], row["category"], row["lei"], "registered", None])
    sheet.blank()
    sheet.add(
        [901, "Trade and Industry Agency", "UK", "Government", None, "registered", None], "refused", "UNKNOWN_CODE"
    )
    sheet.add([902, None, "UZ", "Company", None, "registered", None], "refused", "MISSING_FIELD")
    sheet.add([903, "Silk Road Textiles", "#REF!", "Company", None, "signed", None], "refused", "ERROR_CELL")
    lei = "00" + network.companies("UZ")[0]["lei"][2:]
    sheet.add([904, "Navoi Mining Supplies", "UZ", "Company", lei, "signed", None], "refused", "BAD_FIELD")
    sheet.add([None, "Samarkand Ceramics", "UZ", "Company", None, "signed", None], "refused", "NO_KEY")
    sheet.add([906, "Fergana Glass Works", "UZ", "Factory", None, "signed", None], "refused", "NOT_IN_TABLE")
    sheet.blank()
    again = ["907", "Bukhara Solar Park", "UZ", "Company", None, "registered", None]
    sheet.add(again)
    sheet.add([907, *again[1:]], "unchanged")
    sheet.write_xlsx(folder, "Partners of the Tashkent co-center")
    return sheet


def _offers(network: Network, folder: Path) -> Sheet:
    names = list(network.sources.nasa[0])
    sheet = Sheet("nasa_offers.csv", names)
    for number, row in enumerate(network.nasa()[0]):
        if row["Status"] not in ("Issued", "Application"):
            sheet.add(list(row.values()), "refused", "NOT_IN_TABLE")
        elif row["Patent Expiration Date"] == "0000-00-00":  # as NASA published it
            sheet.add(list(row.values()), "refused", "BAD_DATE")
        else:
            sheet.add(list(row.values()))
        if number == 300:
            line = b"NASA Ames Research Center,Issued,ARC-99001-1,7000001,,Caf\xe9 Racer Wind Tunnel Model,01/01/2031"
            sheet.add(line, "refused", "UNREADABLE_BYTES")
        if number == 400:
            line = b"NASA Ames Research Center,Issued,ARC-99002-1,7000002,,Valve, Quick Closing,01/01/2031,"
            sheet.add(line, "refused", "RAGGED_ROW")
    sheet.write_csv(folder, "utf-8")
    return sheet


def _deals(network: Network, folder: Path) -> Sheet:
    header = ["Deal", "Title", "Kind", "Payment", "Amount", "Currency", "Other center", "Reported", "Signed", "Closed"]
    sheet = Sheet("deals.xlsx", [*header, "Status"])
    offers = network.nasa()[0]
    for number, deal in enumerate(network.deals("uz")):
        title = f"{deal.kind.replace('_', ' ').capitalize()}: {offers[number * 17 + 1]['Title']}"
        cells = [deal.number, title, deal.kind, deal.payment, deal.amount, deal.currency, deal.counterpart]
        sheet.add([*cells, deal.reported_on, deal.signed_on, deal.closed_on, deal.status])
    extra = ["licence", "royalty", 5000, "USD", "kz"]
    far, day = dt.date(2099, 1, 15), dt.date(2025, 6, 2)
    sheet.add(["2025/901", "Pump licence", *extra, far, day, None, "signed"], "rejected", "TIME_IN_FUTURE")
    sheet.add(["2025/902", "Kiln licence", *extra, day, day, dt.date(2025, 1, 9), "closed"], "refused", "INCONSISTENT")
    sheet.add(["2025/903", "Loom licence", *extra, day, None, None, "signed"], "refused", "MISSING_FIELD")
    sheet.add(
        ["2025/904", "Drill licence", *extra[:3], None, "kz", day, day, None, "signed"], "refused", "INCONSISTENT"
    )
    sheet.write_xlsx(folder)
    return sheet


def _words(network: Network, folder: Path) -> Sheet:
    sheet = Sheet("confirmations.csv", ["No", "Center", "Their deal", "Verdict", "Amount", "Currency"])
    for word in network.confirmations("uz"):
        sheet.add([word.number, word.deal_center, word.deal_number, word.verdict, word.amount, word.currency])
    sheet.add(["C-901", "uz", network.deals("uz")[0].number, "given", 1000, "USD"], "rejected", "INCONSISTENT")
    sheet.write_csv(folder, "utf-8")
    return sheet
