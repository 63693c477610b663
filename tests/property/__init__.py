"""Properties of the whole, tried on random cases."""
