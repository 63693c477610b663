"""HQ's memory: ledger, entities, receipts and positions in one SQL database, written in one transaction."""
