"""What people read of a hub: typed models, and the queries that fill them, in SQLAlchemy Core for every engine."""
