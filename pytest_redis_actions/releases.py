"""The releases of Redis Enterprise Software that we know, and what differs between them: tables."""

from __future__ import annotations

from collections.abc import Mapping

from .errors import ReleaseError, advice, shown

__all__ = ["NEWEST", "RELEASES", "SINCE", "UNTIL", "check_release", "has", "not_before"]

__tracebackhide__ = True

RELEASES: tuple[str, ...] = ("7.2", "7.4", "7.8", "7.22", "8.0", "8.2")
"""Every known release, oldest first."""

NEWEST = RELEASES[-1]

SINCE: Mapping[str, str] = {
    "actions-of-a-database": "7.4",  # E-ROUTE-3
    "pending-ops": "7.4",  # E-SM-8: in the reference's sample since then, described since 7.8
    "shard-migrate": "7.4",  # E-START-14
    "shard-failover": "7.8",  # E-START-15
    "rebalance": "7.8",  # E-START-9
    "traffic": "7.8",  # E-START-11
    "user-manager-sees-actions": "7.8",  # E-ROUTE-7
    "revamp": "7.22",  # E-START-10
    "v2-actions": "7.22",  # E-ROUTE-4, E-ROUTE-13
    "aborted": "8.0",  # E-STATUS-1
    "deletion-tells-action": "8.0",  # E-START-19, E-C10
}
"""What a release brought: feature -> the first release that has it."""

UNTIL: Mapping[str, str] = {
    "modules-v2": "7.22",  # E-START-16, E-START-17
}
"""What a release took away: feature -> the last release that has it."""


def check_release(release: object) -> str:
    """Return `release` if it is one that we know.

    Raises:
        ReleaseError: it is not; the message names the nearest.
    """
    if isinstance(release, str) and release in RELEASES:
        return release
    raise ReleaseError(
        f"unknown release {shown(release, 40)}",
        fix=advice(release, RELEASES) + f"known are {', '.join(RELEASES)}, as strings",
        value=release,
    )


def not_before(release: str, first: str) -> bool:
    """Tell whether `release` is `first` or newer (7.22 is newer than 7.8)."""
    return RELEASES.index(release) >= RELEASES.index(first)


def has(release: str, feature: str) -> bool:
    """Tell whether a release has a feature of the tables SINCE and UNTIL."""
    if feature in UNTIL:
        return not_before(UNTIL[feature], release)
    return not_before(release, SINCE[feature])
