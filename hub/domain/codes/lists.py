"""The network's own short lists. Adding a code is a release of the hub; lists that HQ edits are `code_list` events."""

from __future__ import annotations

from typing import Final

Codes = tuple[str, ...]

DIRECTIONS: Final[Codes] = ("north", "west", "east", "south")
ZONES: Final[Codes] = ("innovation", "industry")
KEY_PURPOSES: Final[Codes] = ("seal", "witness")
KEY_STATUSES: Final[Codes] = ("active", "revoked")

PARTNER_KINDS: Final[Codes] = ("enterprise", "institute", "university", "investor", "service_firm")
PARTNER_SIZES: Final[Codes] = ("micro", "small", "medium", "large")

# Enterprise Europe Network: stage of development, IPR status, kinds of partnership
STAGES: Final[Codes] = ("concept", "under_development", "lab_tested", "available_for_demonstration", "on_the_market")
IP_STATUSES: Final[Codes] = ("none", "secret_know_how", "applied_not_granted", "granted")
PARTNERSHIP_KINDS: Final[Codes] = (
    "licence",
    "technical_cooperation",
    "research_cooperation",
    "joint_venture",
    "manufacturing",
    "commercial_agency",
    "outsourcing",
    "services",
    "financial",
    "acquisition",
)
EXPORT_CONTROLS: Final[Codes] = ("free", "restricted", "prohibited")

# Chinese Civil Code, arts. 843-887: technology contracts and how they are paid
DEAL_KINDS: Final[Codes] = (
    "development",
    "transfer",
    "licence",
    "consulting",
    "service",
    "equity",
    "joint_venture",
)
PAYMENTS: Final[Codes] = ("lump_sum_once", "lump_sum_instalments", "royalty", "royalty_entry_fee")

# What is on after a deal: projects, activities, services, money. docs/domain.md names the source of each list.
PROJECT_KINDS: Final[Codes] = ("incubation", "cooperation")
PROJECT_STAGES: Final[Codes] = ("preparation", "research_development", "pilot", "industrialisation", "operation")
ACTIVITY_KINDS: Final[Codes] = ("exhibition", "promotion", "roadshow", "talks", "delegation", "training")
ACTIVITY_FORMATS: Final[Codes] = ("in_person", "online", "hybrid")
SERVICE_KINDS: Final[Codes] = ("legal", "audit", "visa", "living", "ip", "translation", "landing")
REVENUE_KINDS: Final[Codes] = (
    "commercialisation_service",
    "equity_stake",
    "overseas_expansion_service",
    "sales_commission",
)
INSTRUMENTS: Final[Codes] = ("equity", "convertible", "loan", "grant")
