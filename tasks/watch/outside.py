"""Addresses outside, read or called. An address may hold a key and is in no message; its host is."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import requests

from sm_core.errors import OutsideError
from tasks.adapters.fetch.http import CLIENT
from tasks.settings_sources import SourceSettings


def get(address: str, network: SourceSettings) -> bytes:
    """What an address gives. Redirects are not followed, the environment is not asked for a proxy.

    Raises
    ------
    OutsideError   SM810, no answer, or another one than 200 to 299.
    """
    host, verify = urlsplit(address).hostname, _authorities(network.ca_bundle)
    problem = ""
    with requests.Session() as session:
        session.trust_env = False
        if proxy := network.proxy.get_secret_value():
            session.proxies = {"http": proxy, "https": proxy}
        try:
            answer = session.get(address, headers={"User-Agent": f"{CLIENT}/1"}, timeout=network.connect_timeout_s,
                                 allow_redirects=False, verify=verify)
            if answer.ok and not answer.is_redirect:
                return answer.content
            problem = f"answered {answer.status_code}"
        except (requests.RequestException, ValueError) as cause:
            problem = f"no answer: {type(cause).__name__}"
    raise OutsideError(problem, host=host)


def _authorities(bundle: Path | None) -> str | bool:
    return str(bundle) if bundle else True
