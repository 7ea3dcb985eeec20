"""What every test shares: no proxy and no foreign CA bundle between a client and the stub, and Hypothesis' profile."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio._backends._asyncio
import httpcore
import httpx
import hypothesis
import pytest
import requests
import trustme

import pytest_redis_actions.assertions
import pytest_redis_actions.session

# Some tests run whole suites in this process; pytester forgets what those import, and a library that is loaded twice
# is two libraries (cryptography, below trustme, cannot even bear it). What is loaded here is loaded once.
LOADED_ONCE = (
    requests,
    trustme,
    httpx,
    httpcore,
    anyio._backends._asyncio,
    pytest_redis_actions.session,
    pytest_redis_actions.assertions,
)

pytest_plugins = ["pytester"]

for name in list(os.environ):
    if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        del os.environ[name]

# The machines are shared and noisy: how long one example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=60)
hypothesis.settings.load_profile("suite")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return a function that writes a module, or a package, and imports it."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(source: str, name: str = "driven_client") -> Any:
        path = tmp_path.joinpath(*name.split("."))
        if name.endswith("__init__"):
            name = name.rpartition(".")[0]
        path.parent.mkdir(exist_ok=True)
        path.with_suffix(".py").write_text(source, encoding="utf-8")
        written.append(name)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in written:
        sys.modules.pop(name, None)
