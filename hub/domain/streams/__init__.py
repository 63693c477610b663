"""One file per stream. Adding one: see ARCHITECTURE.md, "How to add a stream"."""
