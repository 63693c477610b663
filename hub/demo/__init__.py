"""The demonstration: a whole network on this machine. Nothing that an operator needs is here."""
