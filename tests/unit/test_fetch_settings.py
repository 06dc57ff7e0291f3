"""Settings of the providers, and which clients they make."""

import datetime as dt

import pytest

from sm_core.errors import SettingsError
from tasks.adapters.fetch.configured import open_clients
from tasks.settings_sources import SourceSettings, load_source_settings

NOW = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
GLEAM = "gleam.example.org:2225"
SECRETS = ("t0ken", "pa55", "gl3am", "k3y", "pr0xy")


@pytest.fixture
def everything(monkeypatch, tmp_path):
    for name, value in {
        "EARTHDATA_TOKEN": "t0ken", "EARTHDATA_USER": "me", "EARTHDATA_PASSWORD": "pa55",
        "GLEAM_HOST": "gleam.example.org", "GLEAM_USER": "me", "GLEAM_PASSWORD": "gl3am",
        "GLEAM_HOST_KEY": "ssh-ed25519 AAAA", "RDA_KEY": "k3y",
        "USCRN_URL": "https://uscrn.example.org", "DROP_FOLDER": str(tmp_path), "USCRN_STATIONS": "AZ_A_1_W, AK_B_2_E",
        "PROXY": "http://me:pr0xy@proxy.example.org",
        "EARTHDATA_HOSTS": "https://data.example.org,https://more.example.org",
    }.items():
        monkeypatch.setenv(f"SM_{name}", value)


def test_what_is_configured(everything):
    with open_clients(load_source_settings(), lambda: NOW) as clients:
        hosts = [fetcher.host for fetcher in clients.fetchers]
        assert hosts == ["glass.hku.hk", "data.example.org", GLEAM, "uscrn.example.org", "drop folder"]
        assert clients.fetcher("MOD11A1.061").host == "data.example.org"
        assert clients.fetcher("GLEAM_v4.2a.SMrz").host == GLEAM
        assert clients.fetcher("C3S-SM") is None
        assert clients.rda is not None
        assert clients.drop is clients.fetcher("CSV")


def test_without_credentials_only_the_open_hosts_are_asked(monkeypatch):
    with open_clients(SourceSettings(), lambda: NOW) as clients:
        assert [fetcher.host for fetcher in clients.fetchers] == ["glass.hku.hk"]
        assert clients.rda is None


def test_lists_are_separated_by_commas(everything):
    settings = load_source_settings()
    assert settings.earthdata_hosts == ("https://data.example.org", "https://more.example.org")
    assert settings.uscrn_stations == ("AZ_A_1_W", "AK_B_2_E")


def test_secrets_do_not_show(everything):
    settings = load_source_settings()
    shown = repr(settings) + str(settings.model_dump()) + settings.model_dump_json()
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.parametrize(("name", "value"), [
    ("READ_TIMEOUT_S", "0"), ("CMR_PAGE_SIZE", "2001"), ("GLEAM_PORT", "s3cret"), ("EARTHDATA_HOSTS", ","),
])
def test_unusable_value_is_named_but_not_shown(monkeypatch, name, value):
    monkeypatch.setenv(f"SM_{name}", value)
    with pytest.raises(SettingsError, match=f"SM_{name}") as caught:
        load_source_settings()
    assert "s3cret" not in str(caught.value)


def test_half_a_login_is_told():
    with pytest.raises(SettingsError, match="SM_GLEAM_USER"), \
            open_clients(SourceSettings(gleam_host="gleam.example.org"), lambda: NOW):
        pass
