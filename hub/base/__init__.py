"""What both ends' shells share, and what knows no domain.

Durable files and their faults, locks, command errors and what commands print; the ways into a Kafka, its clients, and
why it can't be reached.
"""
