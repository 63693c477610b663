"""Views kept up to date from the ledger, and asked (docs/adr/0043)."""
