"""Settings of alerts: environment variables SM_ALERT_*, explained in deployments/settings.example.env."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.settings import PROJECT, read_settings


def _split(value: object) -> object:
    return tuple(part for text in value.split(",") if (part := text.strip())) if isinstance(value, str) else value


def _from_json(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple(json.loads(value)) if value.strip() else ()
    except (ValueError, TypeError):
        raise ValueError("not a JSON list") from None


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
_NONE = SecretStr("")


class WebhookSetting(BaseModel):
    """One subscriber; the name stays with it, whatever becomes of its address."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    url: SecretStr
    secret: SecretStr

    @field_validator("secret")
    @classmethod
    def _is_long(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < 16:
            raise ValueError("a secret of fewer than 16 characters")
        return value


Webhooks = Annotated[tuple[WebhookSetting, ...], NoDecode, BeforeValidator(_from_json)]


class AlertSettings(BaseSettings):
    """Who speaks, by which rules, and through which channels. Files are always written; a channel without an
    address is left out.
    """

    model_config = SettingsConfigDict(env_prefix="SM_", frozen=True, extra="ignore", hide_input_in_errors=True)

    alert_rules: Path = Field(default=PROJECT / "deployments" / "alerts.yaml", description="parameters of alerts")
    alert_status: Literal["Actual", "Exercise", "System", "Test", "Draft"] = Field(
        default="Test", description="of CAP; stays Test until somebody is entitled to warn")
    alert_sender: str = Field(default="alerts.sm-daily.invalid", pattern=r"^[^\s,<&]+$",
                              description="of CAP: a domain or address that is nobody else's")
    alert_sender_name: str = Field(default="Soil moisture and drought, 1 km daily (experimental)")
    alert_sender_name_ko: str = Field(default="1 km 일별 토양수분·가뭄 정보(시험)")
    alert_web: str = Field(default="", description="address under which the folder alerts/ is served; empty: none")
    alert_contact: str = Field(default="", description="told in messages")

    alert_webhooks: Webhooks = Field(
        default=(), description='JSON: [{"name": ..., "url": ..., "secret": ...}]')

    alert_smtp_host: str = Field(default="", description="empty: no mail")
    alert_smtp_port: int = Field(default=587, ge=1, le=65535)
    alert_smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    alert_smtp_user: str = ""
    alert_smtp_password: SecretStr = _NONE
    alert_mail_from: str = ""
    alert_mail_to: Names = Field(default=(), description="comma-separated")
    alert_mail_in_doubt: Literal["resend", "hold"] = Field(
        default="resend", description="a mail that the server may have accepted before a crash")

    @model_validator(mode="after")
    def _whole(self) -> AlertSettings:
        names = [webhook.name for webhook in self.alert_webhooks]
        if len(names) != len(set(names)):
            raise ValueError("SM_ALERT_WEBHOOKS: a name is given twice")
        if self.alert_smtp_host and not (self.alert_mail_from and self.alert_mail_to):
            raise ValueError("SM_ALERT_SMTP_HOST needs SM_ALERT_MAIL_FROM and SM_ALERT_MAIL_TO")
        return self


def load_alert_settings() -> AlertSettings:
    """Settings from the environment.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value (which is not shown: it may be secret).
    """
    return read_settings(AlertSettings)
