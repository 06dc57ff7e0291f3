"""Declarations: regions and deployments, no logic."""
