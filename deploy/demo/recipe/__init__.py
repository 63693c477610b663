"""How the demo network's sheets are made: one file per center, the same bytes every time."""
