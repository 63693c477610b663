"""HQ's worker: the Faust app, its transport and its consolidator."""
