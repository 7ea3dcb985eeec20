"""One call of a client's `wait`: in a thread, in a task, or as a command; how it ended is kept."""

from __future__ import annotations

import asyncio
import inspect
import os
import signal
import subprocess
import sysconfig
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..driving import RECIPES
from ..errors import EndlessWait, StandStill
from ..scenarios.outcome import CommandFailed
from .target import Target

__all__ = ["Call", "Client", "ClientThread", "threads_of"]

_LIBRARIES = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib"))
_THIS_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class Client:
    """What is judged.

    Attributes:
        make: makes a fresh instance, which has `wait` and may have `start`.
        drive: the modules whose time is driven.
        command: a command line instead of `wait`.
        tls: whether it is spoken to over HTTPS.
        release: what the stub plays.
        home: the module of the test.
        real_seconds: after so long without a sign of life it is stopped.
        waits_for: what it waits for, where a scenario leaves that open.
    """

    make: Callable[[], Any]
    drive: tuple[Any, ...]
    command: tuple[str, ...]
    tls: bool
    release: str
    home: str
    real_seconds: float = 20.0
    waits_for: str = "action"

    @property
    def is_async(self) -> bool:
        """Whether its `wait` is a coroutine."""
        return not self.command and inspect.iscoroutinefunction(self.make().wait)


class ClientThread(threading.Thread):
    """A thread in which a client waits."""

    def __init__(self, job: Callable[[], object]) -> None:
        super().__init__(target=job, name="wait", daemon=True)


class Call:
    """One call of `wait`.

    Attributes:
        returned, error: how it ended.
        interrupted: what stopped it; None if it ended by itself, or has not ended.
        has_ended: whether it has.
        is_abandoned: whether it could not be stopped.
        thread: where it runs.
    """

    def __init__(
        self, client: Client, target: Target, *, starts: bool, again: Callable[[], object] | None = None
    ) -> None:
        self._client = client
        self._again = again
        self._starts = starts
        self._process: subprocess.Popen[str] | None = None
        self.target = target
        self.returned: object = None
        self.error: BaseException | None = None
        self.interrupted: BaseException | None = None
        self.has_ended = False
        self.is_abandoned = False
        self.thread: threading.Thread | None = None

    def run(self) -> None:
        """Call `wait`, and keep how it ends."""
        try:
            self.returned = self._command() if self._client.command else self._call()
        except BaseException as error:
            self.fail(error)
        self.has_ended = True

    async def arun(self) -> None:
        """Do the same in a task."""
        try:
            self.returned = await self._acall(self._client.make())
        except BaseException as error:
            self.fail(error)
        self.has_ended = True

    def fail(self, error: BaseException) -> None:
        """Keep an error: the client's own, or what stopped it."""
        if isinstance(error, (EndlessWait, StandStill)):
            self.interrupted = error
        else:
            self.error = self.error or error

    def stop(self) -> None:
        """Stop a command."""
        if self._process is not None and self._process.poll() is None:
            self.interrupted = EndlessWait()
            _kill(self._process)

    def _call(self) -> object:
        instance = self._client.make()
        if inspect.iscoroutinefunction(instance.wait):
            return asyncio.run(self._acall(instance))
        if self._starts:
            self.target.action_uid = instance.start(self.target)
        returned = instance.wait(self.target)
        if self._again is None:
            return returned
        self._again()
        return instance.wait(self.target)

    async def _acall(self, instance: Any) -> object:
        if self._starts:
            started = instance.start(self.target)
            self.target.action_uid = await started if inspect.isawaitable(started) else started
        returned = await instance.wait(self.target)
        if self._again is None:
            return returned
        self._again()
        return await instance.wait(self.target)

    def _command(self) -> object:
        words = {
            "url": self.target.url,
            "action_uid": self.target.action_uid or "",
            "user": self.target.auth[0],
            "password": self.target.auth[1],
            "ca_file": str(self.target.ca_file or ""),
            "timeout": f"{self.target.timeout:g}",
            "read_timeout": f"{self.target.read_timeout:g}",
            "waits_for": self.target.waits_for,
        }
        command = [word.format(**words) for word in self._client.command]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, start_new_session=True, **pipes) as process:
            self._process = process
            _, errors = process.communicate()
        if process.returncode:
            raise CommandFailed(process.returncode, errors.strip()[-300:])
        return "completed"

    def place(self) -> tuple[str, str]:
        """Return the line of the client that raised the error, "naive.py:14", and its text; "" if unknown.

        Of a command it is what it wrote last, with placeholders for what differs between plays.
        """
        if self.error is None:
            return "", ""
        if isinstance(self.error, CommandFailed):
            last = str(self.error).splitlines()[-1].partition(": ")[2]
            masked = last.replace(str(self.target.action_uid), "{action_uid}").replace(self.target.url, "{url}")
            return masked.replace(f" {self.target.timeout:g} s", " {timeout} s")[:80], ""
        frames = traceback.extract_tb(self.error.__traceback__)
        modules = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(self.error.__traceback__)]
        found = [(frame, name) for frame, name in zip(frames, modules, strict=True) if _is_foreign(name)]
        for is_own in (self._is_driven, self._is_at_home, _is_no_library):
            own = [frame for frame, name in found if is_own(name, frame.filename)]
            if own:
                name = own[-1].filename.replace("\\", "/").rpartition("/")[2]
                return f"{name}:{own[-1].lineno}", own[-1].line or ""
        return "", ""

    def _is_driven(self, name: str, filename: str) -> bool:
        names = {each if isinstance(each, str) else each.__name__ for each in self._client.drive} - {*RECIPES}
        return name.partition(".")[0] in {each.partition(".")[0] for each in names}

    def _is_at_home(self, name: str, filename: str) -> bool:
        return name == self._client.home


def _is_foreign(name: str) -> bool:
    return name.partition(".")[0] != _THIS_PACKAGE


def _is_no_library(name: str, filename: str) -> bool:
    return not filename.startswith(_LIBRARIES) and not filename.startswith("<")


def _kill(process: subprocess.Popen[str]) -> None:
    """Kill a command and what it has started, which may hold its pipes open."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def threads_of(client: Client, calls: Sequence[Call]) -> list[threading.Thread]:
    """Return the threads for calls that run at once: one for each; one for all if they are tasks of a loop."""
    if len(calls) > 1 and client.is_async:
        thread = ClientThread(lambda: _together(calls))
        threads: list[threading.Thread] = [thread] * len(calls)
    else:
        threads = [ClientThread(call.run) for call in calls]
    for call, each in zip(calls, threads, strict=True):
        call.thread = each
    return list(dict.fromkeys(threads))


def _together(calls: Sequence[Call]) -> None:
    async def all_of_them() -> None:
        await asyncio.gather(*(call.arun() for call in calls))

    try:
        asyncio.run(all_of_them())
    except BaseException as error:
        for call in calls:
            call.fail(error)
