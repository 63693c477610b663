"""Reading the ledger again: checking it, folding it anew, asking what was so when. Nothing here sends anything."""
