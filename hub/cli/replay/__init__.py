"""`hub replay …`."""
