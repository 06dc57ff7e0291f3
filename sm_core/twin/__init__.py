"""The simulated world: weather, water and vegetation with a known 1-km truth, and the native files that show it."""
