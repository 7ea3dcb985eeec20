"""The reference client bears every scenario, over HTTP and HTTPS, and those that differ on every release."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sound import Poller
from sound_async import AsyncPoller

from pytest_redis_actions.client_contract import ActionsClientContract, Target


class Sound(ActionsClientContract):
    drive: Sequence[str] = ("sound",)
    make: Any = Poller
    refreshes_credentials = True
    tolerates_early_404 = True
    waits_for = ("action", "deletion")
    sends_headers = True
    reads_v2 = True
    starts = True

    def poller(self, target: Target) -> Any:
        return self.make(
            target.url,
            target.auth,
            verify=str(target.ca_file) if target.ca_file else True,
            headers=target.headers,
            fresh_auth=target.fresh_auth,
            read_timeout=target.read_timeout,
            api="v2" if target.scenario == "S07" else "v1",
            early_404=30.0 if target.scenario == "S28" else 0.0,
            gone_is_success=target.waits_for == "deletion",
        )

    def start(self, target: Target) -> Any:
        return self.poller(target).start(
            "POST", "/v1/bdbs", timeout=target.timeout, body={"name": "db", "memory_size": 1 << 30}
        )

    def wait(self, target: Target) -> Any:
        return self.poller(target).wait(target.action_uid, timeout=target.timeout)


class TestSound(Sound):
    pass


@pytest.mark.long
class TestSoundOverTLS(Sound):
    tls = True


class SoundAsync(Sound):
    drive = ("sound", "sound_async")
    make = AsyncPoller

    def poller(self, target: Target) -> Any:
        verify = ssl.create_default_context(cafile=str(target.ca_file)) if target.ca_file else True
        poller = super().poller(replace(target, ca_file=None))
        poller.options["verify"] = verify
        poller.fresh_auth = target.fresh_auth
        return poller

    async def start(self, target: Target) -> str:
        return str(
            await self.poller(target).start(
                "POST", "/v1/bdbs", timeout=target.timeout, body={"name": "db", "memory_size": 1 << 30}
            )
        )

    async def wait(self, target: Target) -> str:
        return str(await self.poller(target).wait(target.action_uid, timeout=target.timeout))


class TestSoundAsync(SoundAsync):
    pass


@pytest.mark.long
class TestSoundAsyncOverTLS(SoundAsync):
    tls = True


@pytest.mark.long
class TestSoundOnEveryRelease(Sound):
    releases = "all"


@pytest.mark.long
class TestSoundAsyncOnEveryRelease(SoundAsync):
    releases = "all"
