"""A whole network, badly treated for as long as one likes, and a checker of all that is left of it: `make torture`."""
