"""What every test shares: no proxy and no foreign CA bundle between a client and the stub, and Hypothesis' profile."""

from __future__ import annotations

import os

import anyio._backends._asyncio
import httpcore
import httpx
import hypothesis
import requests
import trustme

import pytest_redis_actions.session

# Some tests run whole suites in this process; pytester forgets what those import, and a library that is loaded twice
# is two libraries (cryptography, below trustme, cannot even bear it). What is loaded here is loaded once.
LOADED_ONCE = (requests, trustme, httpx, httpcore, anyio._backends._asyncio, pytest_redis_actions.session)

pytest_plugins = ["pytester"]

for name in list(os.environ):
    if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        del os.environ[name]

# The machines are shared and noisy: how long one example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=60)
hypothesis.settings.load_profile("suite")
