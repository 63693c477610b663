"""What the accepted ledger adds up to, derived apart from the hot path (docs/adr/0043)."""
