"""The settings that lead the production clients to the simulated hosts."""

from __future__ import annotations

from tasks.hosts.serve import Accounts, Urls


def settings_for(urls: Urls, accounts: Accounts) -> dict[str, str]:
    """SM_* variables by name; the station services and the drop folder are left to the caller's choice."""
    return {
        "SM_CMR_URL": urls.cmr, "SM_EARTHDATA_URL": urls.login, "SM_EARTHDATA_HOSTS": urls.data,
        "SM_EARTHDATA_USER": accounts.earthdata_user, "SM_EARTHDATA_PASSWORD": accounts.earthdata_password,
        "SM_GLASS_URL": urls.glass, "SM_GLEAM_HOST": urls.gleam_host, "SM_GLEAM_PORT": str(urls.gleam_port),
        "SM_GLEAM_USER": accounts.gleam_user, "SM_GLEAM_PASSWORD": accounts.gleam_password,
        "SM_GLEAM_HOST_KEY": urls.gleam_host_key,
    }


def station_settings_for(urls: Urls, accounts: Accounts) -> dict[str, str]:
    """Those of the station services."""
    return {"SM_RDA_URL": urls.rda, "SM_RDA_KEY": accounts.rda_key, "SM_USCRN_URL": urls.uscrn}
