"""cohub: what runs at a co-center."""
