"""The ledger: what HQ takes from a lane, what it decides, and what follows. Pure: no I/O, no clock, no chance."""
