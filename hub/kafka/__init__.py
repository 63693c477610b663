"""Any Kafka, as HQ uses it: its clients, its topics. The embedded broker is hub.broker."""
