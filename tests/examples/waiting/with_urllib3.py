"""A session that lets urllib3 repeat a poll while the cluster answers 503: that library sleeps for it."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry


def status(url: str, uid: str, auth: tuple[str, str]) -> str:
    with requests.Session() as session:
        session.auth = auth
        session.mount("http://", HTTPAdapter(max_retries=Retry(total=5, backoff_factor=2, status_forcelist=[503])))
        return str(session.get(f"{url}/v1/actions/{uid}", timeout=10).json()["status"])
