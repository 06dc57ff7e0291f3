"""Settings of the watch: environment variables SM_WATCH_*, explained in deployments/settings.example.env."""

from __future__ import annotations

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from tasks.settings import read_settings
from tasks.settings_alerts import Names, Webhooks


class WatchSettings(BaseSettings):
    """Who is told of troubles, whom to call when there is none, and where readers find the products.

    Mail goes through the server of the alerts (SM_ALERT_SMTP_*, SM_ALERT_MAIL_FROM).
    """

    model_config = SettingsConfigDict(env_prefix="SM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    watch_mail_to: Names = Field(default=(), description="comma-separated; who runs the daemon, not who is warned")
    watch_webhooks: Webhooks = Field(
        default=(), description='JSON: [{"name": ..., "url": ..., "secret": ...}]')
    watch_dead_man_url: SecretStr = Field(
        default=SecretStr(""), description="called after each watch that finds nothing wrong; empty: none")
    watch_products_url: str = Field(default="", description="address under which SM_DATA/products is served; or none")


def load_watch_settings() -> WatchSettings:
    """Settings from the environment.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value (which is not shown: it may be secret).
    """
    return read_settings(WatchSettings)
