"""Settings of housekeeping: environment variables SM_KEEP_*, explained in deployments/settings.example.env."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.settings import read_settings


class HousekeepingSettings(BaseSettings):
    """How long things are kept [days]. Products, granules, models and observations are always kept."""

    model_config = SettingsConfigDict(env_prefix="SM_", frozen=True, extra="ignore")

    keep_run_records: int = Field(default=400, ge=1, description="the newest three of each date are always kept")
    keep_scratch: int = Field(default=40, ge=2, description="since it was last read")
    keep_quarantine: int = Field(default=180, ge=1, description="records of files that are not there any more")
    keep_trainings_open: float = Field(default=1, gt=0, description="then one that never ended is called failed")


def load_housekeeping_settings() -> HousekeepingSettings:
    """Settings from the environment.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value.
    """
    return read_settings(HousekeepingSettings)
