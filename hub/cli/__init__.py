"""The command line of HQ: thin, it asks the store and the worker and decides nothing."""
