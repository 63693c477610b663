"""Evidence that stands alone: bundles of records, keys, proofs and state, made here and checked anywhere."""
