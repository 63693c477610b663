"""What is measured, at both ends: every metric is declared in one place, counted in a book, and told to Prometheus.

`declared` has the metrics, `book` counts, `exposition` writes Prometheus's format, `server` answers whoever asks,
`page` is docs/metrics.md. Nothing here is a secret, and no label names a key, an address or a row.
"""
