"""What to say so that HQ comes to hold what a source wants. Pure: no I/O, no clock."""
