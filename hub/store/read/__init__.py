"""What people read of a hub: typed models, and the queries that fill them, in SQLAlchemy Core for every engine.

HQ's log alone is asked through `hub.store.log_rows`, which every engine answers in its own words.
"""
