"""Settings that every test shares."""

import os

from hypothesis import HealthCheck, settings

# Before prefect is imported by any test: on a busy machine its embedded server takes longer to start than 20 s.
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")

# A busy machine is not a failure: examples are not timed.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
