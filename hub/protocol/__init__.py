"""The wire protocol: bytes in, facts or errors out. No I/O, no clock, no chance. Spec: schemas/PROTOCOL.md."""
