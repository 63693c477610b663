"""Patent offices: WIPO Standard ST.3, the two-letter codes of states and of intergovernmental organisations."""

from __future__ import annotations

from typing import Final

from hub.domain.codes.country import COUNTRIES

# ARIPO, Benelux, Eurasian office, EUIPO, European office, Gulf, International Bureau, the Hague and Lisbon
# registers kept there, OAPI, the Community plant office, Nordic and Visegrad institutes, unknown.
ORGANISATIONS: Final = frozenset({"AP", "BX", "EA", "EM", "EP", "GC", "IB", "OA", "QZ", "WO", "XN", "XV", "XX"})

OFFICES: Final = COUNTRIES | ORGANISATIONS
