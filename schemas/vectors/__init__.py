"""Test vectors for implementers: the JSON files beside this are written by `python -m schemas.vectors.make`."""
