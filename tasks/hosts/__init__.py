"""Simulated hosts: the providers' own protocols over an archive, with a clock and scripted misbehaviour."""
