"""Retraining: days prepared, stations collected, models trained and judged."""
