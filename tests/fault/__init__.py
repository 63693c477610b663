"""Real processes on real Kafka, killed; afterwards everything is verified."""
