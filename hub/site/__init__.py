"""A site: a hub on several brokers, a database and several workers, each in a container or on a host of its own."""
