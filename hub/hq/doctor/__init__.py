"""Whether a hub is well: small checks, each of which says what it found, and nothing of which changes anything."""
