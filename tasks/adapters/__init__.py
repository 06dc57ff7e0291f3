"""Adapters: where the outside world begins."""
