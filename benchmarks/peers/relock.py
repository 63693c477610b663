"""For maintainers: write jars.lock anew with Maven, after changing ROOTS (`python -m benchmarks.peers.relock`)."""

from __future__ import annotations

from pathlib import Path

from hub.broker.relock import relock

ROOTS = (
    "org.apache.kafka:kafka-streams:4.3.1",  # the broker's own version
    "org.apache.avro:avro:1.12.2",
    "org.slf4j:slf4j-simple:1.7.36",
    "org.eclipse.jdt:ecj:3.43.0",  # compiles the peer: what runs Java here has no compiler
)

if __name__ == "__main__":
    relock(ROOTS, Path(__file__).with_name("jars.lock"))
