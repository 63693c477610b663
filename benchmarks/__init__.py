"""What cohub costs, measured: `make bench`."""
