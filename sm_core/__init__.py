"""The science: readers, fusion, downscaling, correction, drought, publishing. A pure library.

No network, clock, environment or orchestration here; files are read from paths that are handed in.
"""
