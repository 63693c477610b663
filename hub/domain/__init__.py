"""The domain: what streams there are, what their events must say, what follows from them. Pure: no I/O, no clock."""
