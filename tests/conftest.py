"""What every test shares: no proxy and no foreign CA bundle between a client and the stub, and Hypothesis' profile."""

from __future__ import annotations

import faulthandler
import gc
import importlib
import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import anyio._backends._asyncio
import httpcore
import httpx
import hypothesis
import pytest
import requests
import trustme

import pytest_redis_actions.observed.trace_assertions
import pytest_redis_actions.pytest_glue.session

# Some tests run whole suites in this process; pytester forgets what those import, and a library that is loaded twice
# is two libraries (cryptography, below trustme, cannot even bear it). What is loaded here is loaded once.
LOADED_ONCE = (
    requests,
    trustme,
    httpx,
    httpcore,
    anyio._backends._asyncio,
    pytest_redis_actions.pytest_glue.session,
    pytest_redis_actions.observed.trace_assertions,
)

pytest_plugins = ["pytester"]

for name in list(os.environ):
    if name.lower().endswith("_proxy") or name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        del os.environ[name]

# Hundreds of tests start an interpreter; without compiled files each compiles pytest's plugins anew, for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The machines are shared and noisy: how long one example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None, max_examples=60)
hypothesis.settings.load_profile("suite")

# Seconds of real time after which a test that hangs prints the stack of each thread and ends its process.
LIMIT, LIMIT_OF_LONG = 120, 1200
real_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[real_stderr] = os.dup(2)  # what pytest captures later would be lost with the process


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_xdist_auto_num_workers() -> Generator[None, int, int]:
    """Take one worker more than there are processors: some tests wait in real time."""
    return (yield) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what stays for the whole session, thousands of tests, to no search for garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """End a test that hangs: under xdist it fails as a crash of its worker, and the others run on."""
    limit = LIMIT_OF_LONG if item.get_closest_marker("long") else LIMIT
    faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[real_stderr])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """Load this plugin alone: the plugins of others take most of the time of a small suite. -p adds what it needs."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p redis_actions")
    return pytester


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
