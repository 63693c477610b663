"""`hub audit …`."""
