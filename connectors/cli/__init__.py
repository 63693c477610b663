"""`connector …`: the commands of a co-center's connector. Thin: each one reads, calls, prints."""
