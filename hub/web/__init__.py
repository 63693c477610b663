"""The HTTPS way in: the same sealed records and receipts for offices whose network lets nothing else out."""
