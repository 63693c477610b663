"""All targets: whoever writes a parser of foreign bytes lists it here."""

from __future__ import annotations

from tests.fuzz.engine import ENGINE
from tests.fuzz.evidence import EVIDENCE
from tests.fuzz.hq_lane import HQ_LANE
from tests.fuzz.offices import OFFICES
from tests.fuzz.protocol import PROTOCOL
from tests.fuzz.web import WEB

TARGETS = {target.name: target for target in (*PROTOCOL, *ENGINE, *HQ_LANE, *OFFICES, *EVIDENCE, *WEB)}
