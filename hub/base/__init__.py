"""What both ends' shells share: durable files, locks, command errors, what commands print, logs. It knows no domain."""
