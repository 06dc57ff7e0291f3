"""Settings of the providers: environment variables SM_*, explained in deployments/settings.example.env."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks.settings import read_settings

Names = Annotated[tuple[str, ...], NoDecode]
_NONE = SecretStr("")


class SourceSettings(BaseSettings):
    """Addresses, credentials, waits and quotas. A provider without credentials that it needs is left out."""

    model_config = SettingsConfigDict(env_prefix="SM_", frozen=True, extra="ignore")

    contact: str = Field(default="", description="mail address or URL, told to providers in the User-Agent")
    connect_timeout_s: float = Field(default=30, gt=0)
    read_timeout_s: float = Field(default=300, gt=0, description="longest silence in an answer")
    minimum_rate: float = Field(default=1000, ge=0, description="bytes/s over patience_s, else it is broken off")
    patience_s: float = Field(default=60, gt=0)
    proxy: SecretStr = Field(default=_NONE, description="HTTP proxy URL; the usual proxy variables are not read")
    ca_bundle: Path | None = Field(default=None, description="file of accepted certificate authorities")

    cmr_url: str = "https://cmr.earthdata.nasa.gov/search"
    cmr_page_size: int = Field(default=2000, ge=1, le=2000)
    earthdata_url: str = "https://urs.earthdata.nasa.gov"
    earthdata_hosts: Names = Field(
        default=("https://data.lpdaac.earthdatacloud.nasa.gov", "https://data.nsidc.earthdatacloud.nasa.gov"),
        description="comma-separated; the token goes to these, to earthdata_url, and nowhere else", min_length=1,
    )
    earthdata_token: SecretStr = Field(default=_NONE, description="60 days; or user and password, renewed by itself")
    earthdata_user: str = ""
    earthdata_password: SecretStr = _NONE

    glass_url: str = "https://glass.hku.hk/archive"

    gleam_host: str = Field(default="", description="as e-mailed after registration; empty: left out")
    gleam_port: int = Field(default=2225, ge=1, le=65535)
    gleam_user: str = ""
    gleam_password: SecretStr = _NONE
    gleam_host_key: str = Field(default="", description="the server's public key, `ssh-ed25519 AAAA...`")
    gleam_root: str = "/data"

    rda_url: str = "https://apis.data.go.kr/1390802/AgriWeather"
    rda_key: SecretStr = Field(default=_NONE, description="data.go.kr service key; empty: left out")
    rda_page_size: int = Field(default=1000, ge=1)
    rda_calls_per_day: int = Field(default=1000, ge=1, description="per operation")

    uscrn_url: str = Field(default="", description="https://www.ncei.noaa.gov/pub/data/uscrn/products; empty: left out")
    uscrn_stations: Names = Field(default=(), description="comma-separated, as AZ_Tucson_11_W; empty: all")

    drop_folder: Path | None = Field(default=None, description="watched folder of ISMN archives and station CSV")
    drop_settled_s: float = Field(default=60, ge=0, description="how long a dropped file must have been left alone")

    ended_sources: Names = Field(default=(), description="comma-separated ids: the operator's word that they ended")

    @property
    def usable(self) -> bool:
        """Whether more is set than what every installation has."""
        return bool(self.earthdata_token.get_secret_value() or self.earthdata_user or self.gleam_host
                    or self.rda_key.get_secret_value() or self.uscrn_url or self.drop_folder is not None)

    @field_validator("earthdata_hosts", "uscrn_stations", "ended_sources", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part for text in value.split(",") if (part := text.strip())) if isinstance(value, str) else value


def load_source_settings() -> SourceSettings:
    """Settings from the environment.

    Raises
    ------
    SettingsError   SM103, a variable does not have a usable value (which is not shown: it may be secret).
    """
    return read_settings(SourceSettings)
