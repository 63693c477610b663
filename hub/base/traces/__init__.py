"""Traces: what became of one row, from the sheet to `state.*`, told span by span to OpenTelemetry (docs/adr/0040)."""
