"""The releases of Redis Enterprise Software that we know, and what differs between them: tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ReleaseError, UsageError, advice, exact, shown

__all__ = [
    "NEWEST",
    "PROFILES",
    "RELEASES",
    "SINCE",
    "UNTIL",
    "UNTIL_FACTS",
    "Since",
    "check_profile",
    "check_release",
    "has",
    "not_before",
]

__tracebackhide__ = True

RELEASES: tuple[str, ...] = ("7.2", "7.4", "7.8", "7.22", "8.0", "8.2")
"""Every known release, oldest first."""

NEWEST = RELEASES[-1]

PROFILES = ("wire", "documented")
"""What clusters send and what the reference says: "wire" has both, "documented" the reference alone."""


@dataclass(frozen=True)
class Since:
    """Since when something is there: the age of a page and the age of what it describes are two facts.

    Attributes:
        documented: the first release whose reference has it; the reference's oldest folder is that of 7.4.
        observed: the first release that is known to have had it; None if nothing but the page says so.
        source: what `observed` rests on, or why there is nothing, with the fact's id.
    """

    documented: str
    observed: str | None
    source: str

    def is_in(self, release: str, profile: str) -> bool:
        """Tell whether a release has it: for "wire" if either fact says so, for "documented" if the reference does."""
        observed = self.observed is not None and profile == "wire" and not_before(release, self.observed)
        return observed or not_before(release, self.documented)


SINCE: Mapping[str, Since] = {
    "actions-of-a-database": Since("7.4", "7.4", "release notes 7.4.2-54: E-SINCE-1, E-ROUTE-3"),
    "pending-ops": Since("7.4", "7.8", "one capture, inferred to be 7.8; in a sample of the 7.4 pages: E-SINCE-2"),
    "shard-migrate": Since("7.4", "7.2", "the permission migrate_shard is older than the page: E-SINCE-3, E-START-14"),
    "shard-failover": Since("7.8", "7.8", "release notes 7.8.2-34: E-SINCE-4, E-START-15"),
    "rebalance": Since("7.8", "7.8", "release notes 7.8.2-34: E-SINCE-5, E-START-9"),
    "traffic": Since("7.8", "7.8", "release notes 7.8.2-34: E-SINCE-6, E-START-11"),
    "user-manager": Since("7.8", "7.8", "release notes 7.8.2-34: E-SINCE-7, E-ROUTE-7"),
    "revamp": Since("7.22", "7.22", "release notes 7.22.0-95: E-SINCE-8, E-START-10"),
    "v2-actions": Since("7.22", "7.22", "release notes 7.22.0-95: E-SINCE-9, E-ROUTE-4, E-ROUTE-13"),
    "aborted": Since("8.0", "7.2", "release notes 7.4.2-126 and 7.8.4-18 have the word; 7.2 inferred: E-SINCE-10"),
    "dry-run-of-access": Since("7.8", None, "the pages of users, roles and ACLs only: E-SINCE-14, E-PARAM-1"),
    "dry-run-of-deletion": Since("8.0", None, "the OpenAPI file of 8.0 only: E-SINCE-15, E-PARAM-1"),
    "deletion-tells-action": Since("8.0", None, "the OpenAPI file of 8.0 only: E-SINCE-11, E-START-19, E-C10"),
}
"""What a release brought."""

UNTIL: Mapping[str, str] = {
    "modules-v2": "7.22",
    "modules-upgrade": "7.22",
}
"""What a release took away: feature -> the last release whose reference has it."""

UNTIL_FACTS: Mapping[str, str] = {
    "modules-v2": "E-SINCE-12, E-START-16, E-START-17",
    "modules-upgrade": "E-SINCE-13, E-START-25",
}
"""What the rows of UNTIL rest on."""


def check_release(release: object) -> str:
    """Return `release` if it is one that we know.

    Raises:
        ReleaseError: it is not; the message names the nearest.
    """
    known = exact(release)
    if isinstance(known, str) and known in RELEASES:
        return known
    raise ReleaseError(
        f"unknown release {shown(release, 40)}",
        fix=_nearest_release(release)
        + f"known are {', '.join(RELEASES)}{'' if isinstance(release, str) else ', as strings'}",
        value=release,
    )


def check_profile(profile: object) -> str:
    """Return `profile` if it is "wire" or "documented".

    Raises:
        UsageError: it is neither.
    """
    known = exact(profile)
    if isinstance(known, str) and known in PROFILES:
        return known
    raise UsageError(
        f"unknown profile {shown(profile, 40)}",
        fix=advice(profile, PROFILES) + "known are 'wire' and 'documented'",
        value=profile,
    )


def _nearest_release(release: object) -> str:
    """Return "write '7.4'; " for the release with the nearest number, the newer one of two, or "" for no number."""
    number = re.match(r"\s*v?(\d{1,4})(?:[.,](\d{1,4}))?", release if type(release) is str else shown(release, 40))
    if number is None:
        return ""
    major, minor = int(number[1]), int(number[2] or 0)

    def distance(known: str) -> tuple[int, int, int]:
        its_major, its_minor = map(int, known.split("."))
        apart = abs(its_minor - minor) if its_major == major else its_minor if its_major > major else -its_minor
        return abs(its_major - major), apart, -its_minor

    return f"write {min(RELEASES, key=distance)!r}; "


def not_before(release: str, first: str) -> bool:
    """Tell whether `release` is `first` or newer (7.22 is newer than 7.8)."""
    return RELEASES.index(release) >= RELEASES.index(first)


def has(release: str, feature: str, profile: str = "wire") -> bool:
    """Tell whether a release has a feature of the tables SINCE and UNTIL."""
    if feature in UNTIL:
        return not_before(UNTIL[feature], release)
    return SINCE[feature].is_in(release, profile)
