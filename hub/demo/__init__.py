"""`hub demo`: a whole network on this machine, to be looked at. Nothing that an operator needs is here."""
