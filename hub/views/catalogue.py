"""Every view, by its name."""

from __future__ import annotations

from typing import Final

from hub.views.deals import DEALS
from hub.views.measures import MEASURES
from hub.views.references import REFERENCES
from hub.views.view import View

VIEWS: Final[tuple[View, ...]] = (REFERENCES, DEALS, MEASURES)
