"""The connector's daemon: a durable outbox, and the tasks that fill it, seal it, send it and read what HQ answers."""
