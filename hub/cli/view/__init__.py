"""`hub view …`."""
