"""Code lists that change rarely, as data: the same on every machine, looked up nowhere."""
