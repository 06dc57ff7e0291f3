"""Prefect flows and the command line: order, concurrency, outcome."""
