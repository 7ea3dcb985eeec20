"""The options of a stub: one plain object, checked before anything is opened.

The fixture's options come from the ini file, the command line and the marker; the nearest wins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import ModuleType

from ..clock import DEFAULT_EPOCH, GUARD, Clock, VirtualClock, WallClock
from ..errors import OptionError, nearest, shown
from ..errors.arguments import check_number
from ..facts.access import checked_auth
from ..facts.releases import NEWEST, PROFILES, check_release
from ..observed.past_end import PAST_END

__all__ = ["Options"]

__tracebackhide__ = True

CLOCKS = ("virtual", "wall")
ENVELOPES = ("array", "wrapper")


@dataclass(frozen=True)
class Options:
    """The options of one stub; the same for the marker and for `make_redis_actions`.

    tests/build_guides.py makes the table of `redis-actions help options` of these lines.

    Attributes:
        release: `"7.2"`, `"7.4"`, `"7.8"`, `"7.22"`, `"8.0"` or `"8.2"`; on the marker also a list, or `"all"`:
            the test runs once for each.
        profile: `"wire"`: what clusters send; `"documented"`: what the reference says.
        tls: whether to serve HTTPS, which needs the extra `tls`; `"untrusted"` and `"expired"` serve such a
            certificate.
        host: a loopback address.
        port: a fixed port; 0 for a free one.
        auth: the administrator, `("user", "password")`; None for a default user; False requires no credentials, but
            `Host` must then be a loopback address or `localhost`, with the port.
        strict: whether a request that matches no route fails the test.
        clock: `"virtual"` moves only when told; `"wall"` runs by itself; or the clock of another stub.
        rate: seconds on a wall clock per real second; 1 if left out.
        epoch: the clock's start in Unix seconds; 2025-10-14 00:00 UTC if left out.
        drive: the modules whose time follows the clock during the whole test, `["my_client"]`.
        guard: real seconds for which the virtual clock may stand still while nothing runs; None for no limit.
        max_polls: requests after which a client that sleeps on the virtual clock is stopped; 10,000 if left out.
        max_virtual_seconds: seconds on the virtual clock after which such a client is stopped; 1,000,000 if left out.
        past_end: polls in a row of an operation that was shown to have ended, after which the client is stopped; None
            for no limit.
        scenario: a scenario of the catalogue, `"S29"`; `redis_actions.played` is its operation.
        refuses: seconds on the clock for which the port refuses connections at first.
        bdb_envelope: the form of the reply to `/v1/actions/bdb/{uid}`: `"array"` as documented, or `"wrapper"`, the
            object that some clients expect (E-C6).
    """

    release: str = NEWEST
    profile: str = "wire"
    tls: bool | str = False
    host: str = "127.0.0.1"
    port: int = 0
    auth: tuple[str, str] | bool | None = None
    strict: bool = True
    clock: str | Clock = "virtual"
    rate: float | None = None
    epoch: int | None = None
    drive: tuple[str | ModuleType, ...] = ()
    guard: float | None = GUARD
    max_polls: int | None = None
    max_virtual_seconds: float | None = None
    past_end: int | None = PAST_END
    scenario: str | None = None
    refuses: float = 0
    bdb_envelope: str = "array"

    @classmethod
    def of(cls, given: Mapping[str, object]) -> Options:
        """Return the given options, checked, with defaults for the rest.

        Raises:
            OptionError: an unknown option, with the nearest one, or an invalid value.
            ReleaseError: an unknown release.
        """
        known = tuple(field.name for field in fields(cls))
        for name in given:
            if name not in known:
                guess = nearest(name, known)
                raise OptionError(
                    f"unknown option {shown(name, 40)}",
                    fix=(f"write {guess}=…; " if guess else "") + f"known are {', '.join(known)}",
                    value=name,
                )
        options = cls(**{**given, "drive": _listed(given.get("drive", ()))})  # type: ignore[arg-type]  # checked next
        options._check()
        return options

    def _check(self) -> None:
        check_release(self.release)
        _one_of("profile", self.profile, PROFILES)
        if self.auth not in (None, True, False):
            checked_auth(self.auth)
        _one_of("bdb_envelope", self.bdb_envelope, ENVELOPES)
        _one_of("tls", self.tls, (True, False, "untrusted", "expired"))
        _one_of("strict", self.strict, (True, False))
        if not isinstance(self.clock, (VirtualClock, WallClock)):
            _one_of("clock", self.clock, CLOCKS)
        self._check_clock()
        self._check_driving()

    def _check_driving(self) -> None:
        if self.drive and (self.clock == "wall" or isinstance(self.clock, WallClock)):
            raise OptionError(
                "drive needs a virtual clock",
                fix="leave clock='wall' out: the client's sleep then moves the clock",
                value=self.drive,
            )
        for name in ("guard", "max_polls", "max_virtual_seconds"):
            bound = getattr(self, name)
            if bound is not None:
                check_number(
                    name,
                    bound,
                    above=True,
                    whole=name == "max_polls",
                    otherwise="None for ever" if name == "guard" else "",
                    error=OptionError,
                )
        if self.past_end is not None:
            check_number(
                "past_end",
                self.past_end,
                least=1,
                whole=True,
                unit="polls",
                otherwise="None for never",
                error=OptionError,
            )
        check_number("refuses", self.refuses, most=1e9, unit="seconds", error=OptionError)

    def _check_clock(self) -> None:
        if self.rate is not None and self.clock != "wall":
            raise OptionError(
                f"rate={shown(self.rate, 30)} needs clock='wall'",
                fix="write clock='wall', or leave rate out",
                value=self.rate,
            )
        if self.epoch is not None and not isinstance(self.clock, str):
            raise OptionError(
                f"epoch={shown(self.epoch, 30)} cannot be set for a shared clock",
                fix="leave epoch out: the clock has one already",
                value=self.epoch,
            )

    def make_clock(self) -> Clock:
        """Return the clock: a new one, or the shared one."""
        clock = self.clock if not isinstance(self.clock, str) else self._new_clock()
        if isinstance(clock, VirtualClock):
            clock.guard = clock.guard if clock is self.clock else self.guard
            clock.max_polls = self.max_polls or clock.max_polls
            clock.max_virtual_seconds = self.max_virtual_seconds or clock.max_virtual_seconds
        return clock

    def _new_clock(self) -> Clock:
        epoch = DEFAULT_EPOCH if self.epoch is None else self.epoch
        if self.clock == "wall":
            return WallClock(epoch, rate=1.0 if self.rate is None else self.rate)
        return VirtualClock(epoch)


def _listed(given: object) -> object:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _one_of(name: str, value: object, choices: tuple[object, ...]) -> None:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        guess = nearest(value, [choice for choice in choices if isinstance(choice, str)])
        raise OptionError(
            f"{name}={shown(value, 40)} is not known",
            fix=(f"write {name}={guess!r}; " if guess else "") + f"known are {', '.join(map(repr, choices))}",
            value=value,
        )
