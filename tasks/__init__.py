"""Thin Prefect tasks and adapters around sm_core."""
