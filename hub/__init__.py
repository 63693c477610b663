"""cohub: the event hub of a 1+N technology-transfer network (HQ side)."""
