"""Settings that every test shares."""

from hypothesis import HealthCheck, settings

# A busy machine is not a failure: examples are not timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
