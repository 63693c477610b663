"""The audit: the whole ledger checked, the state built again and compared. Nothing here sends anything."""
